/**
 * What a row of the table of sets says: where a set is found, what its files hold. The rows stand
 * in `sets/`; a further set is a further row.
 */
import type { ImageShape } from './types';

/** A packing of a file: what a mirror serves or a distribution ships. */
export interface Packing {
  readonly bytes: number;
  readonly sha256: string;
}

/** One file of a set. */
export interface FileSpec {
  /** Name of the unpacked file; packed, it ends in `.gz`. */
  readonly name: string;
  /**
   * SHA-256 of the unpacked file. Without it an unpacked file is checked by its size, its header
   * and its labels alone.
   */
  readonly sha256?: string;
  /** The known packings of it; the first is the one that mirrors serve. */
  readonly gzip?: readonly Packing[];
  /** SHA-256 of packings whose length is not published: those inside an archive. */
  readonly gzipSha256?: readonly string[];
}

/** One file that holds all files of a set, and perhaps others. */
export interface ArchiveSpec extends Packing {
  /** Its name, which says its kind: `.tar.gz` or `.zip`. */
  readonly name: string;
}

/** Half of a set: images and labels in a file each. */
export interface IdxSplit {
  readonly numSamples: number;
  readonly images: FileSpec;
  readonly labels: FileSpec;
}

/** Half of a set: files of records, each with equally many. */
export interface RecordSplit {
  readonly numSamples: number;
  readonly batches: readonly FileSpec[];
}

interface BaseSpec {
  /** Its name for people. */
  readonly title: string;
  /**
   * Its name for `loadDataset`, and its folder in deepend's cache: small letters, digits and
   * hyphens.
   */
  readonly id: string;
  /** Where in a folder of data sets it may lie, beside directly in it. */
  readonly subfolders: readonly string[];
  /** Folders that distributions and other libraries fill; `~/` is the home folder. */
  readonly systemFolders: readonly string[];
  /** The Debian package that fills one of them. */
  readonly debianPackage?: string;
  /**
   * Addresses that serve the packed files or the archive, the nearest to the source first. A file's
   * name is added to each.
   */
  readonly mirrors: readonly string[];
  /** The archive that mirrors serve in place of single files. */
  readonly archive?: ArchiveSpec;
  readonly imageShape: ImageShape;
  readonly classNames: readonly string[];
  /** Mean and standard deviation of the training images in [0, 1], by channel. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A set in IDX files, as MNIST and its kin are. */
export interface IdxSetSpec extends BaseSpec {
  readonly format: 'idx';
  /** The label of class 0 in the files. @default 0 */
  readonly firstLabel?: number;
  /** Whether the files hold each image column by column; it is read upright. @default false */
  readonly transposed?: boolean;
  readonly splits: { readonly train: IdxSplit; readonly test: IdxSplit };
}

/**
 * A set in CIFAR's binary form: records of label bytes and then the planes of red, green and blue.
 */
export interface CifarSetSpec extends BaseSpec {
  readonly format: 'cifar';
  /** Label bytes at the beginning of a record. The last of them is the class. */
  readonly labelBytes: number;
  readonly splits: { readonly train: RecordSplit; readonly test: RecordSplit };
}

/** A row of the table of sets. */
export type SetSpec = IdxSetSpec | CifarSetSpec;

/** All files of a set. */
export function filesOf(spec: SetSpec): FileSpec[] {
  if (spec.format === 'cifar') return [...spec.splits.train.batches, ...spec.splits.test.batches];
  const { train, test } = spec.splits;
  return [train.images, train.labels, test.images, test.labels];
}

/** Bytes of one image. */
export const imageSize = ({ imageShape: [height, width, channels] }: { imageShape: ImageShape }) =>
  height * width * channels;

/** How long each unpacked file of a set must be. */
export function unpackedBytes(spec: SetSpec): Map<string, number> {
  const sizes = new Map<string, number>();
  if (spec.format === 'cifar') {
    for (const { numSamples, batches } of [spec.splits.train, spec.splits.test])
      for (const { name } of batches)
        sizes.set(name, (numSamples / batches.length) * (spec.labelBytes + imageSize(spec)));
    return sizes;
  }
  const rank = spec.imageShape[2] === 1 ? 3 : 4;
  for (const { numSamples, images, labels } of [spec.splits.train, spec.splits.test]) {
    sizes.set(images.name, 4 + 4 * rank + numSamples * imageSize(spec));
    sizes.set(labels.name, 8 + numSamples);
  }
  return sizes;
}

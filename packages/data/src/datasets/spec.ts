/**
 * The table entries that describe a dataset: where its files are, and what is in them. A new
 * dataset in a known format is one more entry; the tables are idx/specs.ts and cifar/specs.ts.
 */
import type { ImageShape } from '../types';

/** The two parts of a dataset. */
export type Split = 'train' | 'test';

/** A compressed file as mirrors or distributions provide it. */
export interface PackedFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** One file of a dataset. */
export interface FileSpec {
  /** Name of the unpacked file; the gzipped one has `.gz` added. */
  readonly name: string;
  /**
   * SHA-256 of the unpacked file. Without it, an unpacked file is checked only by its size, header
   * and labels.
   */
  readonly sha256?: string;
  /** Known gzip files of it; mirrors serve the first. */
  readonly gzip?: readonly PackedFile[];
  /** SHA-256 of gzip files whose size is not published: those inside an archive. */
  readonly gzipSha256?: readonly string[];
}

/** One archive that contains all files of a dataset. */
export interface ArchiveSpec extends PackedFile {
  /** Ends in `.tar.gz` or `.zip`. */
  readonly name: string;
}

/** A split with one file of images and one of labels. */
export interface IdxSplit {
  readonly numSamples: number;
  readonly images: FileSpec;
  readonly labels: FileSpec;
}

/** A split in files of records, each with the same number of samples. */
export interface RecordSplit {
  readonly numSamples: number;
  readonly batches: readonly FileSpec[];
}

interface BaseSpec {
  /** The name to show. */
  readonly title: string;
  /** The name for `loadDataset` and in deepend's cache: lower case, digits and hyphens. */
  readonly id: string;
  /** Subfolders of a data folder that may contain it. The data folder itself is tried too. */
  readonly subfolders: readonly string[];
  /** Folders where distributions and other libraries put it; `~/` is the home folder. */
  readonly systemFolders: readonly string[];
  /** The Debian package that installs it. */
  readonly debianPackage?: string;
  /** URLs to which a file's name is added, the original source first. */
  readonly mirrors: readonly string[];
  /** The archive that mirrors serve instead of single files. */
  readonly archive?: ArchiveSpec;
  readonly imageShape: ImageShape;
  readonly classNames: readonly string[];
  /** Mean and standard deviation of each channel over the training images, in [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A dataset in IDX files, such as MNIST. */
export interface IdxDatasetSpec extends BaseSpec {
  readonly format: 'idx';
  /** The label of class 0 in the files. @default 0 */
  readonly firstLabel?: number;
  /** Whether the files store each image column by column. @default false */
  readonly transposed?: boolean;
  readonly splits: { readonly train: IdxSplit; readonly test: IdxSplit };
}

/** A dataset in CIFAR's binary format: label bytes, then the red, green and blue planes. */
export interface CifarDatasetSpec extends BaseSpec {
  readonly format: 'cifar';
  /** Label bytes at the beginning of a record; the last of them is the class. */
  readonly labelBytes: number;
  readonly splits: { readonly train: RecordSplit; readonly test: RecordSplit };
}

/** A table entry for a dataset. */
export type DatasetSpec = IdxDatasetSpec | CifarDatasetSpec;

/** Lists all files of a dataset. */
export function listFiles(spec: DatasetSpec): FileSpec[] {
  if (spec.format === 'cifar') return [...spec.splits.train.batches, ...spec.splits.test.batches];
  const { train, test } = spec.splits;
  return [train.images, train.labels, test.images, test.labels];
}

/** Computes how long each unpacked file of a dataset must be. */
export function unpackedBytes(spec: DatasetSpec): Map<string, number> {
  const [height, width, channels] = spec.imageShape;
  const imageBytes = height * width * channels;
  const sizes = new Map<string, number>();
  if (spec.format === 'cifar') {
    for (const { numSamples, batches } of [spec.splits.train, spec.splits.test])
      for (const { name } of batches)
        sizes.set(name, (numSamples / batches.length) * (spec.labelBytes + imageBytes));
    return sizes;
  }
  const rank = channels === 1 ? 3 : 4;
  for (const { numSamples, images, labels } of [spec.splits.train, spec.splits.test]) {
    sizes.set(images.name, 4 + 4 * rank + numSamples * imageBytes);
    sizes.set(labels.name, 8 + numSamples);
  }
  return sizes;
}

/**
 * Reads IDX files, gzipped or not, and datasets of two such files. Headers, compressed data and
 * lengths are all checked, because a download may be damaged.
 */
import { promisify } from 'node:util';
import { constants, gunzip, gunzipSync } from 'node:zlib';
import { checkOptions, rule } from '@deepend/core';
import { DataError, errorCode } from '../../errors';
import type { Dataset } from '../../types';
import { findDatasetProblem } from '../dataset';
import {
  gzipError,
  isGzip,
  MAX_BYTES,
  maxPackedBytes,
  readWholeFile,
  sha256Of,
} from '../files/read';
import { absolutePath, recordOrigin } from '../origin';
import { type IdxArray, type IdxHeader, parseIdx, parseIdxHeader, sizeError } from './format';

export interface ReadIdxOptions {
  /** The shape that the file must have. @default any shape */
  shape?: readonly number[];
  /** SHA-256 of the unpacked file. @default not checked */
  sha256?: string;
  /** SHA-256 of gzip files that are known to contain the right file. @default none */
  gzipSha256?: readonly string[];
  /** The advice in errors. @default 'get the file again' */
  next?: string;
  /**
   * The file's bytes if they are in memory already, for example from an archive.
   * @default the file is read
   */
  bytes?: Uint8Array;
}

/** A DEFLATE stream unpacks to at most 1032 times its length (https://zlib.net/zlib_tech.html). */
const MAX_RATIO = 1032;
const PEEK_BYTES = 4096;

/**
 * Reads an IDX file of unsigned bytes, gzipped or not.
 * @throws DataError when it is missing, not IDX, truncated, longer than its header says, or has
 *   another shape or other content
 */
export async function readIdx(file: string, options: ReadIdxOptions = {}): Promise<IdxArray> {
  const { shape, sha256, gzipSha256 = [], next = 'get the file again' } = options;
  const bytes = options.bytes ?? (await readWholeFile(file, next, maxFileBytes(shape)));
  const gzipped = isGzip(bytes);
  const unpacking = gzipped ? unpack(bytes, { file, shape, next }) : Promise.resolve(bytes);
  unpacking.catch(() => {}); // awaited below, unless the checksum fails first
  // Computed here while another thread unpacks.
  const gzipHash = gzipped && gzipSha256.length > 0 ? sha256Of(bytes) : undefined;
  const known = gzipHash !== undefined && gzipSha256.includes(gzipHash);
  // Without a checksum of the content, a repacked file looks the same as a wrong one.
  if (gzipHash !== undefined && !known && sha256 === undefined) {
    const expected = `a gzip file with SHA-256 ${gzipSha256.join(' or ')}`;
    throw new DataError(file, expected, gzipHash, next);
  }
  const unpacked = await unpacking;
  const array = parseIdx(unpacked, file, next);
  checkShape(array.shape, { file, shape, next });
  // A repacked file is valid if its content is the same.
  if (sha256 !== undefined && !known) {
    const actual = sha256Of(unpacked);
    if (actual !== sha256)
      throw new DataError(file, `content with SHA-256 ${sha256}`, actual, next);
  }
  return array;
}

/** What a file must be, and what errors about it say. */
interface Expected {
  file: string;
  /** The shape that it must have; any if undefined. */
  shape: readonly number[] | undefined;
  next: string;
}

/** The largest file, gzipped or not, of an array of that shape. */
function maxFileBytes(shape: readonly number[] | undefined): number {
  if (!shape) return MAX_BYTES;
  const values = shape.reduce((product, length) => product * length, 1);
  return Math.min(MAX_BYTES, maxPackedBytes(4 + 4 * shape.length + values));
}

function checkShape(got: readonly number[], { file, shape, next }: Expected): void {
  if (!shape || shape.join() === got.join()) return;
  throw new DataError(file, `the shape [${shape.join(', ')}]`, `[${got.join(', ')}]`, next);
}

/**
 * Unpacks no more than the header inside promises, and only trusts a header that the expected shape
 * and the packed length allow.
 */
async function unpack(packed: Uint8Array, expected: Expected): Promise<Uint8Array> {
  const { file, next } = expected;
  const header = peekHeader(packed, file, next);
  checkShape(header.shape, expected);
  if (header.size > MAX_BYTES || header.size > packed.length * MAX_RATIO) {
    const got = `a gzip file of ${packed.length} bytes, which cannot contain that`;
    throw sizeError(file, header, got, next);
  }
  try {
    const chunkSize = Math.max(64, Math.min(header.size + 1, 64 * 2 ** 20));
    return await promisify(gunzip)(packed, { maxOutputLength: header.size, chunkSize });
  } catch (error) {
    if (errorCode(error) === 'ERR_BUFFER_TOO_LARGE')
      throw sizeError(file, header, 'more: bytes follow the last value', next);
    throw gzipError(file, error, next);
  }
}

/** Reads the IDX header inside a gzip file from its first few kilobytes. */
function peekHeader(packed: Uint8Array, file: string, next: string): IdxHeader {
  let beginning: Uint8Array;
  try {
    const finishFlush = constants.Z_SYNC_FLUSH;
    beginning = gunzipSync(packed.subarray(0, PEEK_BYTES), { finishFlush });
  } catch (error) {
    throw gzipError(file, error, next);
  }
  return parseIdxHeader(beginning, file, next);
}

export interface IdxDatasetOptions {
  /**
   * File of uint8 `[numSamples, height, width]` or `[numSamples, height, width, channels]`, gzipped
   * or not.
   * @example 'data/train-images-idx3-ubyte.gz'
   */
  images: string;
  /**
   * File of uint8 `[numSamples]`, gzipped or not.
   * @example 'data/train-labels-idx1-ubyte.gz'
   */
  labels: string;
  /** Names of the classes; a label beyond them is an error. @default none */
  classNames?: readonly string[];
}

const OPTIONS = rule.object({
  images: rule.string(),
  labels: rule.string(),
  classNames: rule.list(rule.string(), 'a list of at least one string', { min: 1 }).optional(),
});

/**
 * Reads a dataset from two IDX files, one of images and one of labels.
 * @throws DataError when a file is missing, not IDX or damaged, or when the two do not match
 */
export async function readIdxDataset(options: IdxDatasetOptions): Promise<Dataset> {
  const { images, labels, classNames } = checkOptions('[data] readIdxDataset', OPTIONS, options);
  const named = classNames ? { classNames } : {};
  const dataset = await readIdxPair({ file: images }, { file: labels }, named);
  const files = { images: absolutePath(images), labels: absolutePath(labels) };
  return recordOrigin(dataset, { kind: 'idx', options: { ...files, ...named } });
}

export interface IdxSource extends ReadIdxOptions {
  file: string;
}

export interface IdxPairOptions extends Pick<Dataset, 'classNames' | 'source' | 'mean' | 'std'> {
  /** The label of class 0 in the file. @default 0 */
  firstLabel?: number;
  /** Whether the file stores each image column by column. @default false */
  transposed?: boolean;
}

/** Reads images and labels at the same time and checks that they match. */
export async function readIdxPair(
  images: IdxSource,
  labels: IdxSource,
  options: IdxPairOptions,
): Promise<Dataset> {
  const { firstLabel = 0, transposed = false, ...about } = options;
  const [pixels, classes] = await Promise.all([
    readIdx(images.file, images),
    readIdx(labels.file, labels),
  ]);
  const [, height, width, channels = 1] = pixels.shape;
  const next = (at: IdxSource) => at.next ?? 'get both files again from one source';
  if (height === undefined || width === undefined || pixels.shape.length > 4) {
    const expected = 'images of the shape [numSamples, height, width]';
    throw new DataError(images.file, expected, `[${pixels.shape.join(', ')}]`, next(images));
  }
  if (classes.shape.length !== 1) {
    const expected = 'labels of the shape [numSamples]';
    throw new DataError(labels.file, expected, `[${classes.shape.join(', ')}]`, next(labels));
  }
  // A label below the first becomes negative, which the check below rejects.
  const shifted =
    firstLabel === 0
      ? classes.values
      : Int32Array.from(classes.values, (label) => label - firstLabel);
  const dataset: Dataset = {
    images: transposed
      ? transposeImages(pixels.values, { rows: height, columns: width, channels })
      : pixels.values,
    labels: shifted,
    imageShape: transposed ? [width, height, channels] : [height, width, channels],
    ...about,
  };
  const problem = findDatasetProblem(dataset);
  if (problem) throw new DataError(labels.file, problem.expected, problem.got, next(labels));
  return firstLabel === 0 ? dataset : { ...dataset, labels: Uint8Array.from(shifted) };
}

/** `[numSamples, rows, columns, channels]` → `[numSamples, columns, rows, channels]`. */
function transposeImages(
  images: Uint8Array,
  { rows, columns, channels }: Record<'rows' | 'columns' | 'channels', number>,
): Uint8Array {
  const size = rows * columns * channels;
  const transposed = new Uint8Array(images.length);
  for (let at = 0; at < images.length; at += size) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const from = at + (row * columns + column) * channels;
        const to = at + (column * rows + row) * channels;
        for (let channel = 0; channel < channels; channel++)
          transposed[to + channel] = images[from + channel] as number;
      }
    }
  }
  return transposed;
}

/** Reads the files of a set, wherever they were found, by what its row says of them. */

import { datasetFault } from '../dataset';
import { DataError } from '../errors';
import { hash, type ReadIdxOptions, readBounded, readIdx } from '../idx-file';
import {
  type CifarSetSpec,
  type FileSpec,
  type IdxSetSpec,
  type IdxSplit,
  type RecordSplit,
  type SetSpec,
  unpackedBytes,
} from '../specs';
import type { Dataset } from '../types';
import { parseCifar } from './cifar';
import { readPair } from './idx-set';

/** Where a file of a set is: on disk, or in memory out of an archive. */
export interface Source {
  /** Its path, for reading and for errors. */
  readonly file: string;
  readonly bytes?: Uint8Array;
}

/** A set's files by their names. */
export type Sources = ReadonlyMap<string, Source>;

export interface FoundSet {
  train: Dataset;
  test: Dataset;
}

interface Place {
  /** The folder the files are in. */
  source: string;
  /** What an error advises. */
  next: string;
}

/**
 * @throws DataError when a file is missing, foreign or damaged, or when files do not belong
 * together
 */
export async function readSet(spec: SetSpec, sources: Sources, place: Place): Promise<FoundSet> {
  const read = (half: 'train' | 'test') =>
    spec.format === 'idx'
      ? readIdxSplit(spec, spec.splits[half], { sources, ...place })
      : readRecordSplit(spec, spec.splits[half], { sources, ...place });
  const [train, test] = await Promise.all([read('train'), read('test')]);
  return { train, test };
}

type Reading = Place & { sources: Sources };

const about = ({ classNames, mean, std }: SetSpec, source: string) => ({
  classNames,
  mean,
  std,
  source,
});

const sourceOf = ({ sources, source }: Reading, { name }: FileSpec): Source =>
  sources.get(name) ?? { file: `${source}/${name}` };

function readIdxSplit(
  spec: IdxSetSpec,
  { numSamples, images, labels }: IdxSplit,
  reading: Reading,
): Promise<Dataset> {
  const { firstLabel = 0, transposed = false } = spec;
  const [height, width, channels] = spec.imageShape;
  const sides = transposed ? [width, height] : [height, width];
  const shape = [numSamples, ...sides, ...(channels === 1 ? [] : [channels])];
  const { next } = reading;
  return readPair(
    { ...sourceOf(reading, images), ...checksOf(images), shape, next },
    { ...sourceOf(reading, labels), ...checksOf(labels), shape: [numSamples], next },
    { ...about(spec, reading.source), firstLabel, transposed },
  );
}

async function readRecordSplit(
  spec: CifarSetSpec,
  { numSamples, batches }: RecordSplit,
  reading: Reading,
): Promise<Dataset> {
  const { imageShape, labelBytes } = spec;
  const [height, width, channels] = imageShape;
  const images = new Uint8Array(numSamples * height * width * channels);
  const labels = new Uint8Array(numSamples);
  let at = 0;
  for (const batch of batches) {
    const { file, bytes } = await readRecords(spec, batch, {
      ...sourceOf(reading, batch),
      next: reading.next,
    });
    const samples = parseCifar(bytes, { imageShape, labelBytes, file, next: reading.next });
    images.set(samples.images, at * height * width * channels);
    labels.set(samples.labels, at);
    at += samples.labels.length;
  }
  const dataset: Dataset = { images, labels, imageShape, ...about(spec, reading.source) };
  const fault = datasetFault(dataset);
  const [first] = batches;
  if (fault)
    throw new DataError(
      first ? sourceOf(reading, first).file : reading.source,
      fault.expected,
      fault.got,
      reading.next,
    );
  return dataset;
}

async function readRecords(
  spec: SetSpec,
  { name, sha256 }: FileSpec,
  source: Source & { next: string },
): Promise<Required<Source>> {
  const { file, next } = source;
  const bytes = source.bytes ?? (await readBounded(file, next));
  const expected = unpackedBytes(spec).get(name);
  if (bytes.length !== expected)
    throw new DataError(file, `${expected} bytes`, `${bytes.length}`, next);
  const actual = sha256 === undefined ? undefined : hash(bytes);
  if (actual !== sha256)
    throw new DataError(file, `content with SHA-256 ${sha256}`, `${actual}`, next);
  return { file, bytes };
}

/** Whether one file is what the row says. @throws DataError when not */
export async function checkFile(spec: SetSpec, file: FileSpec, source: Source): Promise<void> {
  const next = 'get the file again';
  if (spec.format === 'cifar') await readRecords(spec, file, { ...source, next });
  else
    await readIdx(source.file, {
      ...checksOf(file),
      ...(source.bytes && { bytes: source.bytes }),
      next,
    });
}

function checksOf({
  sha256,
  gzip = [],
  gzipSha256 = [],
}: FileSpec): Pick<ReadIdxOptions, 'sha256' | 'gzipSha256'> {
  return {
    ...(sha256 !== undefined && { sha256 }),
    gzipSha256: [...gzip.map((packing) => packing.sha256), ...gzipSha256],
  };
}

/** Reads the training and test set of a dataset from its files, as its table entry describes. */
import { DataError } from '../errors';
import type { Dataset } from '../types';
import { parseCifar } from './cifar/format';
import { findDatasetProblem } from './dataset';
import { readWholeFile, sha256Of } from './files/read';
import { type ReadIdxOptions, readIdx, readIdxPair } from './idx/read';
import {
  type CifarDatasetSpec,
  type DatasetSpec,
  type FileSpec,
  type IdxDatasetSpec,
  type IdxSplit,
  type RecordSplit,
  type Split,
  unpackedBytes,
} from './spec';

/** A file of a dataset: on disk, or in memory from an archive. */
export interface SourceFile {
  /** Its path, for reading and for errors. */
  readonly file: string;
  readonly bytes?: Uint8Array;
}

/** A dataset's files by their names. */
export type SourceFiles = ReadonlyMap<string, SourceFile>;

export interface DatasetSplits {
  train: Dataset;
  test: Dataset;
}

interface Place {
  /** The folder of the files. */
  source: string;
  /** The advice in errors. */
  next: string;
}

/** @throws DataError when a file is missing, in another format or damaged, or files do not match */
export async function readSplits(
  spec: DatasetSpec,
  files: SourceFiles,
  place: Place,
): Promise<DatasetSplits> {
  const read = (split: Split) =>
    spec.format === 'idx'
      ? readIdxSplit(spec, spec.splits[split], { files, ...place })
      : readRecordSplit(spec, spec.splits[split], { files, ...place });
  const [train, test] = await Promise.all([read('train'), read('test')]);
  return { train, test };
}

type Reading = Place & { files: SourceFiles };

const describe = ({ classNames, mean, std }: DatasetSpec, source: string) => ({
  classNames,
  mean,
  std,
  source,
});

const findSource = ({ files, source }: Reading, { name }: FileSpec): SourceFile =>
  files.get(name) ?? { file: `${source}/${name}` };

function readIdxSplit(
  spec: IdxDatasetSpec,
  { numSamples, images, labels }: IdxSplit,
  reading: Reading,
): Promise<Dataset> {
  const { firstLabel = 0, transposed = false } = spec;
  const [height, width, channels] = spec.imageShape;
  const sides = transposed ? [width, height] : [height, width];
  const shape = [numSamples, ...sides, ...(channels === 1 ? [] : [channels])];
  const { next } = reading;
  return readIdxPair(
    { ...findSource(reading, images), ...knownHashes(images), shape, next },
    { ...findSource(reading, labels), ...knownHashes(labels), shape: [numSamples], next },
    { ...describe(spec, reading.source), firstLabel, transposed },
  );
}

async function readRecordSplit(
  spec: CifarDatasetSpec,
  { numSamples, batches }: RecordSplit,
  reading: Reading,
): Promise<Dataset> {
  const { imageShape, labelBytes } = spec;
  const { source, next } = reading;
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  const images = new Uint8Array(numSamples * size);
  const labels = new Uint8Array(numSamples);
  let at = 0;
  for (const batch of batches) {
    const found = { ...findSource(reading, batch), next };
    const { file, bytes } = await readRecords(spec, batch, found);
    const samples = parseCifar(bytes, { imageShape, labelBytes, file, next });
    images.set(samples.images, at * size);
    labels.set(samples.labels, at);
    at += samples.labels.length;
  }
  const dataset: Dataset = { images, labels, imageShape, ...describe(spec, source) };
  const problem = findDatasetProblem(dataset);
  if (!problem) return dataset;
  const [first] = batches;
  const file = first ? findSource(reading, first).file : source;
  throw new DataError(file, problem.expected, problem.got, next);
}

async function readRecords(
  spec: DatasetSpec,
  { name, sha256 }: FileSpec,
  { file, next, ...source }: SourceFile & { next: string },
): Promise<Required<SourceFile>> {
  const expected = unpackedBytes(spec).get(name);
  const bytes = source.bytes ?? (await readWholeFile(file, next));
  if (bytes.length !== expected)
    throw new DataError(file, `${expected} bytes`, `${bytes.length}`, next);
  const actual = sha256 === undefined ? undefined : sha256Of(bytes);
  if (actual !== sha256)
    throw new DataError(file, `content with SHA-256 ${sha256}`, `${actual}`, next);
  return { file, bytes };
}

/** Checks one file. @throws DataError when it is not what the table entry describes */
export async function checkFile(
  spec: DatasetSpec,
  file: FileSpec,
  source: SourceFile,
): Promise<void> {
  const next = 'get the file again';
  if (spec.format === 'cifar') await readRecords(spec, file, { ...source, next });
  else {
    const { bytes } = source;
    await readIdx(source.file, { ...knownHashes(file), ...(bytes && { bytes }), next });
  }
}

function knownHashes(file: FileSpec): Pick<ReadIdxOptions, 'sha256' | 'gzipSha256'> {
  const { sha256, gzip = [], gzipSha256 = [] } = file;
  return {
    ...(sha256 !== undefined && { sha256 }),
    gzipSha256: [...gzip.map((packed) => packed.sha256), ...gzipSha256],
  };
}

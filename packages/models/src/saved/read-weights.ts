/** Reads the weight files that a `model.json` names: regular files of its folder, of known size. */
import { type FileHandle, open, stat } from 'node:fs/promises';
import path from 'node:path';
import { formatValue } from '@deepend/core';
import type { io } from '@tensorflow/tfjs-core';

/** Bytes of a number, by its type in the file. */
const WIDTHS: Readonly<Record<string, number>> = {
  float32: 4,
  int32: 4,
  bool: 1,
  uint8: 1,
  uint16: 2,
  float16: 2,
};
const DTYPES = ['float32', 'int32', 'bool'];
const QUANTIZED = ['uint8', 'uint16', 'float16'];
const MOST_READ = 2 ** 30; // Node reads less than 2 GiB at once

export interface Weights {
  readonly specs: io.WeightsManifestEntry[];
  /** The content of all files, one after another. */
  readonly data: ArrayBuffer[];
  /** Number of values of all weights. */
  readonly numValues: number;
}

/**
 * @param file the `model.json`
 * @throws Error before memory is allocated, when the manifest is damaged, names a file outside the
 *   folder or something else than a regular file, or when the files have another size than it says
 */
export async function readWeights(file: string, manifest: readonly unknown[]): Promise<Weights> {
  const dir = path.dirname(file);
  const where = `[models] ${file}: weightsManifest`;
  const groups = manifest.map((group) => readGroup(where, group));
  const specs = groups.flatMap(({ weights }) => weights);
  const names = groups.flatMap(({ paths }) => paths);
  checkOnce(
    where,
    'weight',
    specs.map(({ name }) => name),
  );
  checkOnce(where, 'file', names);
  const files = names.map((name) => placeIn(where, dir, name));
  const expected = specs.reduce((bytes, spec) => bytes + specBytes(spec), 0);
  const sizes = await Promise.all(files.map(regularSize));
  const got = sizes.reduce((a, b) => a + b, 0);
  if (expected !== got) {
    throw new Error(
      `[models] ${files.join(', ')}: expected ${expected} bytes of weights, got ${got}; save the ` +
        'model again',
    );
  }
  const data: ArrayBuffer[] = [];
  for (const [i, place] of files.entries()) data.push(await readBytes(place, sizes[i] as number));
  return { specs, data, numValues: specs.reduce((sum, { shape }) => sum + count(shape), 0) };
}

function readGroup(where: string, group: unknown) {
  const { paths, weights } = (group ?? {}) as { paths?: unknown; weights?: unknown };
  if (!Array.isArray(paths) || !paths.every((one) => typeof one === 'string'))
    throw new Error(`${where}: expected a list "paths" of names, got ${formatValue(paths)}`);
  if (!Array.isArray(weights))
    throw new Error(`${where}: expected a list "weights", got ${formatValue(weights)}`);
  for (const spec of weights) checkSpec(where, spec);
  return { paths: paths as string[], weights: weights as io.WeightsManifestEntry[] };
}

function checkSpec(where: string, spec: unknown): void {
  const { name, shape, dtype, quantization } = (spec ?? {}) as Record<string, unknown>;
  const place = `${where}: weight ${formatValue(name)}`;
  if (typeof name !== 'string') throw new Error(`${place}: expected a name`);
  const isShape =
    Array.isArray(shape) &&
    shape.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    Number.isSafeInteger(8 * count(shape));
  if (!isShape)
    throw new Error(
      `${place}: expected a shape of integers of at least 0, got ${formatValue(shape)}`,
    );
  if (!DTYPES.includes(dtype as string))
    throw new Error(`${place}: expected ${DTYPES.join(', ')}, got ${formatValue(dtype)}`);
  if (quantization === undefined) return;
  const { dtype: stored, scale, min } = (quantization ?? {}) as Record<string, unknown>;
  const isScaled = Number.isFinite(scale) && Number.isFinite(min);
  if (!QUANTIZED.includes(stored as string) || !(stored === 'float16' || isScaled))
    throw new Error(
      `${place}: expected a quantization to ${QUANTIZED.join(', ')} with "scale" and "min", got ` +
        formatValue(quantization),
    );
}

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const specBytes = ({ shape, dtype, quantization }: io.WeightsManifestEntry) =>
  count(shape) * (WIDTHS[quantization?.dtype ?? dtype] as number);

function checkOnce(where: string, what: string, names: readonly string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name))
      throw new Error(`${where}: expected each ${what} once, got ${formatValue(name)} twice`);
    seen.add(name);
  }
}

/** @throws Error for a path that leaves the folder */
function placeIn(where: string, dir: string, name: string): string {
  const place = path.resolve(dir, name);
  const relative = path.relative(dir, place);
  const leaves = relative === '' || relative.startsWith('..') || path.isAbsolute(relative);
  if (!leaves && !path.isAbsolute(name) && !name.includes('\0')) return place;
  throw new Error(
    `${where}: expected the name of a file in the folder ${dir}, got ${formatValue(name)}; put ` +
      'the weights next to model.json',
  );
}

/** The size of a file. @throws Error for a folder, a device, a pipe, and what cannot be read */
export async function regularSize(file: string): Promise<number> {
  const found = await stat(file).catch((cause: Error) => {
    throw cannotRead(file, cause);
  });
  if (found.isFile()) return found.size;
  throw new Error(`[models] ${file}: expected a regular file, got a folder, a device or a pipe`);
}

const cannotRead = (file: string, cause: Error) =>
  new Error(
    `[models] ${file}: cannot be read (${cause.message}); expected a folder that saveModel ` +
      'wrote, with model.json and the weights that it names',
    { cause },
  );

/** Reads exactly `size` bytes. */
export async function readBytes(file: string, size: number): Promise<ArrayBuffer> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file);
    const bytes = new Uint8Array(size);
    for (let done = 0; done < size; ) {
      const length = Math.min(size - done, MOST_READ);
      const { bytesRead } = await handle.read(bytes, done, length, done);
      if (bytesRead === 0) throw new Error(`it ends after ${done} of ${size} bytes`);
      done += bytesRead;
    }
    return bytes.buffer;
  } catch (cause) {
    throw cannotRead(file, cause as Error);
  } finally {
    await handle?.close();
  }
}

/** Prepares batches of images that are decoded from files. */
import { DataError } from '../errors';
import { batchRng, singleImageRng } from '../random';
import { applyTransforms } from '../transforms/apply';
import type { BatchRng, ImageBatch, ImageShape } from '../types';
import { decodeImage } from './decode';
import type { BatchRequest, EpochSpec, PreparedBatch, SkippedFile } from './prepare';
import { epochPositions, labelsAt } from './prepare';
import {
  copyImages,
  joinImages,
  splitBatchwise,
  transformInto,
  withContext,
} from './transform-images';

/** Files that one thread decodes at the same time: libuv has four threads for such work. */
const CONCURRENCY = 4;

export async function prepareFromFiles(
  spec: EpochSpec,
  request: BatchRequest,
): Promise<PreparedBatch> {
  const { into, samples } = request;
  const positions = epochPositions(request);
  const rng = batchRng({ ...spec, ...request, stage: 'worker', positions });
  const { perImage, batchwise } = splitBatchwise(spec.transforms);
  if (!into || batchwise.length > 0) return prepareJoined(spec, request, rng);
  const { outputShape: expected = [0, 0, 0] } = spec;
  const size = into.length / samples.length;
  const result = await decodeFiles(spec, request, (image, { index, name }) => {
    const target = into.subarray(index * size, (index + 1) * size);
    const options = { rng: singleImageRng(rng, index), into: target, expected, name };
    transformInto(perImage, image, options);
  });
  // Close the gaps that skipped files have left.
  result.kept.forEach((index, i) => {
    if (index !== i) into.copyWithin(i * size, index * size, (index + 1) * size);
  });
  return preparedBatch(spec, request, result);
}

/** Handles batchwise transforms, and images that go to the main thread as separate parts. */
async function prepareJoined(
  spec: EpochSpec,
  request: BatchRequest,
  rng: BatchRng,
): Promise<PreparedBatch> {
  const { into } = request;
  const files = request.samples as readonly string[];
  const { perImage, batchwise } = splitBatchwise(spec.transforms);
  const images = new Map<number, ImageBatch>();
  const { kept, skipped } = await decodeFiles(spec, request, (image, { index }) => {
    images.set(index, copyImages(applyTransforms(perImage, image, singleImageRng(rng, index))));
  });
  const prepared = preparedBatch(spec, request, { kept, skipped });
  const parts = kept.map((index) => images.get(index) as ImageBatch);
  if (parts.length === 0 || batchwise.length === 0) return { ...prepared, parts };
  const joined = joinImages(parts, (i) => files[kept[i] as number] as string);
  const keptRng: BatchRng = { ...rng, image: (i) => rng.image(kept[i] as number) };
  const name = `batch ${request.batch}`;
  const { outputShape: expected = [0, 0, 0] } = spec;
  const size = expected[0] * expected[1] * expected[2];
  const done = withContext(name, () => {
    if (!into) return copyImages(applyTransforms(batchwise, joined, keptRng));
    const target = into.subarray(0, parts.length * size);
    return transformInto(batchwise, joined, { rng: keptRng, into: target, expected, name });
  });
  const { labels, numClasses } = done;
  return { ...prepared, labels, numClasses, ...(!into && { parts: [done] }) };
}

interface DecodedFiles {
  /** Indices in the batch of the images that were decoded. */
  readonly kept: readonly number[];
  readonly skipped: readonly SkippedFile[];
}

type OnImage = (image: ImageBatch, at: { index: number; name: string }) => void;

/**
 * Decodes the files of a batch and passes each image to `onImage` at once, so that at most
 * `CONCURRENCY` decoded images are in memory.
 */
async function decodeFiles(
  spec: EpochSpec,
  request: BatchRequest,
  onImage: OnImage,
): Promise<DecodedFiles> {
  const { numClasses } = spec;
  const files = request.samples as readonly string[];
  const skipped = new Map<number, SkippedFile>();
  await forEachConcurrently(files, async (name, index) => {
    const decoded = await decodeOrSkip(name, spec);
    if ('reason' in decoded) return void skipped.set(index, decoded);
    const { pixels: images, shape } = decoded;
    const image = { images, count: 1, shape, labels: labelsAt(request, index), numClasses };
    withContext(name, () => onImage(image, { index, name }));
  });
  const indices = files.map((_, index) => index);
  return {
    kept: indices.filter((index) => !skipped.has(index)),
    skipped: indices.flatMap((index) => skipped.get(index) ?? []),
  };
}

async function decodeOrSkip(
  file: string,
  { channels = 3, skip }: EpochSpec,
): Promise<SkippedFile | { pixels: Uint8Array; shape: ImageShape }> {
  try {
    return await decodeImage(file, channels);
  } catch (error) {
    if (!skip || !(error instanceof DataError)) throw error;
    return { file, reason: error.fault };
  }
}

function preparedBatch(
  { numClasses }: EpochSpec,
  request: BatchRequest,
  { kept, skipped }: DecodedFiles,
): PreparedBatch {
  const positions = kept.map((index) => request.start + index);
  const labels = Int32Array.from(kept, (index) => request.labels[index] as number);
  return { batch: request.batch, count: kept.length, labels, numClasses, positions, skipped };
}

/** Throws the error of the lowest index, so that the same run always reports the same error. */
async function forEachConcurrently<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const errors = new Map<number, unknown>();
  let next = 0;
  const lane = async () => {
    while (next < items.length && errors.size === 0) {
      const index = next++;
      await work(items[index] as T, index).catch((error) => errors.set(index, error));
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  if (errors.size > 0) throw errors.get(Math.min(...errors.keys()));
}

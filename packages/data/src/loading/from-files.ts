/** Batches of images that are read from files. */
import { decodeImage } from '../decode';
import { DataError } from '../errors';
import { applyTransforms } from '../transforms/apply';
import type { Draws, ImageBatch, ImageShape } from '../types';
import { drawsFor, drawsOfOne } from './draws';
import { type Job, labelsAt, type Made, positionsOf, type Recipe, type Skipped } from './recipe';
import { join, naming, owned, splitBatchwise, transformInto } from './stages';

/** Files that one thread has read and decoded at once: libuv has four threads for such work. */
const AT_ONCE = 4;

export async function fromFiles(recipe: Recipe, job: Job, into?: Float32Array): Promise<Made> {
  const draws = drawsFor({ ...recipe, ...job, stage: 0, positions: positionsOf(job) });
  const [alone, together] = splitBatchwise(recipe.transforms);
  if (!into || together.length > 0) return joinedFiles(recipe, job, { draws, into });
  const { imageShape: expected = [0, 0, 0] } = recipe;
  const size = into.length / job.samples.length;
  const read = await readFiles(recipe, job, (image, { place, name }) => {
    const own = into.subarray(place * size, (place + 1) * size);
    transformInto(alone, image, { draws: drawsOfOne(draws, place), into: own, expected, name });
  });
  // The images move up to where others were left out.
  read.kept.forEach((place, i) => {
    if (place !== i) into.copyWithin(i * size, place * size, (place + 1) * size);
  });
  return madeOf(recipe, job, read);
}

interface Joining {
  draws: Draws;
  into: Float32Array | undefined;
}

/** Images that a transform wants together, or that go on one by one as parts. */
async function joinedFiles(recipe: Recipe, job: Job, { draws, into }: Joining): Promise<Made> {
  const files = job.samples as readonly string[];
  const [alone, together] = splitBatchwise(recipe.transforms);
  const images = new Map<number, ImageBatch>();
  const read = await readFiles(recipe, job, (image, { place }) => {
    images.set(place, owned(applyTransforms(alone, image, drawsOfOne(draws, place))));
  });
  const made = madeOf(recipe, job, read);
  const parts = read.kept.map((place) => images.get(place) as ImageBatch);
  if (parts.length === 0 || together.length === 0) return { ...made, parts };
  const joined = join(parts, (i) => files[read.kept[i] as number] as string);
  const drawsOfKept: Draws = { ...draws, image: (i) => draws.image(read.kept[i] as number) };
  const name = `batch ${job.batch}`;
  const { imageShape: expected = [0, 0, 0] } = recipe;
  const size = expected[0] * expected[1] * expected[2];
  const done = naming(name, () =>
    into
      ? transformInto(together, joined, {
          draws: drawsOfKept,
          into: into.subarray(0, parts.length * size),
          expected,
          name,
        })
      : owned(applyTransforms(together, joined, drawsOfKept)),
  );
  return {
    ...made,
    labels: done.labels,
    numClasses: done.numClasses,
    ...(!into && { parts: [done] }),
  };
}

interface Read {
  /** Places of the images that were read. */
  readonly kept: readonly number[];
  readonly skipped: readonly Skipped[];
}

type Take = (image: ImageBatch, at: { place: number; name: string }) => void;

/**
 * Reads and decodes each file and hands it on at once: at no time are more decoded images in memory
 * than are decoded at once.
 */
async function readFiles(recipe: Recipe, job: Job, take: Take): Promise<Read> {
  const files = job.samples as readonly string[];
  const skipped = new Map<number, Skipped>();
  await forEach(files, async (name, place) => {
    const decoded = await decodeOrSkip(name, recipe);
    if ('reason' in decoded) return void skipped.set(place, decoded);
    const { pixels: images, shape } = decoded;
    const image = {
      images,
      count: 1,
      shape,
      labels: labelsAt(job, place),
      numClasses: recipe.numClasses,
    };
    naming(name, () => take(image, { place, name }));
  });
  const places = files.map((_, place) => place);
  return {
    kept: places.filter((place) => !skipped.has(place)),
    skipped: places.flatMap((place) => skipped.get(place) ?? []),
  };
}

async function decodeOrSkip(
  file: string,
  { channels = 3, skip }: Recipe,
): Promise<Skipped | { pixels: Uint8Array; shape: ImageShape }> {
  try {
    return await decodeImage(file, channels);
  } catch (error) {
    if (!skip || !(error instanceof DataError)) throw error;
    return { file, reason: error.fault };
  }
}

function madeOf({ numClasses }: Recipe, job: Job, { kept, skipped }: Read): Made {
  const positions = kept.map((place) => job.start + place);
  const labels = Int32Array.from(kept, (place) => job.labels[place] as number);
  return { batch: job.batch, count: kept.length, labels, numClasses, positions, skipped };
}

/**
 * Some at once, begun in order; of several errors the first in that order, so that the same run has
 * the same error.
 */
async function forEach<T>(
  items: readonly T[],
  work: (item: T, place: number) => Promise<void>,
): Promise<void> {
  const errors = new Map<number, unknown>();
  let next = 0;
  const lane = async () => {
    while (next < items.length && errors.size === 0) {
      const place = next++;
      await work(items[place] as T, place).catch((error) => errors.set(place, error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  if (errors.size > 0) throw errors.get(Math.min(...errors.keys()));
}

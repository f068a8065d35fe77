/** Batches of images that lie in memory. */
import { applyTransforms } from '../transforms/apply';
import type { ImageBatch } from '../types';
import { drawsFor, drawsOfOne } from './draws';
import { type Job, labelsAt, type Made, positionsOf, type Recipe } from './recipe';
import { named, owned, splitBatchwise, transformInto } from './stages';

export function memoryMaker(recipe: Recipe): (job: Job, into?: Float32Array) => Made {
  const gather = gatherer(recipe);
  return (job, into) => {
    const { batch, labels } = job;
    const positions = positionsOf(job);
    const count = positions.length;
    const name = `batch ${batch}`;
    const { transforms, imageShape: expected = [0, 0, 0] } = recipe;
    const images = imagesOf(recipe, gather(job.samples as Uint32Array), labels);
    const draws = drawsFor({ ...recipe, ...job, stage: 0, positions });
    try {
      const done = into
        ? transformInto(transforms, images, { draws, into, expected, name })
        : owned(applyTransforms(transforms, images, draws));
      const made = {
        batch,
        count,
        labels: done.labels,
        numClasses: done.numClasses,
        positions,
        skipped: [],
      };
      return into ? made : { ...made, parts: [done] };
    } catch (error) {
      throw guilty(recipe, job, gather) ?? named(name, error);
    }
  };
}

type Gather = (indices: Uint32Array) => Uint8Array | Float32Array;

/** Copies the images of a batch side by side, into memory that the next call uses again. */
function gatherer({
  images = new Uint8Array(0),
  storedShape: [height, width, channels] = [0, 0, 0],
}: Recipe): Gather {
  const size = height * width * channels;
  const Values = images instanceof Uint8Array ? Uint8Array : Float32Array;
  let buffer = new Values(0);
  return (indices) => {
    if (buffer.length < indices.length * size) buffer = new Values(indices.length * size);
    for (let i = 0; i < indices.length; i++) {
      const at = (indices[i] as number) * size;
      buffer.set(images.subarray(at, at + size), i * size);
    }
    return buffer.subarray(0, indices.length * size);
  };
}

function imagesOf(
  { storedShape: shape = [0, 0, 0], numClasses }: Recipe,
  images: ImageBatch['images'],
  labels: Job['labels'],
): ImageBatch {
  return {
    images,
    count: images.length / (shape[0] * shape[1] * shape[2]),
    shape,
    labels,
    numClasses,
  };
}

/**
 * The error of the first image that fails by itself, with its index; none where only the whole
 * batch fails.
 */
function guilty(recipe: Recipe, job: Job, gather: Gather): Error | undefined {
  const indices = job.samples as Uint32Array;
  const draws = drawsFor({ ...recipe, ...job, stage: 0, positions: positionsOf(job) });
  const [alone] = splitBatchwise(recipe.transforms);
  for (let place = 0; place < indices.length; place++) {
    try {
      const image = imagesOf(
        recipe,
        gather(indices.subarray(place, place + 1)),
        labelsAt(job, place),
      );
      applyTransforms(alone, image, drawsOfOne(draws, place));
    } catch (error) {
      return named(`sample ${indices[place]}`, error);
    }
  }
  return undefined;
}

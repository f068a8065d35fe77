/**
 * Makes batches, without tensors: in a worker thread or in the calling one, with the same result.
 */
import { fromFiles } from './from-files';
import { memoryMaker } from './from-memory';
import type { Job, Made, Recipe } from './recipe';

/**
 * Makes a batch. With `into` its images become float32 `[count, height, width, channels]` there,
 * else they come as parts.
 */
export type MakeBatch = (job: Job, into?: Float32Array) => Promise<Made>;

export function batchMaker(recipe: Recipe): MakeBatch {
  if (!recipe.images) return (job, into) => fromFiles(recipe, job, into);
  const make = memoryMaker(recipe);
  return async (job, into) => make(job, into);
}

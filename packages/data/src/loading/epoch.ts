/**
 * The batches of one epoch: made by worker threads ahead of the loop, or by the calling thread when
 * the loop asks.
 */
import type { ImageShape, Transform } from '../types';
import { drawsFor } from './draws';
import { batchMaker } from './make';
import { Pool } from './pool';
import type { Job, Made, Recipe } from './recipe';
import { naming, transformInto, transformParts } from './stages';

/**
 * A batch and its float32 values `[count, height, width, channels]`; those in shared memory are
 * written over once it is released.
 */
export interface Floats {
  readonly made: Made;
  readonly values: Float32Array;
}

export interface EpochOptions {
  /** What any thread may do. */
  readonly recipe: Recipe;
  /** From the first function of the user's own on: what the calling thread does. */
  readonly late: readonly Transform[];
  /** Shape of an image behind all transforms. */
  readonly imageShape: ImageShape;
  readonly jobOf: (batch: number) => Job;
  readonly first: number;
  readonly numBatches: number;
  /**
   * Shared memory for each batch that is made ahead, or for the one that is made; none where images
   * come as parts.
   */
  readonly slots: readonly SharedArrayBuffer[];
}

export interface AheadOptions extends EpochOptions {
  readonly workers: number;
  /** Batches that are made ahead. */
  readonly prefetch: number;
}

/** Batches are taken in order, from `first` on, and each is released before the next is taken. */
export interface Epoch {
  take(batch: number): Promise<Floats>;
  /** The values of the batch are no longer needed. */
  release(batch: number): void;
  close(): Promise<void>;
}

export function epochHere(options: EpochOptions): Epoch {
  const makeBatch = batchMaker(options.recipe);
  return {
    async take(batch) {
      const job = options.jobOf(batch);
      const into = slotOf(options, batch, job.samples.length);
      const made = await makeBatch(job, into);
      return into
        ? { made, values: slotOf(options, batch, made.count) as Float32Array }
        : finish(options, job, made);
    },
    release() {},
    async close() {},
  };
}

export function epochAhead(options: AheadOptions): Epoch {
  const { recipe, jobOf, first, numBatches, workers, prefetch } = options;
  const pool = new Pool(workers, recipe);
  const jobs = new Map<number, Job>();
  const submit = (batch: number) => {
    if (batch >= numBatches) return;
    const job = jobOf(batch);
    const into = slotOf(options, batch, job.samples.length);
    jobs.set(batch, job);
    pool.submit({ job, ...(into && { into }) });
  };
  for (let batch = first; batch < first + prefetch; batch++) submit(batch);
  return {
    async take(batch) {
      const made = await pool.take(batch);
      const job = jobs.get(batch) as Job;
      jobs.delete(batch);
      const values = slotOf(options, batch, made.count);
      return values ? { made, values } : finish(options, job, made);
    },
    release: (batch) => submit(batch + prefetch),
    close: () => pool.close(),
  };
}

/**
 * Room for the floats of so many images. Batches are taken in order, so the one that lay there
 * before has been released.
 */
function slotOf(
  { slots, imageShape }: EpochOptions,
  batch: number,
  count: number,
): Float32Array | undefined {
  const slot = slots[batch % slots.length];
  return slot && new Float32Array(slot, 0, count * sizeOf(imageShape));
}

/** From the first function of the user's own on. */
function finish({ recipe, late, imageShape }: EpochOptions, job: Job, made: Made): Floats {
  const { parts = [], positions, count } = made;
  if (count === 0) return { made, values: new Float32Array(0) };
  const draws = drawsFor({ ...recipe, ...job, stage: 1, positions });
  const nameOf = (place: number) => String(job.samples[(positions[place] as number) - job.start]);
  const name = `batch ${job.batch}`;
  const into = new Float32Array(count * sizeOf(imageShape));
  const [only] = parts;
  const [chain, batch] =
    only && parts.length === 1
      ? [late, only]
      : [[], transformParts(late, parts, { draws, nameOf })];
  const { labels } = naming(name, () =>
    transformInto(chain, batch, { draws, into, expected: imageShape, name }),
  );
  return { made: { ...made, labels }, values: into };
}

const sizeOf = ([height, width, channels]: ImageShape) => height * width * channels;

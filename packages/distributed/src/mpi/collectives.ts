/**
 * Operations over all ranks of a run: what one process of `mpirun -n 4 node script.js` asks of the
 * others. Every rank calls the same ones in the same order. Without MPI's launcher there is one
 * rank, and each returns what it was given.
 */
import { isTensor } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { VALUE_TYPES } from './implementations';
import { getWorld, typeOf, type Values, type World } from './world';

/** What is reduced: `mean` is the sum divided by the number of ranks. */
export type ReduceOperation = 'sum' | 'mean' | 'max' | 'min';

export interface AllReduceOptions {
  /** How the ranks' values become one. @default 'sum' */
  readonly op?: ReduceOperation;
}

export interface BroadcastOptions {
  /** The rank whose values all get. @default 0 */
  readonly root?: number;
}

/** This process's number among the ranks, from 0. MPI's `MPI_Comm_rank`. */
export const rank = (): number => getWorld().rank;

/** The number of ranks; 1 where no launcher started this process. MPI's `MPI_Comm_size`. */
export const worldSize = (): number => getWorld().size;

/** This process's number among the ranks on its machine, from 0: which GPU is its own. */
export const localRank = (): number => getWorld().localRank;

/**
 * Seconds that this process has waited for other ranks so far.
 *
 * Of the sums of gradients it is what the backward pass has not hidden. 0 where there is one rank.
 * @example
 * const before = waitedSeconds();
 */
export const waitedSeconds = (): number => getWorld().waitedSeconds;

/** Waits until all ranks have called it. MPI's `MPI_Barrier`. */
export const barrier = (): Promise<void> => getWorld().barrier();

const allReduceRules = rule.object({
  op: rule.oneOf(['sum', 'mean', 'max', 'min']).default('sum'),
});

/**
 * Reduces values over all ranks. MPI's `MPI_Allreduce`.
 * @param x a tensor (float32 or int32) or typed array of the same shape on every rank; unchanged
 * @returns the same on every rank, of the kind and shape of `x`; the caller disposes a tensor
 * @throws TypeError for values that ranks do not exchange; Error on every rank where they differ in
 *   type, length or operation
 * @example
 * const gradients = await allReduce(Float32Array.of(1, 2)); // on 4 ranks: [4, 8]
 */
export async function allReduce<T extends Values | tf.Tensor>(
  x: T,
  options: AllReduceOptions = {},
): Promise<T> {
  const { op } = checkOptions('[distributed] allReduce', allReduceRules, options);
  return through('allReduce', x, async (values, world) => {
    await requireSame(world, 'allReduce', values, op);
    if (op === 'mean' && !isFloat(values)) {
      throw new TypeError(
        `[distributed] allReduce: expected floating point values for op 'mean', got ` +
          `${typeOf(values)}, which would be rounded; use 'sum' and divide`,
      );
    }
    await world.allReduce(values, op === 'mean' ? 'sum' : op);
    if (op === 'mean')
      for (let i = 0; i < values.length; i++) values[i] = at(values, i) / world.size;
    return values;
  });
}

const broadcastRules = rule.object({ root: rule.nonNegativeInteger().default(0) });

/**
 * Gives all ranks the values of one. MPI's `MPI_Bcast`.
 * @param x a tensor or typed array of the same shape on every rank; unchanged
 * @returns the values of the root; the caller disposes a tensor
 * @throws RangeError for a root that is no rank; Error where the ranks differ in type or length
 * @example
 * const start = await broadcast(weights); // rank 0's on every rank
 */
export async function broadcast<T extends Values | tf.Tensor>(
  x: T,
  options: BroadcastOptions = {},
): Promise<T> {
  const { root } = checkOptions('[distributed] broadcast', broadcastRules, options);
  return through('broadcast', x, async (values, world) => {
    if (root >= world.size) {
      throw new RangeError(
        `[distributed] broadcast: expected a root below ${world.size} ranks, got ${root}`,
      );
    }
    await requireSame(world, 'broadcast', values, root);
    await world.broadcast(values, root);
    return values;
  });
}

/**
 * Joins the values of all ranks in the order of the ranks. MPI's `MPI_Allgatherv`.
 * @param x a typed array, or a tensor `[n, ...]` whose shape after the first axis is the same on
 *   every rank; n may differ
 * @returns all values: an array of all lengths together, or a tensor `[sum of n, ...]`
 * @throws TypeError for a scalar; Error where the ranks differ in type or in the other axes
 */
export async function allGather<T extends Values | tf.Tensor>(x: T): Promise<T> {
  if (isTensor(x) && x.rank === 0) {
    throw new TypeError(
      '[distributed] allGather: expected a tensor with a first axis to join along, got a scalar; ' +
        'reshape it to [1]',
    );
  }
  const row = isTensor(x) ? x.shape.slice(1).join('×') : '';
  return through('allGather', x, async (values, world) => {
    const lengths = await exchange(world, [
      VALUE_TYPES.indexOf(typeOf(values)),
      hash(row),
      values.length,
    ]);
    requireEqual('allGather', lengths, { fields: ['type', 'shape of a row'] });
    const counts = Int32Array.from(lengths, (fields) => fields[2] as number);
    return world.allGather(values, counts);
  });
}

/** Gives `use` a copy of the values, and makes what it returns of the kind of `x`. */
async function through<T extends Values | tf.Tensor>(
  name: string,
  x: T,
  use: (values: Values, world: World) => Promise<Values>,
): Promise<T> {
  const world = getWorld();
  if (!isTensor(x)) {
    typeOf(x); // refuses what is no array of a known type
    return (await use(x.slice(), world)) as T;
  }
  const { dtype, shape } = x;
  if (dtype !== 'float32' && dtype !== 'int32') {
    throw new TypeError(
      `[distributed] ${name}: expected a float32 or int32 tensor, got ${dtype}; cast it first`,
    );
  }
  const values = await use(((await x.data()) as Float32Array).slice(), world);
  const row = tf.util.sizeFromShape(shape.slice(1));
  const rows = shape.length === 0 ? [] : [row === 0 ? (shape[0] as number) : values.length / row];
  return tf.tensor(values, [...rows, ...shape.slice(1)], dtype) as unknown as T;
}

const isFloat = (values: Values) =>
  values instanceof Float32Array || values instanceof Float64Array;
const at = (values: Values, i: number) => values[i] as number;

/** What each rank says: integers, one list a rank. */
async function exchange(world: World, own: readonly number[]): Promise<Int32Array[]> {
  const counts = new Int32Array(world.size).fill(own.length);
  const all = await world.allGather(Int32Array.from(own), counts);
  return Array.from(counts, (length, i) => all.slice(i * length, (i + 1) * length));
}

/** MPI would read past the end of an array that is shorter than the others'. */
async function requireSame(
  world: World,
  name: string,
  values: Values,
  setting: string | number,
): Promise<void> {
  if (world.size === 1) return;
  const code = typeof setting === 'number' ? setting : hash(setting);
  const own = [VALUE_TYPES.indexOf(typeOf(values)), values.length, code];
  requireEqual(name, await exchange(world, own), { fields: ['type', 'length', 'option'] });
}

function requireEqual(
  name: string,
  said: readonly Int32Array[],
  { fields }: { fields: readonly string[] },
): void {
  const [first] = said;
  said.forEach((own, rank) => {
    const field = fields.findIndex((_, i) => own[i] !== first?.[i]);
    if (field < 0) return;
    const shown = (values: Int32Array | undefined) =>
      fields[field] === 'type' ? VALUE_TYPES[values?.[field] ?? 0] : String(values?.[field]);
    throw new Error(
      `[distributed] ${name}: expected the same ${fields[field]} on every rank, got ` +
        `${shown(first)} on rank 0 and ${shown(own)} on rank ${rank}`,
    );
  });
}

/** A word as an integer that ranks compare. */
const hash = (word: string): number =>
  [...word].reduce((sum, letter) => (Math.imul(sum, 31) + (letter.codePointAt(0) ?? 0)) | 0, 7);

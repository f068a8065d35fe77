/**
 * Gradients summed over all ranks in buckets, each as soon as its gradients are complete. Li et al.
 * 2020, https://arxiv.org/abs/2006.15704.
 */
import type { Parameter } from '@deepend/compiler';
import { backendTraits, type LentValues } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { sharedArray, tensorOf, totalSize } from '../arrays';
import type { BackgroundSums } from './background-sums';
import type { World } from './world';

/** Numbers of a gradient that is a bucket by itself, summed in its own memory: 1 MB. */
const LARGE = 1 << 18;
/** Numbers of smaller gradients that are copied together: 4 MB. */
const BUCKET = 1 << 20;

interface Member {
  readonly parameter: Parameter;
  /** Its place among the bucket's numbers. */
  readonly start: number;
  readonly size: number;
}

/** What is summed at once. Its members are alike on every rank. */
interface Bucket {
  readonly members: readonly Member[];
  readonly size: number;
  /** Shared memory for the members' numbers, from the first time that they need it. */
  staging?: Float32Array;
}

/** A gradient that this rank has computed, and what it is multiplied by. */
interface Own {
  readonly tensor: tf.Tensor | undefined;
  readonly weight: number;
  /** The tensor's numbers, where they were read before. */
  readonly values?: Float32Array | undefined;
}

/** The sums of one model's gradients, or of other numbers of the same shapes, step after step. */
export class GradientSums {
  readonly order: readonly Parameter[];
  readonly #sums: BackgroundSums;
  readonly #buckets: readonly Bucket[];
  /** Values of the step so far, by their variables' ids. */
  readonly #own = new Map<number, Own>();
  readonly #lent = new Map<Bucket, LentValues>();
  /** The bucket that starts next. */
  #next = 0;

  /** @param order in which they are added */
  constructor(sums: BackgroundSums, order: readonly Parameter[]) {
    this.#sums = sums;
    this.order = order;
    this.#buckets = bucketsOf(order);
  }

  /** Whether this step's value is there. */
  has({ variable }: Parameter): boolean {
    return this.#own.has(variable.id);
  }

  /**
   * Adds a value of this step; a bucket starts when its last one is there, and those before have
   * started.
   * @param own nobody changes the tensor until `finish`; undefined for zeros
   */
  add({ variable }: Parameter, own: Own): void {
    this.#own.set(variable.id, own);
    for (;;) {
      const bucket = this.#buckets[this.#next];
      if (!bucket?.members.every(({ parameter }) => this.has(parameter))) return;
      this.#sums.start(this.#fill(bucket));
      this.#next++;
    }
  }

  #ownOf({ variable }: Parameter): Own {
    return this.#own.get(variable.id) as Own;
  }

  /** The numbers of a bucket in shared memory. */
  #fill(bucket: Bucket): Float32Array {
    const lent = this.#lend(bucket);
    if (lent) return lent;
    bucket.staging ??= sharedArray(bucket.size);
    for (const { parameter, start, size } of bucket.members) {
      const { tensor, weight, values } = this.#ownOf(parameter);
      const into = bucket.staging.subarray(start, start + size);
      if (tensor) scale(into, values ?? (tensor.dataSync() as Float32Array), weight);
      else into.fill(0);
    }
    return bucket.staging;
  }

  /** The memory of a bucket's only gradient, if the backend lends it. */
  #lend(bucket: Bucket): Float32Array | undefined {
    const [first, second] = bucket.members;
    const { tensor, weight } = this.#ownOf((first as Member).parameter);
    if (second || !tensor) return undefined;
    const lent = backendTraits(tf.getBackend()).lend(tensor);
    if (!lent) return undefined;
    this.#lent.set(bucket, lent);
    scale(lent.values, lent.values, weight);
    return lent.values;
  }

  /**
   * Waits for all sums, and ends the step. Tensors that were added are disposed, unless they are
   * among those that it returns, by their variables' ids, which the caller disposes.
   */
  async finish(world: World): Promise<ReadonlyMap<number, tf.Tensor>> {
    await world.waitFor(this.#sums.finish());
    const sums = new Map<number, tf.Tensor>();
    for (const bucket of this.#buckets) {
      const lent = this.#lent.get(bucket);
      lent?.release();
      for (const { parameter, start, size } of bucket.members) {
        const { tensor } = this.#ownOf(parameter);
        if (lent && tensor) sums.set(parameter.variable.id, tensor);
        else {
          const part = (bucket.staging as Float32Array).subarray(start, start + size);
          sums.set(parameter.variable.id, tensorOf(part, parameter.shape));
          tensor?.dispose();
        }
      }
    }
    this.#lent.clear();
    this.#own.clear();
    this.#next = 0;
    return sums;
  }
}

/** Large gradients by themselves; others together with their neighbors. */
export function bucketsOf(order: readonly Parameter[]): Bucket[] {
  const buckets: Bucket[] = [];
  let small: Member[] = [];
  let used = 0;
  const close = () => {
    if (small.length > 0) buckets.push({ members: small, size: used });
    small = [];
    used = 0;
  };
  for (const parameter of order) {
    const size = totalSize([parameter]);
    if (size >= LARGE) buckets.push({ members: [{ parameter, start: 0, size }], size });
    else {
      small.push({ parameter, start: used, size });
      used += size;
      if (used >= BUCKET) close();
    }
  }
  close();
  return buckets;
}

function scale(into: Float32Array, values: Float32Array, weight: number): void {
  if (weight !== 1)
    for (let i = 0; i < values.length; i++) into[i] = (values[i] as number) * weight;
  else if (into !== values) into.set(values);
}

/**
 * What operations say to a recorder of kernels: which reads of values are checks, and which tensors
 * are random numbers of a seed. Outside a recording they only compute.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** Makes random numbers of a seed. */
export type Draw = (seed: number) => tf.Tensor;
/** Throws for values that are wrong; reads them from the device. */
export type Check = (tensors: readonly tf.Tensor[]) => void;

export interface ActiveRecorder {
  /** A seed was drawn, as the next one of the scope. */
  seedGiven(seed: number): void;
  check(tensors: readonly tf.Tensor[], check: Check): void;
  draw(seed: number, make: Draw): tf.Tensor;
}

/** Shared by all copies of this package in a process, hence on globalThis. */
const KEY = Symbol.for('deepend.recorder');
const holder = globalThis as unknown as Record<symbol, ActiveRecorder | undefined>;

/** The recorder that sees what is computed now; undefined for none. */
export const activeRecorder = (): ActiveRecorder | undefined => holder[KEY];

/** Runs `work` while a recorder sees it. */
export function withRecorder<T>(recorder: ActiveRecorder, work: () => T): T {
  const outer = holder[KEY];
  holder[KEY] = recorder;
  try {
    return work();
  } finally {
    holder[KEY] = outer;
  }
}

/**
 * Checks the values of tensors, such as indices. A compiled module repeats the check in each step:
 * it may depend on nothing but the tensors and what stays the same.
 * @param check throws for wrong values
 */
export function checkValues(tensors: readonly tf.Tensor[], check: Check): void {
  const recorder = activeRecorder();
  if (recorder) recorder.check(tensors, check);
  else check(tensors);
}

/**
 * Random numbers of a seed. A compiled module makes them again in each step, from that step's seed.
 * @param seed from `nextSeed`
 */
export function drawTensor(seed: number, make: Draw): tf.Tensor {
  return activeRecorder()?.draw(seed, make) ?? make(seed);
}

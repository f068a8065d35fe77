/** Batch normalization over the samples of all ranks: what it asks of a run, and of its batches. */
import {
  type AnyLoss,
  listTensors,
  mapTensors,
  TapePlan,
  type Tensors,
  type TrainingPlan,
} from '@deepend/compiler';
import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { isSum, massOf } from './accumulator';
import type { TrainOptions } from './options';

/** @throws TypeError for what cannot normalize over several ranks */
export function requireSyncable(
  where: string,
  plan: TrainingPlan,
  { carryState }: Pick<TrainOptions, 'carryState'>,
): void {
  const { isAsynchronous, name } = backendTraits(tf.getBackend());
  if (isAsynchronous) {
    throw new TypeError(
      `${where}: "syncBatchNorm" needs a backend whose values can be read within a step, got ` +
        `${name}; leave the option out, or train on simd, tensorflow, wasm or cpu-js`,
    );
  }
  if (carryState) {
    throw new TypeError(
      `${where}: expected "carryState" without "syncBatchNorm", got both: a rank that has no ` +
        'samples of a batch follows the others with one that has no state; leave one out',
    );
  }
  if (plan instanceof TapePlan) plan.requireSyncableNorms(where);
}

/**
 * Of samples whose labels do not count, but whose features are part of the moments: their gradient
 * comes from the other ranks' samples and is divided by this mass, so that it must not be 0.
 */
const SMALLEST_MASS = 1e-9;

/** What the loss of samples counts on a rank, as a number: 1 for a sum. */
export function syncedMass(loss: AnyLoss, labels: Tensors): number {
  if (isSum(loss)) return 1;
  const mass = massOf(loss, labels) ?? listTensors(labels)[0]?.shape[0] ?? 0;
  if (typeof mass === 'number') return Math.max(mass, SMALLEST_MASS);
  const [value = 0] = mass.dataSync();
  mass.dispose();
  return Math.max(value, SMALLEST_MASS);
}

/** One sample of zeros with the shapes of a batch's samples. */
export const zeroSample = (tensors: Tensors): Tensors =>
  mapTensors(tensors, ({ shape, dtype }) => tf.zeros([1, ...shape.slice(1)], dtype));

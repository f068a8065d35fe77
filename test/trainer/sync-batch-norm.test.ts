/** What batch normalization over all ranks refuses, and what samples without labels count. */
import { planOf } from '@deepend/compiler';
import { backendTraits, registerBackendTraits } from '@deepend/core';
import { crossEntropy, softmaxCrossEntropy, toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, expect, it } from 'vitest';
import { requireSyncable, syncedMass } from '../../packages/trainer/src/sync-batch-norm';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const L = tfl.layers;
/** Its penalty is computed on the tape, which takes any axis. */
const netOver = (axis: number) =>
  tfl.sequential({
    layers: [
      L.batchNormalization({ axis, name: 'norm', inputShape: [4, 4, 3] }),
      L.flatten(),
      L.dense({ units: 2, kernelRegularizer: 'l1l2' }),
    ],
  });

it.each([-1, 3])('normalizes over the last axis, axis %d', (axis) => {
  expect(() => requireSyncable('[test]', planOf(netOver(axis)), {})).not.toThrow();
});

it('refuses another axis', () => {
  expect(() => requireSyncable('[test]', planOf(netOver(1)), {})).toThrow(
    /^\[test\]: "syncBatchNorm" is for batch normalization over the last axis, got axis 1 in layer 'norm'/,
  );
});

it('refuses a backend whose values come later', () => {
  const plan = planOf(netOver(-1));
  const traits = backendTraits(tf.getBackend());
  registerBackendTraits(tf.getBackend(), { ...traits, name: 'later', isAsynchronous: true });
  try {
    expect(() => requireSyncable('[test]', plan, {})).toThrow(
      /"syncBatchNorm" needs a backend whose values can be read within a step, got later/,
    );
  } finally {
    registerBackendTraits(tf.getBackend(), traits);
  }
});

it('counts samples, labels that count, and a little where none does', () => {
  const ignoring = toLoss('test', crossEntropy({ ignoreIndex: 2 }));
  const labels = (...values: number[]) => tf.tensor1d(values, 'int32');
  const before = tf.memory().numTensors;
  const masses = tf.tidy(
    () =>
      [
        syncedMass(softmaxCrossEntropy, labels(0, 1, 2)),
        syncedMass(ignoring, labels(0, 2, 2)),
        syncedMass(ignoring, labels(2, 2)),
        syncedMass(toLoss('test', crossEntropy({ reduction: 'sum' })), labels(0, 1, 2)),
      ] as never,
  ) as unknown as number[];
  expect(masses).toEqual([3, 1, 1e-9, 1]);
  expect(tf.memory().numTensors).toBe(before);
});

/** Every variant of the cross-entropy of indices is one kernel on simd, with stock cpu's numbers. */
import type { BackendName } from '@deepend/device';
import { type CrossEntropyOptions, crossEntropy, type Reduction } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { integers, numbers } from '../backend-simd/operations';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const ROWS = 70;
const CLASSES = 37;
const classWeights = Array.from({ length: CLASSES }, (_, i) => (i % 5) / 2);
const VARIANTS: CrossEntropyOptions<Reduction>[] = [
  { ignoreIndex: 3 },
  { labelSmoothing: 0.1 },
  { classWeights },
  { ignoreIndex: 3, labelSmoothing: 0.2 },
  { ignoreIndex: 3, classWeights },
  { ignoreIndex: 3, labelSmoothing: 0.2, classWeights },
];
const REDUCTIONS: Reduction[] = ['mean', 'sum', 'none'];

const { values: logits } = numbers([ROWS, CLASSES], 1, 6);
const { values: labels } = integers([ROWS], 2, [0, CLASSES]);
labels.fill(3, 0, 9);

async function compute(backend: BackendName, options: CrossEntropyOptions<Reduction>) {
  await use(backend);
  const [x, y] = [tf.tensor2d(logits, [ROWS, CLASSES]), tf.tensor1d(labels, 'int32')];
  const loss = crossEntropy(options as CrossEntropyOptions);
  const step = () => {
    const { loss: value, correct, dLogits } = loss(x, y);
    return [value, dLogits, correct as tf.Tensor];
  };
  await expectNoLeak(() => tf.dispose(step()));
  const profile = await tf.profile(step);
  const tensors = profile.result as unknown as tf.Tensor[];
  const found = tensors.map((tensor) => [...tensor.dataSync()]);
  tf.dispose([x, y, tensors]);
  return { found, kernels: profile.kernels.map(({ name }) => name) };
}

describe.each(VARIANTS.map((variant) => [Object.keys(variant).join(', '), variant] as const))(
  'crossEntropy with %s',
  (_, variant) => {
    it.each(REDUCTIONS)('reduced by %s', async (reduction) => {
      const simd = await compute('simd', { ...variant, reduction });
      const stock = await compute('cpu-js', { ...variant, reduction });
      for (const [i, expected] of stock.found.entries()) {
        const actual = simd.found[i] as number[];
        expect(actual.length).toBe(expected.length);
        for (const [j, value] of expected.entries())
          expect(Math.abs((actual[j] as number) - value)).toBeLessThan(
            2e-6 * (1 + Math.abs(value)),
          );
      }
      expect(simd.kernels).toContain('deepend.weightedCrossEntropy');
      expect(simd.kernels).not.toContain('Exp');
      expect(stock.kernels).toContain('Exp');
    });
  },
);

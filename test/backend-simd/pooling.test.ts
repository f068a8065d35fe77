/** Pooling and its gradients on simd equal stock cpu's. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { runsOf } from '../helpers/full';
import { expectLikeCpu, input, type KernelCall, poisoned, poisonOf } from './kernels';

interface Pooling {
  image: [number, number, number, number];
  filterSize: [number, number];
  strides: [number, number];
  pad: 'valid' | 'same';
  seed: number;
}

const side = (low: number, high: number) => fc.integer({ min: low, max: high });

const infoOf = ({ image, filterSize, strides, pad }: Pooling) =>
  tf.backend_util.computePool2DInfo(image, filterSize, strides, 1, pad);

const pooling: fc.Arbitrary<Pooling> = fc
  .record({
    image: fc.tuple(side(1, 4), side(1, 17), side(1, 13), fc.constantFrom(1, 3, 5, 16, 20)),
    filterSize: fc.tuple(side(1, 4), side(1, 4)),
    strides: fc.tuple(side(1, 3), side(1, 3)),
    pad: fc.constantFrom('valid' as const, 'same' as const),
    seed: fc.nat(999),
  })
  .filter((p) => infoOf(p).outHeight > 0 && infoOf(p).outWidth > 0);

/** Few different numbers, so that a window's largest stands there twice. */
const rounded = (shape: number[], seed: string) => {
  const { values } = input(shape, seed);
  return { shape, values: values.map((value) => Math.round(value * 8)) };
};

type PoolKernel = 'MaxPool' | 'AvgPool' | 'MaxPoolGrad' | 'AvgPoolGrad';

function callOf(p: Pooling, kernel: PoolKernel): KernelCall {
  const { filterSize, strides, pad } = p;
  const x = rounded(p.image, `x${p.seed}`);
  const dy = input(infoOf(p).outShape, `dy${p.seed}`);
  const inputs: Record<PoolKernel, KernelCall['inputs']> = {
    MaxPool: { x },
    AvgPool: { x },
    MaxPoolGrad: { dy, input: x, output: dy },
    AvgPoolGrad: { dy, input: x },
  };
  return { kernel, inputs: inputs[kernel], attrs: { filterSize, strides, pad } };
}

/** The gradient of max pooling is given the forward pass's result. */
async function withOutput(call: KernelCall): Promise<KernelCall> {
  if (call.kernel !== 'MaxPoolGrad') return call;
  await tf.setBackend('cpu');
  const { input: x } = call.inputs as { input: { values: Float32Array; shape: number[] } };
  const output = tf.tidy(() => {
    const out = tf
      .engine()
      .runKernel('MaxPool', { x: tf.tensor(x.values, x.shape) }, call.attrs) as tf.Tensor;
    return { shape: out.shape, values: out.dataSync() as Float32Array };
  });
  return { ...call, inputs: { ...call.inputs, output } };
}

const CASES: readonly { kernel: PoolKernel; poisonable: string[] }[] = [
  { kernel: 'MaxPool', poisonable: ['x'] },
  { kernel: 'AvgPool', poisonable: ['x'] },
  { kernel: 'MaxPoolGrad', poisonable: ['dy', 'input'] },
  { kernel: 'AvgPoolGrad', poisonable: ['dy'] },
];

/** In a window of nothing but -∞ stock finds no largest number, and simd one. */
const isFollowed = ({ name, value }: { name: string; value: number }) =>
  name !== 'input' || value !== Number.NEGATIVE_INFINITY;

describe.each(CASES)('$kernel', ({ kernel, poisonable }) => {
  it('equals stock cpu', async () => {
    await fc.assert(
      fc.asyncProperty(pooling, async (p) =>
        expectLikeCpu(await withOutput(callOf(p, kernel)), { terms: 16 }),
      ),
      { numRuns: runsOf(200) },
    );
  });

  it('has NaN and infinity where stock cpu has them', async () => {
    await fc.assert(
      fc.asyncProperty(pooling, poisonOf(poisonable), async (p, poison) =>
        expectLikeCpu(await withOutput(poisoned(callOf(p, kernel), poison.filter(isFollowed))), {
          terms: 16,
        }),
      ),
      { numRuns: runsOf(100) },
    );
  });
});

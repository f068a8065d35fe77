// Own process: it starts WebGPU.
/**
 * WebGPU's forms of the fused operations against their definition in core ops, on stock cpu, over
 * random shapes.
 */

import type { BackendName } from '@deepend/device';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type BatchNormAttrs, batchNorm } from '../../packages/compiler/src/ops/batch-norm';
import { type ConvLayerAttrs, conv2d } from '../../packages/compiler/src/ops/conv';
import { dropout } from '../../packages/compiler/src/ops/dropout';
import { maxPool, type PoolAttrs } from '../../packages/compiler/src/ops/pool';
import { type ActivationName, activation } from '../../packages/compiler/src/ops/simple';
import { channelSums } from '../../packages/compiler/src/primitives';
import type { BackwardCall, Call, OperationKind } from '../../packages/compiler/src/program';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';

const webgpu = allBackends.find(({ name }) => name === 'webgpu');
const [absent, title] = [webgpu?.absent, webgpu?.title];

type Values = Record<string, Float32Array | Int32Array>;

/** What `work` makes, by name, on an backend. */
async function on(backend: BackendName, work: () => Record<string, tf.Tensor>): Promise<Values> {
  await use(backend);
  const before = tf.memory().numTensors;
  const made = tf.tidy(work);
  const values: Values = {};
  for (const [name, tensor] of Object.entries(made))
    values[name] = (await tensor.data()) as Float32Array;
  tf.dispose(made);
  expect(tf.memory().numTensors, `tensors on ${backend}`).toBe(before);
  return values;
}

/** The same from WebGPU as from another backend, to `tolerance` of the largest number. */
async function expectSame(
  work: () => Record<string, tf.Tensor>,
  { like = 'cpu-js' as BackendName, tolerance = 2e-5 } = {},
) {
  const [expected, actual] = [await on(like, work), await on('webgpu', work)];
  for (const [name, wanted] of Object.entries(expected)) {
    const got = actual[name] as Float32Array;
    expect(got.length, name).toBe(wanted.length);
    const largest = Array.from(wanted).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    for (let i = 0; i < wanted.length; i++) {
      expect(Math.abs((got[i] as number) - (wanted[i] as number)), `${name}[${i}]`).toBeLessThan(
        tolerance * largest,
      );
    }
  }
}

const numbers = (shape: number[], name: string, from = -0.5) =>
  tf.tensor(
    mix(tf.util.sizeFromShape(shape), name).map((value) => value + from),
    shape,
  );

/** Forward and back, as a plan calls an operation. */
function both<A>(
  kind: OperationKind<A>,
  attrs: A,
  { inputs, params = [], seed = 0 }: { inputs: tf.Tensor[]; params?: tf.Variable[]; seed?: number },
) {
  const operation = {
    attrs,
    params: params.map((variable, i) => ({ variable, trainable: i < params.length - 2 })),
  };
  const call = { attrs, inputs, params, operation, training: true, seed };
  const { output, saved = [] } = kind.forward(call as unknown as Call<A>);
  const back = {
    ...call,
    dy: numbers(output.shape, 'dy'),
    output,
    saved,
    wanted: inputs.map(() => true),
  };
  return { output, ...kind.backward(back as unknown as BackwardCall<A>) };
}

const side = (min: number, max: number) => fc.integer({ min, max });
/** Shapes whose rows and channels end within and at a workgroup's edge. */
const images = fc.tuple(
  side(1, 3),
  side(1, 9),
  side(1, 9),
  fc.oneof(side(1, 5), fc.constantFrom(8, 31, 32, 33, 64)),
);
const runs = { numRuns: 12 };

describe.skipIf(absent)(`the fused operations on ${title}`, () => {
  beforeAll(() => use('webgpu'));

  const flags = fc.record({
    scale: fc.boolean(),
    center: fc.boolean(),
    relu: fc.boolean(),
    residual: fc.boolean(),
    ceiling: fc.constantFrom(undefined, 6 as const),
  });
  it('normalize a batch, move its statistics and go back', async () => {
    const property = fc.asyncProperty(
      images,
      flags,
      fc.constantFrom(0, 1000),
      (shape, flag, offset) => {
        // Far from zero, the variance of a few pixels has no correct digit left.
        fc.pre(offset === 0 || shape[0] * shape[1] * shape[2] >= 16);
        const ceiling = flag.relu ? flag.ceiling : undefined;
        const attrs: BatchNormAttrs = {
          ...flag,
          ceiling,
          epsilon: 1e-5,
          momentum: 0.9,
          frozen: false,
        };
        const c = [shape[3]];
        return expectSame(
          () => {
            const params = [
              ...(flag.scale ? ['gamma'] : []),
              ...(flag.center ? ['beta'] : []),
              'mean',
              'variance',
            ].map((name) => {
              // Far enough from 0 for some outputs to reach ReLU6's bound.
              const factor = name === 'gamma' && ceiling ? 8 : 1;
              return tf.variable(tf.mul(numbers(c, name, 0.5), factor), false);
            });
            const x = tf.add(numbers(shape, 'x'), offset);
            const {
              output,
              inputs,
              params: learned,
            } = both(batchNorm, attrs, {
              inputs: [x, ...(flag.residual ? [numbers(shape, 'shortcut')] : [])],
              params,
            });
            const result = {
              output,
              dx: inputs[0] as tf.Tensor,
              ...(flag.residual && { dz: inputs[1] as tf.Tensor }),
            };
            const moved = Object.fromEntries(
              params.slice(-2).map((variable, i) => [`moved${i}`, tf.clone(variable)]),
            );
            const gradients = Object.fromEntries(
              learned.map((tensor, i) => [`gradient${i}`, tensor]),
            );
            tf.dispose(params);
            return { ...result, ...moved, ...gradients };
          },
          // 1000 above zero, float32 leaves four digits of a variance of a twelfth.
          { tolerance: offset ? 5e-3 : 5e-5 },
        );
      },
    );
    await fc.assert(property, runs);
  });

  it('normalize by what they are given', async () => {
    const property = fc.asyncProperty(images, flags, (shape, flag) => {
      const attrs: BatchNormAttrs = { ...flag, epsilon: 1e-3, momentum: 0.9, frozen: true };
      const names = [
        ...(flag.scale ? ['gamma'] : []),
        ...(flag.center ? ['beta'] : []),
        'mean',
        'variance',
      ];
      return expectSame(() => {
        const params = names.map((name) => numbers([shape[3]], name, 0.5));
        const inputs = [
          numbers(shape, 'x'),
          ...(flag.residual ? [numbers(shape, 'shortcut')] : []),
        ];
        const call = {
          attrs,
          inputs,
          params,
          operation: { attrs, params: [] },
          training: false,
          seed: 0,
        };
        return { output: batchNorm.forward(call as unknown as Call<BatchNormAttrs>).output };
      });
    });
    await fc.assert(property, runs);
  });

  it('sum up channels', async () => {
    const property = fc.asyncProperty(images, (shape) =>
      expectSame(() => ({ sums: channelSums(numbers(shape, 'x')) })),
    );
    await fc.assert(property, runs);
    // More rows than one block of them holds.
    await expectSame(() => ({ sums: channelSums(numbers([2, 120, 90, 3], 'many')) }), {
      tolerance: 1e-4,
    });
  });

  it('pool the largest of each window and go back to the first of them', async () => {
    const windows = fc
      .record({
        size: fc.tuple(side(1, 4), side(1, 4)),
        strides: fc.tuple(side(1, 4), side(1, 4)),
        padding: fc.record({
          top: side(0, 3),
          bottom: side(0, 3),
          left: side(0, 3),
          right: side(0, 3),
        }),
      })
      // No window lies in the padding alone.
      .filter(
        ({ size: [kh, kw], padding: { top, bottom, left, right } }) =>
          Math.max(top, bottom) < kh && Math.max(left, right) < kw,
      );
    const property = fc.asyncProperty(
      images,
      windows,
      fc.boolean(),
      (shape, attrs: PoolAttrs, ties) => {
        const { top, bottom, left, right } = attrs.padding as Record<string, number> & {
          top: number;
          bottom: number;
          left: number;
          right: number;
        };
        fc.pre(
          shape[1] + top + bottom >= attrs.size[0] && shape[2] + left + right >= attrs.size[1],
        );
        return expectSame(
          () => {
            const x = ties ? tf.floor(tf.mul(numbers(shape, 'x', 0), 3)) : numbers(shape, 'x', 0);
            const { output, inputs } = both(maxPool, attrs, { inputs: [x] });
            return { output, dx: inputs[0] as tf.Tensor };
          },
          { like: 'simd' }, // as PyTorch, it goes to the first; stock cpu does not
        );
      },
    );
    await fc.assert(property, runs);
  });

  it.each([
    ['several tiles, pixels in parts', [3, 20, 18, 40], [3, 3, 40, 70], 1, 1],
    ['a first layer of one channel', [2, 40, 36, 1], [7, 7, 1, 64], 2, 3],
    ['one pixel of a kernel, stride 2', [2, 15, 33, 65], [1, 1, 65, 5], 2, 0],
  ] as const)('go back to a filter: %s', async (_, x, filter, stride, padding) => {
    const attrs: ConvLayerAttrs = {
      strides: [stride, stride],
      dilations: [1, 1],
      padding: { top: padding, bottom: padding, left: padding, right: padding },
      relu: true,
    };
    await expectSame(
      () => {
        const variables = [numbers([...filter], 'filter'), numbers([filter[3]], 'bias')];
        const operation = { attrs, params: variables.map(() => ({ trainable: true })) };
        const call = {
          attrs,
          inputs: [numbers([...x], 'x')],
          params: variables,
          operation,
          training: true,
          seed: 0,
        };
        const { output } = conv2d.forward(call as unknown as Call<ConvLayerAttrs>);
        const back = {
          ...call,
          dy: numbers(output.shape, 'dy'),
          output,
          saved: [],
          wanted: [true],
        };
        const { inputs, params } = conv2d.backward(back as unknown as BackwardCall<ConvLayerAttrs>);
        return {
          output,
          dx: inputs[0] as tf.Tensor,
          dFilter: params[0] as tf.Tensor,
          dBias: params[1] as tf.Tensor,
        };
      },
      { like: 'simd', tolerance: 1e-4 },
    );
  });

  it('drop as many as the rate says, others for another seed, the same in the gradient', async () => {
    await use('webgpu');
    const drop = (rate: number, seed: number) => {
      const x = tf.ones([100_000]);
      const { output, inputs } = both(dropout, { rate }, { inputs: [x], seed });
      const values = [output, inputs[0] as tf.Tensor].map((tensor) => tensor.dataSync());
      return { y: values[0] as Float32Array, dx: values[1] as Float32Array };
    };
    const { y, dx } = tf.tidy(() => drop(0.3, 5));
    const kept = y.filter((value) => value !== 0);
    expect(new Set(kept)).toEqual(new Set([Math.fround(1 / 0.7)]));
    expect(Math.abs(kept.length / y.length - 0.7)).toBeLessThan(0.01); // seven standard deviations
    expect(dx.every((value, i) => (value === 0) === (y[i] === 0))).toBe(true);
    // Neighbours do not hang together: both are kept in 0.7² of the cases.
    const pairs = y.slice(1).filter((value, i) => value !== 0 && y[i] !== 0).length;
    expect(Math.abs(pairs / y.length - 0.49)).toBeLessThan(0.015);
    expect(tf.tidy(() => drop(0.3, 5)).y).toEqual(y);
    const other = tf.tidy(() => drop(0.3, 6)).y;
    expect(
      Math.abs(other.filter((value, i) => value !== 0 && y[i] !== 0).length / y.length - 0.49),
    ).toBeLessThan(0.015);
    expect(tf.tidy(() => drop(1, 5)).y.every((value) => value === 0)).toBe(true);
  });

  it('take integers that are called floats by their value', async () => {
    await expectSame(() => {
      const x = tf.cast(tf.tensor([3, 1, 4, 1, 5, 9, 2, 6], [2, 4], 'int32'), 'float32');
      return { sums: channelSums(x), same: channelSums(tf.cast(tf.greater(x, 2), 'float32')) };
    });
  });

  it.each(['relu', 'relu6', 'sigmoid', 'tanh'] as ActivationName[])(
    'go back through %s',
    async (name) => {
      for (const shape of [
        [3, 5],
        [4, 8],
      ]) {
        await expectSame(() => {
          const { output, inputs } = both(
            activation,
            { name },
            { inputs: [tf.mul(numbers(shape, 'x'), 20)] },
          );
          return { output, dx: inputs[0] as tf.Tensor };
        });
      }
    },
  );

  it('judge logits by class indices and by probabilities', async () => {
    const property = fc.asyncProperty(
      side(1, 70),
      side(2, 130),
      fc.boolean(),
      (rows, columns, soft) =>
        expectSame(() => {
          const logits = tf.mul(numbers([rows, columns], 'logits'), 30) as tf.Tensor2D;
          const indices = Array.from({ length: rows }, (_, i) => (7 * i) % columns);
          const labels = soft
            ? tf.mul(numbers([rows, columns], 'labels', 0), 2 / columns)
            : tf.tensor1d(indices, 'int32');
          return { ...softmaxCrossEntropy(logits, labels) };
        }),
    );
    await fc.assert(property, runs);
  });

  it('judge logits that are alike, and too large for an exponential', async () => {
    await expectSame(() => ({
      ...softmaxCrossEntropy(
        tf.tensor2d([
          [1000, 0, 1000],
          [3, 3, 3],
        ]),
        tf.tensor1d([0, 2], 'int32'),
      ),
    }));
  });
});

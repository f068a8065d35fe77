// Own process: it restarts the one runtime.
/**
 * What the process's one runtime promises: the same bits on any number of threads, one memory
 * through every restart, true gradients.
 */
import { getThreads, setThreads } from '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { afterEach, describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { type Input, input, type KernelCall, runOn } from './kernels';

const THREADS = [1, 2, 3, 8];

const conv = (
  image: number[],
  filter: number[],
  dy: number[],
  strides: [number, number] = [1, 1],
): KernelCall[] => {
  const attrs = { strides, pad: 'same', dilations: 1, dataFormat: 'NHWC' } as const;
  const [x, w, y] = [input(image, 'x'), input(filter, 'w'), input(dy, 'dy')];
  return [
    { kernel: 'Conv2D', inputs: { x, filter: w }, attrs },
    {
      kernel: 'Conv2DBackpropInput',
      inputs: { dy: y, filter: w },
      attrs: { ...attrs, inputShape: image },
    },
    {
      kernel: 'Conv2DBackpropFilter',
      inputs: { x, dy: y },
      attrs: { ...attrs, filterShape: filter },
    },
  ];
};

const depthwise = (): KernelCall[] => {
  const attrs = { strides: [1, 1], pad: 'same', dilations: [1, 1] };
  const [x, filter] = [input([4, 19, 13, 40], 'x'), input([3, 3, 40, 1], 'w')];
  return [
    { kernel: 'DepthwiseConv2dNative', inputs: { x, filter }, attrs },
    {
      kernel: 'DepthwiseConv2dNativeBackpropInput',
      inputs: { dy: x, filter },
      attrs: { ...attrs, inputShape: x.shape },
    },
    {
      kernel: 'DepthwiseConv2dNativeBackpropFilter',
      inputs: { x, dy: x },
      attrs: { ...attrs, filterShape: filter.shape },
    },
  ];
};

/** A row for each algorithm, larger than one tile of its job. */
const ALGORITHMS: Record<string, KernelCall[]> = {
  'a matrix product': [
    {
      kernel: 'BatchMatMul',
      inputs: { a: input([250, 700], 'a'), b: input([700, 90], 'b') },
      attrs: {},
    },
    {
      kernel: 'BatchMatMul',
      inputs: { a: input([700, 250], 'a'), b: input([90, 700], 'b') },
      attrs: { transposeA: true, transposeB: true },
    },
  ],
  'few channels': conv([3, 40, 37, 3], [7, 7, 3, 20], [3, 20, 19, 20], [2, 2]),
  'tap by tap': conv([3, 20, 19, 24], [3, 3, 24, 40], [3, 10, 10, 40], [2, 2]),
  "Winograd's": conv([5, 21, 19, 32], [3, 3, 32, 48], [5, 21, 19, 48]),
  "Winograd's in chunks": conv([3, 28, 28, 16], [3, 3, 16, 512], [3, 28, 28, 512]),
  'one channel with another': depthwise(),
};

describe('threads', () => {
  const before = getThreads();
  afterEach(() => setThreads(before));

  it.each(Object.entries(ALGORITHMS))('change no bit of a result: %s', async (_, calls) => {
    for (const call of calls) {
      const results: Input[] = [];
      for (const count of THREADS) {
        setThreads(count);
        results.push(await runOn('simd', call));
      }
      for (const result of results)
        expect(
          Buffer.from(result.values.buffer).equals(
            Buffer.from(results[0]?.values.buffer as ArrayBuffer),
          ),
        ).toBe(true);
    }
  });
});

describe('a restart', () => {
  it('gives all memory back and keeps the one memory and its threads', async () => {
    await tf.setBackend('simd');
    const { memory, heap } = runtime();
    const before = heap.bytes;
    for (let round = 0; round < 20; round++) {
      const kept = tf.matMul(tf.ones([300, 300]), tf.ones([300, 300]));
      expect(heap.bytes).toBeGreaterThan(before);
      expect(kept.dataSync()[0]).toBe(300);
      tf.engine().reset();
      await tf.setBackend('simd');
      expect(heap.bytes).toBe(before);
    }
    expect(runtime().memory).toBe(memory);
    expect(memory.buffer.byteLength).toBeLessThan(200 << 20);
  });
});

describe('casts', () => {
  it('give WebAssembly numbers of the type they say, also those made by another backend', async () => {
    await tf.setBackend('cpu');
    const [whole, other] = [
      tf.tensor2d([1, 2, 3, 4], [2, 2], 'int32'),
      tf.tensor2d([1, 0, 0, 1], [2, 2]),
    ];
    const cast = tf.cast(whole, 'float32');
    await tf.setBackend('simd');
    expect([...tf.matMul(cast as tf.Tensor2D, other).dataSync()]).toEqual([1, 2, 3, 4]);
    expect([...tf.matMul(tf.cast(whole, 'float32') as tf.Tensor2D, other).dataSync()]).toEqual([
      1, 2, 3, 4,
    ]);
    expect(whole.dataSync()).toBeInstanceOf(Int32Array);
    tf.disposeVariables();
    tf.engine().reset();
  });
});

describe('gradients', () => {
  /** Sums of the result, weighted so that its parts differ. */
  const weighted = (y: tf.Tensor) =>
    tf.sum(tf.mul(y, tf.tensor(input(y.shape, 'weights').values, y.shape)));
  /** No two numbers so near one another that a step makes the smaller the larger. */
  const apart = ({ shape, values }: Input): Input => {
    const ranks = [...values.keys()].sort((i, j) => (values[i] as number) - (values[j] as number));
    const spread = new Float32Array(values.length);
    ranks.forEach((at, rank) => {
      spread[at] = rank / 64 - 1;
    });
    return { shape, values: spread };
  };
  const SHAPES = {
    x: [2, 5, 4, 3],
    filter: [3, 2, 3, 4],
    depth: [3, 2, 3, 1],
    a: [3, 7],
    b: [7, 4],
  };
  const DIFFERENTIABLE: Record<
    string,
    { of: number[][]; f: (...tensors: tf.Tensor[]) => tf.Tensor }
  > = {
    'matrix product': {
      of: [SHAPES.a, SHAPES.b],
      f: (a, b) => tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D),
    },
    convolution: {
      of: [SHAPES.x, SHAPES.filter],
      f: (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, [2, 1], 'same'),
    },
    'depthwise convolution': {
      of: [SHAPES.x, SHAPES.depth],
      f: (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same'),
    },
    // With padding TensorFlow.js's gradient is not its forward pass's.
    'average pooling': {
      of: [SHAPES.x],
      f: (x) => tf.avgPool(x as tf.Tensor4D, [2, 3], [1, 2], 'valid'),
    },
    'max pooling': {
      of: [SHAPES.x],
      f: (x) => tf.maxPool(x as tf.Tensor4D, [3, 2], [1, 2], 'same'),
    },
  };

  it.each(Object.entries(DIFFERENTIABLE))(
    'agree with finite differences: %s',
    async (_, { of, f }) => {
      await tf.setBackend('simd');
      const points = of.map((shape, i) => apart(input(shape, `point${i}`)));
      const loss = (inputs: Input[]) =>
        tf.tidy(
          () =>
            weighted(
              f(...inputs.map(({ values, shape }) => tf.tensor(values, shape))),
            ).dataSync()[0] as number,
        );
      const gradients = tf.tidy(() =>
        tf
          .grads((...tensors: tf.Tensor[]) => weighted(f(...tensors)))(
            points.map(({ values, shape }) => tf.tensor(values, shape)),
          )
          .map((gradient) => gradient.dataSync()),
      );
      const step = 2 ** -8;
      points.forEach(({ values, shape }, which) => {
        for (let i = 0; i < values.length; i++) {
          const moved = (by: number) =>
            points.map((p, j) =>
              j === which ? { shape, values: values.map((v, k) => (k === i ? v + by : v)) } : p,
            );
          const slope = (loss(moved(step)) - loss(moved(-step))) / (2 * step);
          expect(Math.abs(slope - (gradients[which]?.[i] as number))).toBeLessThan(2e-3);
        }
      });
    },
  );
});

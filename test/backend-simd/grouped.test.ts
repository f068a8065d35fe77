/** Grouped convolution and its gradients against stock cpu's convolution of each group. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { mix } from '../helpers/fill';
import { rowsOf } from '../helpers/full';

/** A row: groups, input channels, output channels, kernel, stride, pixels. */
const CASES: [
  groups: number,
  channels: number,
  columns: number,
  kernel: number,
  stride: number,
  size: number,
][] = [
  [2, 6, 4, 3, 1, 7],
  [4, 64, 64, 3, 1, 9], // sixteen channels a group: Winograd's
  [8, 32, 16, 3, 2, 8],
  [3, 9, 12, 1, 1, 5],
  [5, 5, 5, 5, 1, 6], // a group a channel: depthwise
  [8, 32, 32, 3, 1, 9], // four channels a group, as in ResNeXt: vectors of two and four groups
  [8, 32, 32, 5, 2, 9],
  [3, 12, 12, 3, 1, 5], // no whole vectors
  [6, 48, 48, 3, 1, 11], // eight channels a group
  [4, 128, 128, 3, 1, 4],
  [2, 80, 6, 3, 1, 7], // too many channels to gather, and gathered on the way back
];

const numbers = (shape: [number, number, number, number], name: string) =>
  tf.tensor4d(
    mix(tf.util.sizeFromShape(shape), name).map((value) => value - 0.5),
    shape,
  );

const part = (x: tf.Tensor4D, groups: number, group: number): tf.Tensor4D =>
  tf.split(x, groups, 3)[group] as tf.Tensor4D;

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let [worst, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    worst = Math.max(worst, Math.abs((a[i] as number) - (b[i] as number)));
    largest = Math.max(largest, Math.abs(b[i] as number));
  }
  return worst / largest;
}

describe.each(CASES)(
  '%d groups, %d to %d channels, %d wide kernels at stride %d, %d pixels',
  (groups, channels, columns, kernel, stride, size) => {
    const pad = Math.floor(kernel / 2);
    const outSize = Math.floor((size + 2 * pad - kernel) / stride) + 1;
    const conv = {
      strides: [stride, stride],
      dilations: [1, 1],
      padding: { top: pad, bottom: pad, left: pad, right: pad },
      groups,
    };
    const shapes: Record<'x' | 'filter' | 'dy', [number, number, number, number]> = {
      x: [2, size, size, channels],
      filter: [kernel, kernel, channels / groups, columns],
      dy: [2, outSize, outSize, columns],
    };
    /** The three tensors, with infinity in the middle of one of them. */
    function data(poisoned?: keyof typeof shapes) {
      const make = (name: keyof typeof shapes) => {
        const values = numbers(shapes[name], name).dataSync();
        if (name === poisoned) values[values.length >> 1] = Number.POSITIVE_INFINITY;
        return tf.tensor4d(values, shapes[name]);
      };
      return { x: make('x'), filter: make('filter'), dy: make('dy') };
    }

    /** Each group by itself, on stock cpu. */
    async function expected(poisoned?: keyof typeof shapes) {
      await tf.setBackend('cpu');
      const { x, filter, dy } = data(poisoned);
      const edges: [number, number] = [pad, pad];
      const pads: [[number, number], [number, number], [number, number], [number, number]] = [
        [0, 0],
        edges,
        edges,
        [0, 0],
      ];
      const parts = Array.from({ length: groups }, (_, i) => {
        const own = (source: tf.Tensor, kernels: tf.Tensor) =>
          tf.conv2d(source as tf.Tensor4D, kernels as tf.Tensor4D, stride, pads);
        const [a, b] = [part(x, groups, i), part(filter, groups, i)];
        const [dx, dFilter] = tf.grads(own)([a, b], part(dy, groups, i)) as [
          tf.Tensor4D,
          tf.Tensor4D,
        ];
        return { y: own(a, b), dx, dFilter };
      });
      return [
        tf.concat(
          parts.map(({ y }) => y),
          3,
        ),
        tf.concat(
          parts.map(({ dx }) => dx),
          3,
        ),
        tf.concat(
          parts.map(({ dFilter }) => dFilter),
          3,
        ),
      ].map((tensor) => tensor.dataSync());
    }

    it('equals stock cpu, group by group, forward and back, and leaves no memory', async () => {
      const [y, dx, dFilter] = await expected();
      await tf.setBackend('simd');
      const { x, filter, dy } = data();
      const { heap } = runtime();
      const run = (name: string, inputs: tf.NamedTensorMap, attrs: object) => {
        const before = heap.bytes;
        const result = tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap) as tf.Tensor;
        const values = result.dataSync();
        result.dispose();
        return { values, left: heap.bytes - before };
      };
      run('deepend.conv2d', { x, filter }, { ...conv, relu: false }); // moves the inputs in
      run('deepend.conv2dFilterGradient', { x, dy }, { ...conv, filterShape: filter.shape });
      const results = [
        run('deepend.conv2d', { x, filter }, { ...conv, relu: false }),
        run('deepend.conv2dInputGradient', { dy, filter }, { ...conv, xShape: x.shape }),
        run('deepend.conv2dFilterGradient', { x, dy }, { ...conv, filterShape: filter.shape }),
      ];
      [y, dx, dFilter].forEach((values, i) => {
        expect(
          largestDifference(results[i]?.values ?? [], values ?? []),
          ['y', 'dx', 'dFilter'][i],
        ).toBeLessThan(2e-5);
        expect(results[i]?.left).toBe(0);
      });
    });

    const names = rowsOf(['x', 'filter', 'dy'] as const, () => channels <= 12);
    it.each(names)('keeps infinity in %s in its group', async (name) => {
      const stock = await expected(name);
      await tf.setBackend('simd');
      const { x, filter, dy } = data(name);
      const run = (kernel: string, inputs: tf.NamedTensorMap, attrs: object) =>
        (tf.engine().runKernel(kernel, inputs, attrs as tf.NamedAttrMap) as tf.Tensor).dataSync();
      const own = [
        run('deepend.conv2d', { x, filter }, { ...conv, relu: false }),
        run('deepend.conv2dInputGradient', { dy, filter }, { ...conv, xShape: x.shape }),
        run('deepend.conv2dFilterGradient', { x, dy }, { ...conv, filterShape: filter.shape }),
      ];
      own.forEach((values, i) => {
        const same = values.every(
          (value, at) => Number.isFinite(value) === Number.isFinite(stock[i]?.[at] as number),
        );
        expect(same, ['y', 'dx', 'dFilter'][i]).toBe(true);
      });
    });

    it('adds each group its bias, then takes ReLU', async () => {
      await tf.setBackend('simd');
      const { x, filter } = data();
      const bias = tf.tensor1d(mix(columns, 'bias').map((value) => value - 0.5));
      const attrs = { ...conv, relu: true } as unknown as tf.NamedAttrMap;
      const fused = tf
        .engine()
        .runKernel('deepend.conv2d', { x, filter, bias }, attrs) as tf.Tensor;
      const plain = tf
        .engine()
        .runKernel('deepend.conv2d', { x, filter }, { ...attrs, relu: false }) as tf.Tensor;
      expect(
        largestDifference(fused.dataSync(), tf.relu(tf.add(plain, bias)).dataSync()),
      ).toBeLessThan(1e-6);
    });
  },
);

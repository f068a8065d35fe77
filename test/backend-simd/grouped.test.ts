/** Grouped convolution and its gradients against stock cpu's convolution of each group. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { mix } from '../helpers/fill';

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
    const data = () => ({
      x: numbers([2, size, size, channels], 'x'),
      filter: numbers([kernel, kernel, channels / groups, columns], 'filter'),
      dy: numbers([2, outSize, outSize, columns], 'dy'),
    });

    /** Each group by itself, on stock cpu. */
    async function expected() {
      await tf.setBackend('cpu');
      const { x, filter, dy } = data();
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

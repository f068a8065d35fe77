/** Windows that are larger than the padded image: empty outputs as stock has them, or an error. */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { afterAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const filled = (shape: [number, number, number, number]) =>
  tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => Math.sin(i + 1)),
    shape,
  ) as tf.Tensor4D;
const image = () => filled([1, 4, 4, 2]);

type Pad = 'valid' | 'same' | [[0, 0], [number, number], [number, number], [0, 0]];
interface Case {
  kernel: number;
  stride?: number;
  dilation?: number;
  pad?: Pad;
}
type Operation = (x: tf.Tensor4D, options: Case) => tf.Tensor;

const conv: Operation = (x, { kernel, stride = 1, dilation = 1, pad = 'valid' }) =>
  tf.conv2d(x, filled([kernel, kernel, 2, 3]), stride, pad, 'NHWC', dilation);
const depthwise: Operation = (x, { kernel, stride = 1, dilation = 1, pad = 'valid' }) =>
  tf.depthwiseConv2d(x, filled([kernel, kernel, 2, 1]), stride, pad as 'valid', 'NHWC', dilation);
const maxPool: Operation = (x, { kernel, stride = 1, pad = 'valid' }) =>
  tf.maxPool(x, kernel, stride, pad);
const avgPool: Operation = (x, { kernel, stride = 1, pad = 'valid' }) =>
  tf.avgPool(x, kernel, stride, pad);

const TOO_LARGE: Case[] = [
  { kernel: 7 },
  { kernel: 8, stride: 2 },
  { kernel: 9, stride: 3 },
  { kernel: 3, dilation: 4 },
  {
    kernel: 9,
    pad: [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ],
  },
];
const SMALL: Case[] = [
  { kernel: 5 }, // one too large: no outputs
  { kernel: 5, stride: 2 },
  { kernel: 4 }, // one output
  { kernel: 7, pad: 'same' },
  { kernel: 3, dilation: 4, pad: 'same' },
  {
    kernel: 6,
    pad: [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ],
  },
];
const dilated = ({ dilation = 1 }: Case) => dilation > 1;

afterAll(() => use('cpu-js'));

describe.each([
  ['conv2d', conv],
  ['depthwiseConv2d', depthwise],
  ['maxPool', maxPool],
  ['avgPool', avgPool],
] as const)('%s', (name, run) => {
  const isPool = name.endsWith('Pool');

  it.each(TOO_LARGE.filter((one) => !(isPool && dilated(one))))('refuses %j', async (options) => {
    await use('simd');
    const message = new RegExp(
      `\\[backend-simd\\] ${isPool ? 'pool' : name}: expected a window that fits into the padded ` +
        'image, got one of 9 × 9|7 × 7|8 × 8 pixels, .* for an image of 4 × 4',
    );
    expect(() => run(image(), options)).toThrow(message);
    expect(() => tf.grad((x) => run(x as tf.Tensor4D, options))(image())).toThrow(RangeError);
  });

  it.each(SMALL.filter((one) => !(isPool && dilated(one))))(
    'is as stock for %j',
    async (options) => {
      const results = [];
      for (const backend of ['cpu-js', 'simd'] as const) {
        await use(backend);
        const y = run(image(), options);
        // stock has no gradient of dilated convolutions
        const hasGradient = y.size > 0 && !dilated(options);
        const dx = hasGradient && tf.grad((x) => run(x as tf.Tensor4D, options))(image());
        results.push({ shape: y.shape, y: [...y.dataSync()], dx: dx ? [...dx.dataSync()] : [] });
      }
      const [stock, simd] = results as [(typeof results)[0], (typeof results)[0]];
      expect(simd.shape).toEqual(stock.shape);
      for (const part of ['y', 'dx'] as const) {
        expect(simd[part]).toHaveLength(stock[part].length);
        for (const [i, value] of simd[part].entries())
          expect(value).toBeCloseTo(stock[part][i] as number, 4);
      }
    },
  );
});

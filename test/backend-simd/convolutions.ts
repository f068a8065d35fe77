/** Convolutions of every kind for the property tests, and the definition of their gradients. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { type Input, input } from './kernels';

export interface Convolution {
  image: [number, number, number, number];
  filter: [number, number, number, number];
  strides: [number, number];
  dilations: [number, number];
  pad: 'valid' | 'same' | number | [number, number][];
  seed: number;
}

const KERNELS = [
  [1, 1],
  [2, 3],
  [3, 3],
  [5, 5],
  [7, 7],
  [11, 11],
] as const;
const CHANNELS = [1, 3, 5, 16, 20, 64];
/** Products that stock cpu computes in a moment. */
const MOST_PRODUCTS = 3_000_000;

const side = (low: number, high: number) => fc.integer({ min: low, max: high });
const padding = fc.oneof(
  fc.constantFrom('valid' as const, 'same' as const),
  side(1, 3),
  fc
    .array(side(0, 4), { minLength: 4, maxLength: 4 })
    .map(([top = 0, bottom = 0, left = 0, right = 0]) => {
      const pads: [number, number][] = [
        [0, 0],
        [top, bottom],
        [left, right],
        [0, 0],
      ];
      return pads;
    }),
);
interface Stretch {
  strides: [number, number];
  dilations: [number, number];
}

/** Neither strides nor dilations. */
export const dense: fc.Arbitrary<Stretch> = fc.constant({ strides: [1, 1], dilations: [1, 1] });
const anyStretch: fc.Arbitrary<Stretch> = fc.oneof(
  { weight: 2, arbitrary: dense },
  {
    weight: 2,
    arbitrary: fc
      .tuple(side(1, 3), side(1, 3))
      .map((strides) => ({ strides, dilations: [1, 1] as [number, number] })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(side(1, 3), side(1, 3))
      .map((dilations) => ({ strides: [1, 1] as [number, number], dilations })),
  },
);

interface Choice {
  kernels?: readonly (readonly [number, number])[];
  channels?: readonly number[];
  /** Output channels: of each input channel, for depthwise ones. */
  columns?: readonly number[];
  /** Fewest and most images. */
  batch?: readonly [number, number];
  stretch?: fc.Arbitrary<Stretch>;
  /** Products at most. */
  most?: number;
}

export const infoOf = (c: Convolution, depthwise = false) =>
  tf.backend_util.computeConv2DInfo(
    c.image,
    c.filter,
    c.strides,
    c.dilations,
    c.pad as 'valid',
    undefined,
    depthwise,
  );

const products = (c: Convolution, depthwise: boolean) => {
  const { outShape } = infoOf(c, depthwise);
  return (
    tf.util.sizeFromShape(outShape) * c.filter[0] * c.filter[1] * (depthwise ? 1 : c.filter[2])
  );
};

/** Any convolution whose output has at least one pixel. */
export function convolution(choice: Choice = {}, depthwise = false) {
  const { kernels = KERNELS, channels = CHANNELS, columns = CHANNELS } = choice;
  const { batch = [1, 5], stretch = anyStretch, most = MOST_PRODUCTS } = choice;
  return fc
    .record({
      size: fc.tuple(side(1, 17), side(1, 13)),
      batch: side(...batch),
      kernel: fc.constantFrom(...kernels),
      channels: fc.constantFrom(...channels),
      columns: fc.constantFrom(...columns),
      stretch,
      pad: padding,
      seed: fc.nat(999),
    })
    .map(({ size, batch, kernel, channels, columns, stretch, pad, seed }): Convolution => {
      const image: Convolution['image'] = [batch, ...size, channels];
      return { image, filter: [...kernel, channels, columns], ...stretch, pad, seed };
    })
    .filter((c) => {
      const { outHeight, outWidth } = infoOf(c, depthwise);
      return outHeight > 0 && outWidth > 0 && products(c, depthwise) < most;
    });
}

/** The three kernels' inputs. */
export function numbers(c: Convolution, depthwise = false) {
  const { outShape } = infoOf(c, depthwise);
  return {
    x: input(c.image, `x${c.seed}`),
    filter: input(c.filter, `w${c.seed}`),
    dy: input(outShape, `dy${c.seed}`),
  };
}

/** Both gradients by the definition, in float64: stock cpu's kernels know no dilation. */
export function definedGradients(
  c: Convolution,
  { x, filter, dy } = numbers(c),
): { dx: Input; dFilter: Input } {
  const g = infoOf(c);
  const [dx, dFilter] = [new Float64Array(x.values.length), new Float64Array(filter.values.length)];
  for (
    let row = 0;
    row < g.batchSize * g.outHeight * g.outWidth * g.filterHeight * g.filterWidth;
    row++
  ) {
    const [kx, ky] = [row % g.filterWidth, Math.floor(row / g.filterWidth) % g.filterHeight];
    const position = Math.floor(row / (g.filterWidth * g.filterHeight));
    const [ox, oy] = [position % g.outWidth, Math.floor(position / g.outWidth) % g.outHeight];
    const image = Math.floor(position / (g.outWidth * g.outHeight));
    const iy = oy * g.strideHeight - g.padInfo.top + ky * g.dilationHeight;
    const ix = ox * g.strideWidth - g.padInfo.left + kx * g.dilationWidth;
    if (iy < 0 || ix < 0 || iy >= g.inHeight || ix >= g.inWidth) continue;
    for (let ci = 0; ci < g.inChannels; ci++) {
      const from = ((image * g.inHeight + iy) * g.inWidth + ix) * g.inChannels + ci;
      const weights = ((ky * g.filterWidth + kx) * g.inChannels + ci) * g.outChannels;
      for (let co = 0; co < g.outChannels; co++) {
        const gradient = dy.values[position * g.outChannels + co] as number;
        dx[from] = (dx[from] as number) + gradient * (filter.values[weights + co] as number);
        dFilter[weights + co] =
          (dFilter[weights + co] as number) + gradient * (x.values[from] as number);
      }
    }
  }
  return {
    dx: { shape: c.image, values: Float32Array.from(dx) },
    dFilter: { shape: c.filter, values: Float32Array.from(dFilter) },
  };
}

/** Shapes, strides and padding of a convolution, and what follows from them. */
import type { backend_util } from '@tensorflow/tfjs-core';

export interface Geometry {
  batch: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  kernelHeight: number;
  kernelWidth: number;
  strideY: number;
  strideX: number;
  dilationY: number;
  dilationX: number;
  padTop: number;
  padLeft: number;
}

export function parseGeometry(info: backend_util.Conv2DInfo): Geometry {
  return {
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    kernelHeight: info.filterHeight,
    kernelWidth: info.filterWidth,
    strideY: info.strideHeight,
    strideX: info.strideWidth,
    dilationY: info.dilationHeight,
    dilationX: info.dilationWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}

type Windows = Pick<
  Geometry,
  'height' | 'width' | 'outHeight' | 'outWidth' | 'kernelHeight' | 'kernelWidth'
> &
  Partial<Pick<Geometry, 'dilationY' | 'dilationX'>>;

/**
 * Returns `g`, whose output may be empty. TensorFlow.js computes a negative output size for a
 * larger kernel, and its stock kernels return a tensor of that shape, such as `[1, -4, -4, 3]`.
 * @throws RangeError when the window exceeds the padded image by more than a stride
 */
export function requireFit<T extends Windows>(where: string, g: T): T {
  if (g.outHeight >= 0 && g.outWidth >= 0) return g;
  const { kernelHeight, kernelWidth, dilationY = 1, dilationX = 1 } = g;
  const reach = [(kernelHeight - 1) * dilationY + 1, (kernelWidth - 1) * dilationX + 1];
  throw new RangeError(
    `[backend-simd] ${where}: expected a window that fits into the padded image, got one of ` +
      `${reach.join(' × ')} pixels, dilation included, for an image of ${g.height} × ${g.width}, ` +
      `which would have ${g.outHeight} × ${g.outWidth} outputs; pad the image, or use a smaller ` +
      'kernel or dilation',
  );
}

/** Whether a gradient has the shape of the output, in which kernels read it. */
export const fitsOutput = (
  dy: readonly number[] | undefined,
  g: Pick<Geometry, 'batch' | 'outHeight' | 'outWidth' | 'outChannels'>,
): boolean => dy?.join() === [g.batch, g.outHeight, g.outWidth, g.outChannels].join();

/**
 * One tap of the kernel: the source pixel that it reads for position (0, 0), and the index of its
 * [channels][outChannels] matrix in the filter.
 */
export interface Tap {
  y: number;
  x: number;
  matrix: number;
}

/** The taps of the kernel. For other positions, add `stride · position` to their pixels. */
export function listTaps(g: Geometry): Tap[] {
  return Array.from({ length: g.kernelHeight * g.kernelWidth }, (_, matrix) => ({
    y: Math.floor(matrix / g.kernelWidth) * g.dilationY - g.padTop,
    x: (matrix % g.kernelWidth) * g.dilationX - g.padLeft,
    matrix,
  }));
}

/** Number of positions 0 … count − 1 whose `stride · position + offset` is in 0 … size − 1. */
export function countHits(
  offset: number,
  { stride, size, count }: { stride: number; size: number; count: number },
): number {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(count - 1, Math.floor((size - 1 - offset) / stride));
  return Math.max(0, last - first + 1);
}

/**
 * The input gradient's convolution at stride 1: of dy, with the filter rotated by 180° and its
 * channels swapped.
 */
export const flipGeometry = (g: Geometry): Geometry => ({
  ...g,
  height: g.outHeight,
  width: g.outWidth,
  outHeight: g.height,
  outWidth: g.width,
  channels: g.outChannels,
  outChannels: g.channels,
  padTop: (g.kernelHeight - 1) * g.dilationY - g.padTop,
  padLeft: (g.kernelWidth - 1) * g.dilationX - g.padLeft,
});

/** The size of an image with all padding that its windows reach. */
export function paddedSize(g: Geometry): { height: number; width: number } {
  const reach = (count: number, stride: number, kernel: number, dilation: number) =>
    (count - 1) * stride + (kernel - 1) * dilation + 1;
  return {
    height: Math.max(
      g.padTop + g.height,
      reach(g.outHeight, g.strideY, g.kernelHeight, g.dilationY),
    ),
    width: Math.max(g.padLeft + g.width, reach(g.outWidth, g.strideX, g.kernelWidth, g.dilationX)),
  };
}

/** Whether the convolution is a matrix product: a 1×1 kernel that reads each pixel once. */
export const isPointwise = (g: Geometry): boolean =>
  g.kernelHeight * g.kernelWidth === 1 &&
  g.strideY === 1 &&
  g.strideX === 1 &&
  g.padTop === 0 &&
  g.padLeft === 0 &&
  sameSize(g);

const sameSize = (g: Geometry) => g.outHeight === g.height && g.outWidth === g.width;

/** Side of a Winograd tile: F(3×3, 3×3), F(4×4, 3×3), or 2 for a whole padded 2×2 image. */
export type TileSize = 2 | 3 | 4;

/** Two pixels with one of padding on each side: three products along this axis instead of four. */
const isPaddedPair = (size: number, outSize: number, padding: number) =>
  size === 2 && outSize === 2 && padding === 1;

/** The cost of transforming, writing and reading a number of the filter, in products. */
const FILTER_TRANSFORM = 25;

/**
 * The Winograd tile that costs least, or 0 if the direct convolution costs less. A tile costs
 * (m + 2)² products and its transforms; the direct convolution costs one product for each tap that
 * meets data. For example, 6×6 pixels take four tiles of either size, so m = 3 wins; 7×7 pixels
 * take four tiles only with m = 4.
 */
export function winogradTile(g: Geometry): TileSize | 0 {
  const square = g.kernelHeight === 3 && g.kernelWidth === 3 && g.strideY === 1 && g.strideX === 1;
  if (!square || g.dilationY !== 1 || g.dilationX !== 1) return 0;
  if (g.channels % 4 || g.outChannels % 4 || g.channels < 16 || g.outChannels < 16) return 0;
  if (isPaddedPair(g.height, g.outHeight, g.padTop) && isPaddedPair(g.width, g.outWidth, g.padLeft))
    return 2;
  const taps = listTaps(g).map(
    ({ y, x }) =>
      countHits(y, { stride: 1, size: g.height, count: g.outHeight }) *
      countHits(x, { stride: 1, size: g.width, count: g.outWidth }),
  );
  const direct = taps.reduce((sum, n) => sum + n, 0);
  const products = (m: 3 | 4) =>
    (m + 2) ** 2 * Math.ceil(g.outHeight / m) * Math.ceil(g.outWidth / m);
  const m = products(3) < products(4) ? 3 : 4;
  // Transforming a number costs about six additions. With few channels, the products saved do not
  // make up for them.
  const transforms = products(m) * 6 * (1 / g.outChannels + 1 / g.channels);
  // The filter is transformed once for the whole batch, through memory.
  const filter = ((m + 2) ** 2 * FILTER_TRANSFORM) / g.batch;
  return products(m) + transforms + filter < 0.85 * direct ? m : 0;
}

/** What a convolution's kernels need to know of it. */
import type { backend_util } from '@tensorflow/tfjs-core';

export interface Geometry {
  images: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  /** Output channels. */
  columns: number;
  kernelHeight: number;
  kernelWidth: number;
  strideY: number;
  strideX: number;
  dilationY: number;
  dilationX: number;
  padTop: number;
  padLeft: number;
}

export function geometryOf(info: backend_util.Conv2DInfo): Geometry {
  return {
    images: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    columns: info.outChannels,
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

/**
 * One place of the kernel: the source pixel of position (0, 0), and which [in][out] matrix of the
 * filter it has.
 */
export interface Tap {
  y: number;
  x: number;
  matrix: number;
}

/** The kernel's taps, as offsets into the image from `stride · position`. */
export function tapsOf(g: Geometry): Tap[] {
  return Array.from({ length: g.kernelHeight * g.kernelWidth }, (_, matrix) => ({
    y: Math.floor(matrix / g.kernelWidth) * g.dilationY - g.padTop,
    x: (matrix % g.kernelWidth) * g.dilationX - g.padLeft,
    matrix,
  }));
}

/** How many positions 0 … count − 1 have `stride · position + offset` inside 0 … size − 1. */
export function hits(
  offset: number,
  { stride, size, count }: { stride: number; size: number; count: number },
): number {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(count - 1, Math.floor((size - 1 - offset) / stride));
  return Math.max(0, last - first + 1);
}

/** An image's size with the padding that its windows reach. */
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

/** A 1×1 kernel that takes every pixel once: a matrix product. */
export const isPointwise = (g: Geometry): boolean =>
  g.kernelHeight * g.kernelWidth === 1 &&
  g.strideY === 1 &&
  g.strideX === 1 &&
  g.padTop === 0 &&
  g.padLeft === 0 &&
  sameSize(g);

const sameSize = (g: Geometry) => g.outHeight === g.height && g.outWidth === g.width;

/**
 * Outputs along one axis of a tile of Winograd's: F(3×3, 3×3) or F(4×4, 3×3), or the whole of a
 * padded image of 2×2.
 */
export type TileSize = 2 | 3 | 4;

/** Two pixels with one of padding on each side: nine products instead of sixteen. */
const isPaddedPair = (size: number, outSize: number, padding: number) =>
  size === 2 && outSize === 2 && padding === 1;

/**
 * Which of Winograd's tiles costs least, counting its (m + 2)² products a tile with what its
 * transforms cost, against the taps that meet
 * data: 0 where none does. 6×6 pixels take four tiles of either size, so the smaller one wins
 * there; 7×7 take four of the larger one.
 */
export function winogradTile(g: Geometry): TileSize | 0 {
  const square = g.kernelHeight === 3 && g.kernelWidth === 3 && g.strideY === 1 && g.strideX === 1;
  if (!square || g.dilationY !== 1 || g.dilationX !== 1) return 0;
  if (g.channels % 4 || g.columns % 4 || g.channels < 16 || g.columns < 16) return 0;
  if (isPaddedPair(g.height, g.outHeight, g.padTop) && isPaddedPair(g.width, g.outWidth, g.padLeft))
    return 2;
  const taps = tapsOf(g).map(
    ({ y, x }) =>
      hits(y, { stride: 1, size: g.height, count: g.outHeight }) *
      hits(x, { stride: 1, size: g.width, count: g.outWidth }),
  );
  const direct = taps.reduce((sum, n) => sum + n, 0);
  const products = (m: 3 | 4) =>
    (m + 2) ** 2 * Math.ceil(g.outHeight / m) * Math.ceil(g.outWidth / m);
  const m = products(3) < products(4) ? 3 : 4;
  // A transformed number costs some six additions, which a product over few channels does not
  // outweigh.
  const transforms = products(m) * 6 * (1 / g.columns + 1 / g.channels);
  return products(m) + transforms < 0.85 * direct ? m : 0;
}

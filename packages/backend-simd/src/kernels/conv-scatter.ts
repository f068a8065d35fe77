/**
 * The input gradient of a convolution over few channels, as a sum of overlapping windows; see
 * assembly/conv-scatter.ts.
 */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { type Geometry, paddedSize } from './conv-geometry';
import { countPanels, panelColumns, withPanels } from './matmul';

/** Maximum number of floats in a padded image and in a window: they lie in scratch memory. */
const IMAGE_LIMIT = 1 << 20;
const WINDOW_LIMIT = 8192;

/**
 * Whether scattering costs less than computing each pixel of dx as a product. With few channels, a
 * product leaves a part of its panels of eight columns empty. The cost of scattering is its
 * products and additions; the other is one product for each tap that a pixel of dx meets.
 */
export function shouldScatter(g: Geometry): boolean {
  const { height, width } = paddedSize(g);
  const window = g.kernelHeight * g.kernelWidth * g.channels;
  if (g.dilationX !== 1 || height * width * g.channels > IMAGE_LIMIT || window > WINDOW_LIMIT)
    return false;
  const scattering =
    g.outHeight * g.outWidth * (g.outChannels * countPanels(window) * panelColumns() + 4 * window);
  const taps = (g.kernelHeight * g.kernelWidth) / (g.strideY * g.strideX);
  return (
    scattering <
    0.8 * g.height * g.width * taps * g.outChannels * countPanels(g.channels) * panelColumns()
  );
}

export function inputGradientScattered(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  const { channels, outChannels } = g;
  const { height, width } = paddedSize(g);
  const window = g.kernelHeight * g.kernelWidth * channels;
  const row = width * channels;
  // The filter is [window][outChannels]; the product needs its transpose.
  const filter = {
    b: at.filter,
    count: 1,
    k: outChannels,
    columns: window,
    kStride: 1,
    nStride: outChannels,
    matrixStride: 0,
  };
  withPanels(backend, filter, (panels) =>
    backend.launch(
      Task.ConvScatter,
      {
        dy: at.dy,
        panels,
        out: at.out,
        positions: g.outHeight * g.outWidth,
        gridWidth: g.outWidth,
        outChannels,
        image: height * row,
        row,
        stepY: g.strideY * row,
        stepX: g.strideX * channels,
        kernelRows: g.kernelHeight,
        kernelStep: g.dilationY * row,
        run: g.kernelWidth * channels,
        height: g.height,
        outRow: g.width * channels,
        top: g.padTop,
        left: g.padLeft * channels,
      },
      g.batch,
    ),
  );
}

/**
 * The input gradient of a convolution over few channels, by windows that are added up: see
 * assembly/conv-scatter.ts.
 */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { type Geometry, paddedSize } from './conv-geometry';
import { NR, panelsOf, withPanels } from './matmul';

/** Floats of one padded image and of a window, for which a thread's scratch memory has room. */
const IMAGE_LIMIT = 1 << 20;
const WINDOW_LIMIT = 8192;

/**
 * Whether this does less than a product for each pixel of dx, whose few channels would leave a
 * panel of eight columns half empty: the products
 * with the additions behind them, against the taps that each pixel of dx meets.
 */
export function scatters(g: Geometry): boolean {
  const { height, width } = paddedSize(g);
  const window = g.kernelHeight * g.kernelWidth * g.channels;
  if (g.dilationX !== 1 || height * width * g.channels > IMAGE_LIMIT || window > WINDOW_LIMIT)
    return false;
  const here = g.outHeight * g.outWidth * (g.columns * panelsOf(window) * NR + 4 * window);
  const taps = (g.kernelHeight * g.kernelWidth) / (g.strideY * g.strideX);
  return here < 0.8 * g.height * g.width * taps * g.columns * panelsOf(g.channels) * NR;
}

export function inputGradientScattered(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  const { channels, columns } = g;
  const { height, width } = paddedSize(g);
  const [window, row] = [g.kernelHeight * g.kernelWidth * channels, width * channels];
  // The filter's rows are the window's places, each [columns] long: the transpose of what is
  // multiplied with.
  const filter = {
    b: at.filter,
    count: 1,
    k: columns,
    columns: window,
    kStride: 1,
    nStride: columns,
    matrixStride: 0,
  };
  withPanels(backend, filter, (panels) => {
    const words = [at.dy, panels, at.out, g.outHeight * g.outWidth, g.outWidth, columns];
    words.push(height * row, row, g.strideY * row, g.strideX * channels);
    words.push(g.kernelHeight, g.dilationY * row, g.kernelWidth * channels);
    words.push(g.height, g.width * channels, g.padTop, g.padLeft * channels);
    backend.launch(Task.ConvScatter, words, g.images);
  });
}

/**
 * Resizes images, and the gradients. Computes the source rows and columns of each output row and
 * column, in stock cpu's arithmetic.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import { ResizeEntry, ResizeTap } from '../generated/bindings';
import { SCRATCH_BYTES } from '../memory';
import { type Attrs, type Call, type FusedKernel, isFloat, type Kernel, size } from './types';

const TILE = 8192;

type Locate = (i: number, ratio: number, length: number, attrs: Attrs) => ResizeEntry;

const bilinear: Locate = (i, ratio, length, { halfPixelCenters }) => {
  const at = halfPixelCenters ? ratio * (i + 0.5) - 0.5 : ratio * i;
  const first = Math.max(0, Math.floor(at));
  return { first, second: Math.min(length - 1, Math.ceil(at)), fraction: at - first };
};

const nearest: Locate = (i, ratio, length, { alignCorners, halfPixelCenters }) => {
  const at = halfPixelCenters ? ratio * (i + 0.5) : ratio * i;
  const first = Math.min(length - 1, alignCorners ? Math.round(at) : Math.floor(at));
  return { first, second: first, fraction: 0 };
};

/** One entry for each new row or column. */
function table(locate: Locate, length: number, newLength: number, attrs: Attrs): ResizeEntry[] {
  const shrink = attrs.alignCorners && newLength > 1 ? 1 : 0;
  const ratio = (length - shrink) / (newLength - shrink);
  return Array.from({ length: newLength }, (_, i) => locate(i, ratio, length, attrs));
}

/** Nothing is empty, and two rows of doubles fit in a thread's scratch memory. */
function takes(call: Call): boolean {
  const { shape } = call.inputs.images as TensorInfo;
  const [newHeight, newWidth] = call.attrs.size as [number, number];
  const rowBytes = newWidth * (shape[3] as number) * 8;
  return (
    isFloat(call) && size(shape) > 0 && newHeight * newWidth > 0 && 2 * rowBytes <= SCRATCH_BYTES
  );
}

const kernel = (
  name: string,
  task: Task.ResizeBilinear | Task.ResizeNearest,
  locate: Locate,
): Kernel => ({
  name,
  takes,
  run({ inputs, attrs, backend }) {
    const images = inputs.images as TensorInfo;
    const [batch, height, width, channels] = images.shape as [number, number, number, number];
    const [outHeight, outWidth] = attrs.size as [number, number];
    const out = backend.output([batch, outHeight, outWidth, channels]);
    const rows = batch * outHeight;
    const block = Math.max(1, Math.floor(TILE / (outWidth * channels)));
    const tables = [
      ...table(locate, height, outHeight, attrs),
      ...table(locate, width, outWidth, attrs),
    ];
    backend.records(ResizeEntry, tables, (rowTable) => {
      backend.launch(
        task,
        {
          x: backend.pointer(images),
          out: backend.pointer(out),
          rowTable,
          columnTable: rowTable + outHeight * ResizeEntry.size * 4,
          height,
          width,
          channels,
          outHeight,
          outWidth,
          rows,
          block,
        },
        Math.ceil(rows / block),
      );
    });
    return out;
  },
});

/** For each source row or column, the new ones that read it: where they begin in `taps`. */
function tapsOf(entries: readonly ResizeEntry[], length: number) {
  const lists = Array.from({ length }, (): ResizeTap[] => []);
  for (const [index, { first, second, fraction }] of entries.entries()) {
    const isOne = first === second || fraction === 0;
    lists[first]?.push({ index, weight: isOne ? 1 : 1 - fraction });
    if (!isOne) lists[second]?.push({ index, weight: fraction });
  }
  const starts = [0];
  for (const list of lists) starts.push((starts.at(-1) as number) + list.length);
  return { starts, taps: lists.flat() };
}

/** A row of dy fits in a thread's scratch memory, with what a vector reads beyond it. */
function takesGradient(call: Call): boolean {
  const { shape } = call.inputs.dy as TensorInfo;
  const [, , width = 0, channels = 0] = shape;
  return isFloat(call) && size(shape) > 0 && (width * channels + 16) * 4 <= SCRATCH_BYTES;
}

/** The gradient of images of `xShape`; see assembly/resize-gradient.ts. */
function gradient(locate: Locate, xShape: readonly number[], call: Call): TensorInfo {
  const { attrs, backend } = call;
  const dy = call.inputs.dy as TensorInfo;
  const [batch, height, width, channels] = xShape as [number, number, number, number];
  const [, outHeight, outWidth] = dy.shape as [number, number, number, number];
  const out = backend.output([...xShape]);
  const rows = batch * height;
  const block = Math.max(1, Math.floor((4 * TILE) / (outWidth * channels)));
  const down = tapsOf(table(locate, height, outHeight, attrs), height);
  const across = tapsOf(table(locate, width, outWidth, attrs), width);
  backend.words([...down.starts, ...across.starts], (rowStarts) =>
    backend.records(ResizeTap, [...down.taps, ...across.taps], (rowTaps) =>
      backend.launch(
        Task.ResizeGradient,
        {
          dy: backend.pointer(dy),
          out: backend.pointer(out),
          rowTaps,
          columnTaps: rowTaps + down.taps.length * ResizeTap.size * 4,
          rowStarts,
          columnStarts: rowStarts + down.starts.length * 4,
          height,
          width,
          channels,
          outHeight,
          outWidth,
          rows,
          block,
        },
        Math.ceil(rows / block),
      ),
    ),
  );
  return out;
}

/** TensorFlow.js's gradients; stock's disregard half-pixel centers, and some mix up the images. */
const gradientKernel = (name: string, locate: Locate): Kernel => ({
  name,
  takes: takesGradient,
  run: (call) => gradient(locate, (call.inputs.images as TensorInfo).shape, call),
});

export const resizeKernels: readonly (Kernel | FusedKernel)[] = [
  kernel('ResizeBilinear', Task.ResizeBilinear, bilinear),
  kernel('ResizeNearestNeighbor', Task.ResizeNearest, nearest),
  gradientKernel('ResizeBilinearGrad', bilinear),
  gradientKernel('ResizeNearestNeighborGrad', nearest),
  {
    name: 'deepend.resizeBilinearGradient',
    takes: takesGradient,
    run: (call) => gradient(bilinear, call.attrs.xShape, call),
  },
];

/**
 * Resizes images (forward only). Computes the source rows and columns of each output row and
 * column, in stock cpu's arithmetic.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import { ResizeEntry } from '../generated/bindings';
import { SCRATCH_BYTES } from '../memory';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

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

export const resizeKernels: readonly Kernel[] = [
  kernel('ResizeBilinear', Task.ResizeBilinear, bilinear),
  kernel('ResizeNearestNeighbor', Task.ResizeNearest, nearest),
];

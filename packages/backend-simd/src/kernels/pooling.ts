/**
 * Max and average pooling and their gradients: TensorFlow.js's kernels, and the fused ones of
 * `compiler`, which have explicit padding that is never part of a maximum.
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { PoolArgs } from '../generated/bindings';
import { requireFit } from './conv-geometry';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

/** Shapes, strides and padding of a pooling layer. */
type Window = Omit<PoolArgs, 'x' | 'y' | 'dy' | 'out' | 'average'>;

/** The window of TensorFlow.js's kernels. */
function stockWindow(
  x: readonly number[],
  { filterSize, strides, pad, dimRoundingMode }: Attrs,
): Window {
  const info = backend_util.computePool2DInfo(
    x as [number, number, number, number],
    filterSize,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  return requireFit('pool', {
    batch: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    kernelHeight: info.filterHeight,
    kernelWidth: info.filterWidth,
    strideY: info.strideHeight,
    strideX: info.strideWidth,
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  });
}

/** The window of fused kernels: padding is `{ top, bottom, left, right }`. */
function fusedWindow(x: readonly number[], { size: kernel, strides, padding }: Attrs): Window {
  const [batch = 1, height = 1, width = 1, channels = 1] = x;
  const positions = (length: number, axis: number, pad: number) =>
    Math.floor((length + pad - kernel[axis]) / strides[axis]) + 1;
  return requireFit('pool', {
    batch,
    height,
    width,
    channels,
    outHeight: positions(height, 0, padding.top + padding.bottom),
    outWidth: positions(width, 1, padding.left + padding.right),
    kernelHeight: kernel[0],
    kernelWidth: kernel[1],
    strideY: strides[0],
    strideX: strides[1],
    padTop: padding.top,
    padLeft: padding.left,
  });
}

interface Tensors {
  x?: TensorInfo;
  y?: TensorInfo;
  dy?: TensorInfo;
  average?: boolean;
}

type PoolTask = Task.PoolForward | Task.MaxPoolGradient | Task.AveragePoolGradient;

/** @throws RangeError when y or dy has not the output's shape: kernels would read beyond its end */
function requireOutput(w: Window, tensor: TensorInfo | undefined): void {
  const expected = [w.batch, w.outHeight, w.outWidth, w.channels];
  if (!tensor || tensor.shape.join() === expected.join()) return;
  throw new RangeError(
    `[backend-simd] pool: expected an output and its gradient of shape [${expected}], got ` +
      `[${tensor.shape}]; check window, strides and padding`,
  );
}

/** Launches one of the pooling tasks. @returns its output */
function launch(
  backend: SimdBackend,
  task: PoolTask,
  w: Window,
  { x, y, dy, average = false }: Tensors,
): TensorInfo {
  const isForward = task === Task.PoolForward;
  requireOutput(w, y);
  requireOutput(w, dy);
  const out = backend.output(
    isForward
      ? [w.batch, w.outHeight, w.outWidth, w.channels]
      : [w.batch, w.height, w.width, w.channels],
  );
  const pointer = (tensor?: TensorInfo) => (tensor ? backend.pointer(tensor) : 0);
  backend.launch(
    task,
    {
      ...w,
      x: pointer(x),
      y: pointer(y),
      dy: pointer(dy),
      out: pointer(out),
      average: average ? 1 : 0,
    },
    isForward ? w.batch * w.outHeight : w.batch,
  );
  return out;
}

const takes = (call: Call) =>
  isFloat(call) &&
  Object.values(call.inputs).every((x) => x.shape.length === 4 && size(x.shape) > 0);

/** With a window of one pixel, stock cpu may return its input; leave that case to it. */
const takesWindow = (call: Call) =>
  takes(call) && [call.attrs.filterSize].flat().some((length) => length !== 1);

const shapeOf = (call: Call, name: string) => (call.inputs[name] as TensorInfo).shape;

function forward(average: boolean, windowOf: (x: readonly number[], attrs: Attrs) => Window) {
  return (call: Call) =>
    launch(call.backend, Task.PoolForward, windowOf(shapeOf(call, 'x'), call.attrs), {
      x: call.inputs.x as TensorInfo,
      average,
    });
}

export const poolKernels: Kernel[] = [
  { name: 'MaxPool', takes: takesWindow, run: forward(false, stockWindow) },
  { name: 'AvgPool', takes: takesWindow, run: forward(true, stockWindow) },
  {
    name: 'MaxPoolGrad',
    takes,
    run(call) {
      const { dy, input, output } = call.inputs as {
        dy: TensorInfo;
        input: TensorInfo;
        output: TensorInfo;
      };
      return launch(call.backend, Task.MaxPoolGradient, stockWindow(input.shape, call.attrs), {
        x: input,
        y: output,
        dy,
      });
    },
  },
  {
    name: 'AvgPoolGrad',
    takes,
    run({ inputs, attrs, backend }) {
      const { dy, input } = inputs as { dy: TensorInfo; input: TensorInfo };
      return launch(backend, Task.AveragePoolGradient, stockWindow(input.shape, attrs), { dy });
    },
  },
  { name: 'deepend.maxPool', run: forward(false, fusedWindow) },
  {
    name: 'deepend.maxPoolGradient',
    run({ inputs, attrs, backend }) {
      const { x, y, dy } = inputs as { x: TensorInfo; y: TensorInfo; dy: TensorInfo };
      return launch(backend, Task.MaxPoolGradient, fusedWindow(x.shape, attrs), { x, y, dy });
    },
  },
];

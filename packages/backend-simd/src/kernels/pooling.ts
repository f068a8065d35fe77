/**
 * Max and average pooling and their gradients: TensorFlow.js's own, and deepend's with explicit
 * padding that no window counts.
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

interface Window {
  images: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  kernel: readonly [number, number];
  strides: readonly [number, number];
  padTop: number;
  padLeft: number;
}

/** TensorFlow.js's attributes. */
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
  return {
    images: info.batchSize,
    height: info.inHeight,
    width: info.inWidth,
    channels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    padTop: info.padInfo.top,
    padLeft: info.padInfo.left,
  };
}

/** deepend's: padding is `{ top, bottom, left, right }`. */
function fusedWindow(x: readonly number[], { size: kernel, strides, padding }: Attrs): Window {
  const [images = 1, height = 1, width = 1, channels = 1] = x;
  const positions = (length: number, axis: number, pad: number) =>
    Math.floor((length + pad - kernel[axis]) / strides[axis]) + 1;
  return {
    ...{
      images,
      height,
      width,
      channels,
      kernel,
      strides,
      padTop: padding.top,
      padLeft: padding.left,
    },
    outHeight: positions(height, 0, padding.top + padding.bottom),
    outWidth: positions(width, 1, padding.left + padding.right),
  };
}

interface Places {
  x?: TensorInfo;
  y?: TensorInfo;
  dy?: TensorInfo;
  average?: boolean;
}

/** Launches one of the pooling tasks on a fresh tensor. */
function launch(
  backend: SimdBackend,
  task: Task,
  w: Window,
  { x, y, dy, average = false }: Places,
): TensorInfo {
  const forward = task === Task.PoolForward;
  const out = backend.output(
    forward
      ? [w.images, w.outHeight, w.outWidth, w.channels]
      : [w.images, w.height, w.width, w.channels],
  );
  const at = (tensor?: TensorInfo) => (tensor ? backend.pointer(tensor) : 0);
  const words = [
    at(x),
    at(y),
    at(dy),
    at(out),
    w.images,
    w.height,
    w.width,
    w.channels,
    w.outHeight,
    w.outWidth,
  ];
  words.push(...w.kernel, ...w.strides, w.padTop, w.padLeft, average ? 1 : 0);
  backend.launch(task, words, forward ? w.images * w.outHeight : w.images);
  return out;
}

const takes = (call: Call) =>
  isFloat(call) &&
  Object.values(call.inputs).every((x) => x.shape.length === 4 && size(x.shape) > 0);

/**
 * A window of one pixel gives its input back where the shapes agree, says stock cpu, and so the
 * same is asked of every backend.
 */
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

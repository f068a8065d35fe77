/**
 * Depthwise convolution and its gradients. With a channel multiplier above 1, each channel of x is
 * first repeated for each of its filters, so that the kernels see one filter for each channel.
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { ReduceOp, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { DepthwiseArgs } from '../generated/bindings';
import { fitsOutput, parseGeometry, requireFit } from './conv-geometry';
import { reduce } from './reduce';
import { copy } from './strided-copy';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

function parseInfo(
  x: readonly number[],
  filter: readonly number[],
  { strides, pad, dilations, dimRoundingMode }: Attrs,
) {
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations ?? [1, 1],
    pad,
    dimRoundingMode,
    true,
  );
  requireFit('depthwiseConv2d', parseGeometry(info));
  return info;
}

interface Addresses {
  x: number;
  filter: number;
  dy: number;
  out: number;
}

const depthwiseArgs = (g: backend_util.Conv2DInfo, at: Addresses): DepthwiseArgs => ({
  x: at.x,
  filter: at.filter,
  dy: at.dy,
  out: at.out,
  batch: g.batchSize,
  height: g.inHeight,
  width: g.inWidth,
  channels: g.outChannels,
  outHeight: g.outHeight,
  outWidth: g.outWidth,
  kernelHeight: g.filterHeight,
  kernelWidth: g.filterWidth,
  strideY: g.strideHeight,
  strideX: g.strideWidth,
  padTop: g.padInfo.top,
  padLeft: g.padInfo.left,
  dilationY: g.dilationHeight,
  dilationX: g.dilationWidth,
});

/** Channels are last and nothing is empty. */
function takes(call: Call): boolean {
  const last = !call.attrs.dataFormat || call.attrs.dataFormat === 'NHWC';
  return isFloat(call) && last && Object.values(call.inputs).every((x) => size(x.shape) > 0);
}

/** Whether dy has the shape of the convolution's output, too. */
function takesGradient(call: Call): boolean {
  const { x, filter, dy } = call.inputs as Record<string, TensorInfo>;
  const { inputShape, filterShape } = call.attrs;
  if (!takes(call)) return false;
  const info = parseInfo(x?.shape ?? inputShape, filter?.shape ?? filterShape, call.attrs);
  return fitsOutput(dy?.shape, parseGeometry(info));
}

const countPixels = ({ batchSize, inHeight, inWidth }: backend_util.Conv2DInfo) =>
  batchSize * inHeight * inWidth;
const channelMultiplier = ({ inChannels, outChannels }: backend_util.Conv2DInfo) =>
  outChannels / inChannels;

/** Calls `use` with x in which each channel is repeated for each of its filters. */
function withRepeatedChannels(
  backend: SimdBackend,
  g: backend_util.Conv2DInfo,
  x: number,
  use: (x: number) => void,
): void {
  const multiplier = channelMultiplier(g);
  if (multiplier === 1) use(x);
  else
    backend.temporary(countPixels(g) * g.outChannels * 4, (to) => {
      const walk = [
        { size: countPixels(g) * g.inChannels, steps: [1, multiplier] },
        { size: multiplier, steps: [0, 1] },
      ];
      copy(backend, { from: x, to, walk });
      use(to);
    });
}

/** Lets `use` write the gradient of the repeated channels, and sums it for each channel of x. */
function withSummedChannels(
  backend: SimdBackend,
  g: backend_util.Conv2DInfo,
  out: number,
  use: (out: number) => void,
): void {
  const length = channelMultiplier(g);
  if (length === 1) use(out);
  else
    backend.temporary(countPixels(g) * g.outChannels * 4, (repeated) => {
      use(repeated);
      reduce(
        backend,
        ReduceOp.Sum,
        repeated,
        out,
        { outer: countPixels(g) * g.inChannels, length, inner: 1 },
        1,
      );
    });
}

export const depthwiseKernels: Kernel[] = [
  {
    name: 'DepthwiseConv2dNative',
    takes,
    run({ inputs, attrs, backend }) {
      const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
      const g = parseInfo(x.shape, filter.shape, attrs);
      const out = backend.output(g.outShape);
      const at = { filter: backend.pointer(filter), dy: 0, out: backend.pointer(out) };
      withRepeatedChannels(backend, g, backend.pointer(x), (source) =>
        backend.launch(
          Task.DepthwiseForward,
          depthwiseArgs(g, { ...at, x: source }),
          g.batchSize * g.outHeight,
        ),
      );
      return out;
    },
  },
  {
    name: 'DepthwiseConv2dNativeBackpropInput',
    takes: takesGradient,
    run({ inputs, attrs, backend }) {
      const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
      const g = parseInfo(attrs.inputShape, filter.shape, attrs);
      const out = backend.output(attrs.inputShape);
      const at = { x: 0, filter: backend.pointer(filter), dy: backend.pointer(dy) };
      withSummedChannels(backend, g, backend.pointer(out), (to) =>
        backend.launch(
          Task.DepthwiseInputGradient,
          depthwiseArgs(g, { ...at, out: to }),
          g.batchSize,
        ),
      );
      return out;
    },
  },
  {
    name: 'DepthwiseConv2dNativeBackpropFilter',
    takes: takesGradient,
    run({ inputs, attrs, backend }) {
      const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
      const g = parseInfo(x.shape, attrs.filterShape, attrs);
      const out = backend.output(attrs.filterShape);
      const inner = g.filterHeight * g.filterWidth * g.outChannels;
      // The gradient of each image, and then their sum in order, which makes the result independent
      // of the number of threads.
      backend.temporary(g.batchSize * inner * 4, (perImage) => {
        withRepeatedChannels(backend, g, backend.pointer(x), (source) => {
          const at = { x: source, filter: 0, dy: backend.pointer(dy), out: perImage };
          backend.launch(Task.DepthwiseFilterGradient, depthwiseArgs(g, at), g.batchSize);
        });
        reduce(
          backend,
          ReduceOp.Sum,
          perImage,
          backend.pointer(out),
          { outer: 1, length: g.batchSize, inner },
          1,
        );
      });
      return out;
    },
  },
];

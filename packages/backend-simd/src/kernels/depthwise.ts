/** Depthwise convolution with one filter a channel, and its gradients. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/task';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

function info(x: readonly number[], filter: readonly number[], { strides, pad, dilations, dimRoundingMode }: Attrs) {
  const shapes = [x as [number, number, number, number], filter as [number, number, number, number]] as const;
  return backend_util.computeConv2DInfo(...shapes, strides, dilations ?? [1, 1], pad, dimRoundingMode, true);
}

const CHANNEL_BLOCK = 16;

function words(g: backend_util.Conv2DInfo, at: { x?: number; filter?: number; dy?: number; out: number }): number[] {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = g;
  const list = [at.x ?? 0, at.filter ?? 0, at.dy ?? 0, at.out, batchSize, inHeight, inWidth, inChannels, outHeight, outWidth];
  list.push(filterHeight, filterWidth, g.strideHeight, g.strideWidth, g.padInfo.top, g.padInfo.left);
  list.push(g.dilationHeight, g.dilationWidth, CHANNEL_BLOCK);
  return list;
}

/** A multiplier of one, channels last, nothing empty. */
function takes(call: Call): boolean {
  const multiplier = (call.inputs.filter?.shape ?? call.attrs.filterShape)[3];
  const last = !call.attrs.dataFormat || call.attrs.dataFormat === 'NHWC';
  return isFloat(call) && multiplier === 1 && last && Object.values(call.inputs).every((x) => size(x.shape) > 0);
}

export const depthwiseKernels: Kernel[] = [
  {
    name: 'DepthwiseConv2dNative',
    takes,
    run({ inputs, attrs, backend }) {
      const { x, filter } = inputs as { x: TensorInfo; filter: TensorInfo };
      const g = info(x.shape, filter.shape, attrs);
      const out = backend.output(g.outShape);
      const at = { x: backend.pointer(x), filter: backend.pointer(filter), out: backend.pointer(out) };
      backend.launch(Task.DepthwiseForward, words(g, at), g.batchSize * g.outHeight);
      return out;
    },
  },
  {
    name: 'DepthwiseConv2dNativeBackpropInput',
    takes,
    run({ inputs, attrs, backend }) {
      const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
      const g = info(attrs.inputShape, filter.shape, attrs);
      const out = backend.output(attrs.inputShape);
      const at = { dy: backend.pointer(dy), filter: backend.pointer(filter), out: backend.pointer(out) };
      backend.launch(Task.DepthwiseInputGradient, words(g, at), g.batchSize);
      return out;
    },
  },
  {
    name: 'DepthwiseConv2dNativeBackpropFilter',
    takes,
    run({ inputs, attrs, backend }) {
      const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
      const g = info(x.shape, attrs.filterShape, attrs);
      const out = backend.output(attrs.filterShape);
      const at = { x: backend.pointer(x), dy: backend.pointer(dy), out: backend.pointer(out) };
      const tiles = g.filterHeight * g.filterWidth * Math.ceil(g.inChannels / CHANNEL_BLOCK);
      backend.launch(Task.DepthwiseFilterGradient, words(g, at), tiles);
      return out;
    },
  },
];

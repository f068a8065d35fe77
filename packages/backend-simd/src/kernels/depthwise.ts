/**
 * Depthwise convolution and its gradients. Where each channel has several filters, it is repeated
 * for each of them first: then every
 * channel has one.
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { ReduceOp } from '../../assembly/ops';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { reduce } from './reduce';
import { copy } from './strided-copy';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

function info(
  x: readonly number[],
  filter: readonly number[],
  { strides, pad, dilations, dimRoundingMode }: Attrs,
) {
  const shapes = [
    x as [number, number, number, number],
    filter as [number, number, number, number],
  ] as const;
  return backend_util.computeConv2DInfo(
    ...shapes,
    strides,
    dilations ?? [1, 1],
    pad,
    dimRoundingMode,
    true,
  );
}

function words(
  g: backend_util.Conv2DInfo,
  at: { x?: number; filter?: number; dy?: number; out: number },
): number[] {
  const {
    batchSize,
    inHeight,
    inWidth,
    outChannels,
    outHeight,
    outWidth,
    filterHeight,
    filterWidth,
  } = g;
  const list = [
    at.x ?? 0,
    at.filter ?? 0,
    at.dy ?? 0,
    at.out,
    batchSize,
    inHeight,
    inWidth,
    outChannels,
    outHeight,
    outWidth,
  ];
  list.push(
    filterHeight,
    filterWidth,
    g.strideHeight,
    g.strideWidth,
    g.padInfo.top,
    g.padInfo.left,
  );
  list.push(g.dilationHeight, g.dilationWidth);
  return list;
}

/** Channels last, nothing empty. */
function takes(call: Call): boolean {
  const last = !call.attrs.dataFormat || call.attrs.dataFormat === 'NHWC';
  return isFloat(call) && last && Object.values(call.inputs).every((x) => size(x.shape) > 0);
}

const imageSize = ({ batchSize, inHeight, inWidth }: backend_util.Conv2DInfo) =>
  batchSize * inHeight * inWidth;
const multiplierOf = ({ inChannels, outChannels }: backend_util.Conv2DInfo) =>
  outChannels / inChannels;

/** x with each channel as often as it has filters. */
function withRepeated(
  backend: SimdBackend,
  g: backend_util.Conv2DInfo,
  x: number,
  use: (x: number) => void,
): void {
  const multiplier = multiplierOf(g);
  if (multiplier === 1) use(x);
  else
    backend.temporary(imageSize(g) * g.outChannels * 4, (to) => {
      const walk = [
        { size: imageSize(g) * g.inChannels, steps: [1, multiplier] },
        { size: multiplier, steps: [0, 1] },
      ];
      copy(backend, { from: x, to, walk });
      use(to);
    });
}

/** The gradient of repeated channels, summed up for each. */
function withSummed(
  backend: SimdBackend,
  g: backend_util.Conv2DInfo,
  out: number,
  use: (out: number) => void,
): void {
  const length = multiplierOf(g);
  if (length === 1) use(out);
  else
    backend.temporary(imageSize(g) * g.outChannels * 4, (apart) => {
      use(apart);
      reduce(
        backend,
        ReduceOp.Sum,
        apart,
        out,
        { outer: imageSize(g) * g.inChannels, length, inner: 1 },
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
      const g = info(x.shape, filter.shape, attrs);
      const out = backend.output(g.outShape);
      const at = { filter: backend.pointer(filter), out: backend.pointer(out) };
      withRepeated(backend, g, backend.pointer(x), (source) =>
        backend.launch(
          Task.DepthwiseForward,
          words(g, { ...at, x: source }),
          g.batchSize * g.outHeight,
        ),
      );
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
      const at = { dy: backend.pointer(dy), filter: backend.pointer(filter) };
      withSummed(backend, g, backend.pointer(out), (to) =>
        backend.launch(Task.DepthwiseInputGradient, words(g, { ...at, out: to }), g.batchSize),
      );
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
      const inner = g.filterHeight * g.filterWidth * g.outChannels;
      // Each image's gradient first, then their sum in order: the same numbers from any number of
      // threads.
      backend.temporary(g.batchSize * inner * 4, (apart) => {
        withRepeated(backend, g, backend.pointer(x), (source) => {
          const at = { x: source, dy: backend.pointer(dy), out: apart };
          backend.launch(Task.DepthwiseFilterGradient, words(g, at), g.batchSize);
        });
        reduce(
          backend,
          ReduceOp.Sum,
          apart,
          backend.pointer(out),
          { outer: 1, length: g.batchSize, inner },
          1,
        );
      });
      return out;
    },
  },
];

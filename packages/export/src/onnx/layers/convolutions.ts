/**
 * Convolutions of every kind, and linear layers. Kernels have PyTorch's layout in the file: [out,
 * in, height, width] and [out, in].
 */
import { weightKind } from '../../flat-graph';
import { range } from '../axes';
import type { OnnxGraph } from '../graph';
import { inOrder } from '../value';
import { activated } from './activations';
import { type Call, type Emitted, each, imageOf, only, type Rows } from './row';
import { checkPadding, isTrivial, windowAttributes, withOwnPads } from './windows';

/** The shape of a layer's weight. */
const sizesOf = ({ layer }: Call, kind: string): number[] =>
  (layer.weights.find((weight) => weightKind(weight) === kind)?.shape ?? []).map(
    (size) => size ?? 1,
  );

const biasOf = (graph: OnnxGraph, { layer, config }: Call, count: number): string[] =>
  config.useBias ? [graph.weight(layer, 'bias', { view: [count], order: [0] })] : [];

const windowsOf = (graph: OnnxGraph, { layer, config }: Call, kernel: readonly number[]) => {
  checkPadding(graph, layer, config.padding);
  const count = kernel.length;
  const [strides, dilations] = [each(config.strides, count), each(config.dilationRate, count)];
  return { kernel, strides, dilations, padding: config.padding as string };
};

/** [...sizes, in, out] → [out, in, ...sizes] */
const outFirst = (rank: number) => [rank - 1, rank - 2, ...range(rank - 2)];

function convolution(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name } = call;
  const view = sizesOf(call, 'kernel');
  const windows = windowsOf(graph, call, view.slice(0, -2));
  const x = withOwnPads(graph, imageOf(graph, call), windows);
  const inputs = [
    x.name,
    graph.weight(layer, 'kernel', { view, order: outFirst(view.length) }),
    ...biasOf(graph, call, view.at(-1) ?? 1),
  ];
  const group = (config.groups as number | undefined) ?? 1;
  const made = graph.node('Conv', inputs, {
    name,
    ...windowAttributes(x, windows),
    ...(group > 1 && { group }),
  });
  return activated(graph, { name: made, order: x.order }, call);
}

/**
 * A convolution with one group per channel; PyTorch's kernel is [channels · multiplier, 1, height,
 * width].
 */
function depthwise(
  graph: OnnxGraph,
  call: Call,
  { name, suffix, bias }: { name: string; suffix?: string; bias: boolean },
): Emitted {
  const { layer } = call;
  const [height = 1, width = 1, channels = 1, multiplier = 1] = sizesOf(call, 'depthwise_kernel');
  const windows = windowsOf(graph, call, [height, width]);
  const x = withOwnPads(graph, imageOf(graph, call), windows);
  const kernel = graph.weight(layer, 'depthwise_kernel', {
    ...(suffix && { suffix }),
    view: [height, width, channels * multiplier],
    order: [2, 0, 1],
    shape: [channels * multiplier, 1, height, width],
  });
  const inputs = [x.name, kernel, ...(bias ? biasOf(graph, call, channels * multiplier) : [])];
  return {
    name: graph.node('Conv', inputs, { name, ...windowAttributes(x, windows), group: channels }),
    order: x.order,
  };
}

function depthwiseLayer(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name } = call;
  // TensorFlow.js's layer accepts the option but ignores it, so its own output is not the one
  // that the option asks for.
  if (!isTrivial(each(config.dilationRate, 2), 1))
    throw graph.refuse(layer, {
      expected: 'no dilation',
      got: `dilationRate [${config.dilationRate}]`,
    });
  return activated(graph, depthwise(graph, call, { name, bias: true }), call);
}

/** A depthwise convolution followed by a 1×1 convolution. */
function separable(call: Call, graph: OnnxGraph): Emitted {
  const { layer, name } = call;
  const { name: x, order } = depthwise(graph, call, {
    name: `${name}.depthwise`,
    suffix: 'depthwise.weight',
    bias: false,
  });
  const view = sizesOf(call, 'pointwise_kernel');
  const kernel = graph.weight(layer, 'pointwise_kernel', {
    suffix: 'pointwise.weight',
    view,
    order: [3, 2, 0, 1],
  });
  const made = graph.node('Conv', [x, kernel, ...biasOf(graph, call, view[3] ?? 1)], {
    name,
    kernel_shape: [1, 1],
  });
  return activated(graph, { name: made, order }, call);
}

/**
 * [..., out, in] → [in, out, ...]. TensorFlow.js's output has size · stride pixels, and with
 * `valid` max(kernel − stride, 0) more. `pads` removes the surplus of ONNX's output at both ends;
 * `output_padding` adds missing pixels at the end.
 */
function transposed(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name } = call;
  const view = sizesOf(call, 'kernel');
  const { kernel, strides, padding } = windowsOf(graph, call, view.slice(0, -2));
  const x = imageOf(graph, call);
  const excess = kernel.map((size, i) => size - (strides[i] as number));
  const cut = excess.map((count) => (padding === 'same' ? Math.max(count, 0) : 0));
  const pads = [
    ...cut.map((count) => Math.floor(count / 2)),
    ...cut.map((count) => Math.ceil(count / 2)),
  ];
  const added = excess.map((count) => Math.max(-count, 0));
  const inputs = [
    x.name,
    graph.weight(layer, 'kernel', { view, order: outFirst(view.length) }),
    ...biasOf(graph, call, config.filters),
  ];
  const attributes = {
    kernel_shape: kernel,
    strides,
    ...(!isTrivial(pads, 0) && { pads }),
    ...(!isTrivial(added, 0) && { output_padding: added }),
  };
  return activated(
    graph,
    { name: graph.node('ConvTranspose', inputs, { name, ...attributes }), order: x.order },
    call,
  );
}

function dense(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name } = call;
  const x = only(call);
  if (x.shape.length > 2) return activated(graph, alongAxis(call, graph), call);
  const [count = 1, units = 1] = sizesOf(call, 'kernel');
  // A flattened image keeps PyTorch's order, and the kernel is reordered to match.
  const { sizes, order } = x.row ?? { sizes: [count], order: [0] };
  const kernel = graph.weight(layer, 'kernel', {
    view: [...sizes, units],
    order: [sizes.length, ...order],
    shape: [units, count],
  });
  const inputs = [
    x.name,
    kernel,
    ...(config.useBias ? [graph.weight(layer, 'bias', { view: [units], order: [0] })] : []),
  ];
  return activated(
    graph,
    { name: graph.node('Gemm', inputs, { name, transB: 1 }), order: [0, 1] },
    call,
  );
}

/**
 * A linear layer along the last axis of an image or a sequence: a matrix product from the right or,
 * where this axis is the last but one in the file, from the left.
 */
function alongAxis(call: Call, graph: OnnxGraph): Emitted {
  const { layer, config, name } = call;
  const given = only(call);
  const last = given.shape.length - 1;
  const left = given.order.indexOf(last) === last - 1;
  const x = left
    ? given
    : inOrder(graph, given, [...given.order.filter((axis) => axis !== last), last]);
  const [input = 1, units = 1] = sizesOf(call, 'kernel');
  const kernel = left
    ? graph.weight(layer, 'kernel', { view: [input, units], order: [1, 0] })
    : graph.weight(layer, 'kernel', { suffix: 'weight_t', view: [input, units], order: [0, 1] });
  const product = graph.node('MatMul', left ? [kernel, x.name] : [x.name, kernel], {
    name: config.useBias ? `${name}/MatMul` : name,
  });
  if (!config.useBias) return { name: product, order: x.order };
  const bias = graph.weight(layer, 'bias', {
    view: [units],
    order: [0],
    shape: left ? [units, 1] : [units],
  });
  return { name: graph.node('Add', [product, bias], { name }), order: x.order };
}

export const CONVOLUTION_LAYERS: Rows = {
  Conv1D: { takes: ['padding'], emit: convolution },
  Conv2D: { takes: ['padding'], emit: convolution },
  Conv3D: { takes: ['padding'], emit: convolution },
  'deepend>GroupedConv2D': { takes: ['padding'], emit: convolution },
  DepthwiseConv2D: { takes: ['padding'], emit: depthwiseLayer },
  SeparableConv2D: { takes: ['padding'], emit: separable },
  Conv2DTranspose: { emit: transposed },
  Dense: { takes: ['row'], emit: dense },
};

/** Multiply-accumulates of the kernels of TensorFlow.js, while a function runs. */
import type { FusedKernelName } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';

/** Shapes of a kernel's inputs by their names, and of its outputs. */
interface KernelCall {
  readonly inputs: Readonly<Record<string, readonly number[] | undefined>>;
  readonly outputs: readonly (readonly number[])[];
  readonly attrs: Readonly<Record<string, unknown>>;
}

const product = (shape: readonly number[] = []) => shape.reduce((n, size) => n * size, 1);
const firstOutput = ({ outputs }: KernelCall) => product(outputs[0]);

/** `[..., m, k]·[..., k, n]`: one multiplication for each number of the product and each k. */
const matMul = (call: KernelCall) => {
  const { a = [] } = call.inputs;
  const inner = call.attrs.transposeA ? a.at(-2) : a.at(-1);
  return firstOutput(call) * (inner ?? 1);
};

/** Each output reads a window of the filter's first three axes, `[kh, kw, in]`. */
const convolution = (call: KernelCall) =>
  firstOutput(call) * product(call.inputs.filter?.slice(0, 3));

/** Each input is multiplied with a window of the outputs. */
const transposed = ({ inputs: { dy, filter = [] } }: KernelCall) =>
  product(dy) * product(filter.slice(0, 3));

const depthwise = (call: KernelCall) =>
  firstOutput(call) * product(call.inputs.filter?.slice(0, 2));

/** Each query meets the features of every key and of every value; masks are not counted. */
const attention = ({ inputs: { q, v } }: KernelCall) =>
  product(q?.slice(0, 3)) * (v?.at(-2) ?? 1) * ((q?.at(-1) ?? 0) + (v?.at(-1) ?? 0));

const selfAttention = ({ inputs: { qkv = [] }, attrs }: KernelCall) => {
  const [first = 0, second = 0, wide = 0] = qkv;
  return 2 * first * second * (attrs.batchFirst ? second : first) * (wide / 3);
};

type Cost = (call: KernelCall) => number;
const none: Cost = () => 0;

/** Every fused kernel has a row, so that a new one is not forgotten. */
const FUSED: Readonly<Record<FusedKernelName, Cost>> = {
  'deepend.conv2d': convolution,
  'deepend.conv2dInputGradient': transposed,
  'deepend.conv2dFilterGradient': none,
  'deepend.dense': (call) => firstOutput(call) * (call.inputs.x?.at(-1) ?? 1),
  'deepend.channelSums': none,
  'deepend.activationGradient': none,
  'deepend.batchNorm': none,
  'deepend.normalize': none,
  'deepend.batchNormGradient': none,
  'deepend.channelMoments': none,
  'deepend.batchNormSums': none,
  'deepend.batchNormApply': none,
  'deepend.maxPool': none,
  'deepend.maxPoolGradient': none,
  'deepend.dropout': none,
  'deepend.resizeBilinearGradient': none,
  'deepend.softmaxCrossEntropy': none,
  'deepend.weightedCrossEntropy': none,
  'deepend.recurrent': ({ inputs }) => product(inputs.projected) * (inputs.weightHh?.at(-1) ?? 1),
  'deepend.recurrentGradient': none,
  'deepend.layerNorm': none,
  'deepend.layerNormGradient': none,
  'deepend.embeddingGradient': none,
  'deepend.attention': attention,
  'deepend.attentionGradient': none,
  'deepend.selfAttention': selfAttention,
  'deepend.selfAttentionGradient': none,
  'deepend.linear': (call) => firstOutput(call) * (call.inputs.x?.at(-1) ?? 1),
  'deepend.curve': none,
  'deepend.curveGradient': none,
  'deepend.update': none,
};

const COSTS: Readonly<Record<string, Cost>> = {
  ...FUSED,
  BatchMatMul: matMul,
  _FusedMatMul: matMul,
  Conv2D: convolution,
  FusedConv2D: convolution,
  Conv2DBackpropInput: transposed,
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2D: depthwise,
  Conv3D: (call) => firstOutput(call) * product(call.inputs.filter?.slice(0, 4)),
};

/** The method that every operation of TensorFlow.js goes through. */
interface Engine {
  runKernel(
    name: string,
    inputs: tf.NamedTensorMap,
    attrs?: tf.NamedAttrMap,
  ): tf.Tensor | tf.Tensor[];
}

/**
 * Runs `work`, and calls `count` with the multiply-accumulates of each kernel that multiplies
 * matrices or convolves. Elementwise operations count as none, as in torchinfo.
 */
export function watchMacs<T>(work: () => T, count: (macs: number) => void): T {
  const engine = tf.engine() as unknown as Engine;
  const { runKernel } = engine;
  const shapes = (tensors: tf.NamedTensorMap) =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [
        name,
        tensor?.shape as number[] | undefined,
      ]),
    );
  engine.runKernel = function watched(name, inputs, attrs = {}) {
    const result = runKernel.call(this, name, inputs, attrs);
    const outputs = [result].flat().map(({ shape }) => shape);
    count(COSTS[name]?.({ inputs: shapes(inputs), outputs, attrs }) ?? 0);
    return result;
  };
  try {
    return work();
  } finally {
    if (Object.getPrototypeOf(engine).runKernel === runKernel)
      Reflect.deleteProperty(engine, 'runKernel');
    else engine.runKernel = runKernel;
  }
}

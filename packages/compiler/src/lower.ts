/** Lowers layers to operations: one row per layer class. */
import type * as tfl from '@tensorflow/tfjs-layers';
import type { Graph, LayerCall, Value } from './graph';
import { batchNorm } from './ops/batch-norm';
import { conv2d } from './ops/conv';
import { convTranspose2d } from './ops/conv-transpose';
import { CURVE_NAMES, curved } from './ops/curves';
import { depthwiseConv2d } from './ops/depthwise';
import { dropout, dropSamples } from './ops/dropout';
import { layer as anyLayer } from './ops/layer';
import { layerNorm } from './ops/layer-norm';
import { averagePool, maxPool } from './ops/pool';
import {
  activation,
  add,
  concat,
  dense,
  globalAveragePool,
  isActivation,
  multiply,
  pad,
  padChannels,
  reshape,
} from './ops/simple';
import { NO_PADDING } from './primitives';
import type { FinalActivation, Operation, OperationKind, Parameter } from './program';
import { refuseUnsupported } from './refusals';

/** A layer's configuration as tfjs serializes it. */
// biome-ignore lint/suspicious/noExplicitAny: every class has other fields
type Config = Record<string, any>;

/** The kind and attributes of a layer's operation; null when the layer does nothing. */
type Lowered = Pick<Operation, 'kind' | 'attrs'> | null;
const row = <A>(kind: OperationKind<A>, attrs: A): Lowered => ({
  // biome-ignore lint/suspicious/noExplicitAny: rows of many operations
  kind: kind as OperationKind<any>,
  attrs,
});

const pair = (value: number | number[]): [number, number] =>
  Array.isArray(value) ? [value[0] ?? 1, value[1] ?? 1] : [value, value];
const image = (value: Value): [number, number] => [value.shape[1] ?? 0, value.shape[2] ?? 0];
const inner = (value: Value): number[] => value.shape.slice(1).map((size) => size ?? -1);
const explicit = (padding: string) => (padding === 'same' ? ('same' as const) : NO_PADDING);
const convolution = ({ strides, dilationRate, padding }: Config) => ({
  strides: pair(strides),
  dilations: pair(dilationRate ?? 1),
  padding: explicit(padding),
});
const pool = (config: Config) => ({
  size: pair(config.poolSize),
  strides: pair(config.strides ?? config.poolSize),
  padding: config.padding,
});

/** A row returns undefined when the layer needs tfjs's own gradient. */
const LOWERINGS: Record<string, (config: Config, call: LayerCall) => Lowered | undefined> = {
  Conv2D: (c) =>
    row(conv2d, {
      ...convolution(c),
      relu: false,
      ...(c.groups !== undefined && { groups: c.groups }),
    }),
  Conv2DTranspose: (c, { output }) => {
    const [height, width, channels] = inner(output) as [number, number, number];
    if (pair(c.dilationRate ?? 1).some((rate) => rate !== 1) || height < 0 || width < 0)
      return undefined;
    return row(convTranspose2d, {
      strides: pair(c.strides),
      shape: [height, width, channels] as const,
      padding: explicit(c.padding),
    });
  },
  DepthwiseConv2D: (c, { layer }) => {
    const attrs = convolution(c);
    if (attrs.dilations.every((rate) => rate === 1)) return row(depthwiseConv2d, attrs);
    throw new Error(
      `${where(layer)}: TensorFlow.js's own layer ignores dilationRate ` +
        `[${attrs.dilations.join(', ')}]; leave it out, or use Conv2D`,
    );
  },
  Dense: (_, { inputs: [x] }) =>
    (x?.shape.length ?? 0) >= 2 ? row(dense, { relu: false }) : undefined,
  BatchNormalization: (c, { layer, inputs: [x] }) => {
    const { axis, epsilon, momentum, scale, center } = c;
    if (axis !== -1 && axis !== (x?.shape.length ?? 0) - 1) return undefined;
    return row(batchNorm, {
      epsilon,
      momentum,
      scale,
      center,
      frozen: isFrozen(layer, c),
      relu: false,
      residual: false,
    });
  },
  LayerNormalization: ({ axis, epsilon, scale, center }, { inputs: [x] }) => {
    const last = (x?.shape.length ?? 0) - 1;
    const axes = [axis].flat() as number[];
    const isLast = axes.length === 1 && [-1, last].includes(axes[0] as number);
    return isLast && x?.shape[last] ? row(layerNorm, { epsilon, scale, center }) : undefined;
  },
  Activation: ({ activation: name }) => {
    if (name === 'linear') return null;
    if (isActivation(name)) return row(activation, { name });
    const curve = Object.hasOwn(CURVE_NAMES, name) ? CURVE_NAMES[name] : undefined;
    return curve && row(curved, { name: curve });
  },
  ReLU: ({ maxValue }) =>
    maxValue == null || maxValue === 6
      ? row(activation, { name: maxValue === 6 ? 'relu6' : 'relu' })
      : undefined,
  Add: (_, { inputs, output }) =>
    inputs.every((x) => sameShape(x, output)) ? row(add, { relu: false }) : undefined,
  Multiply: (_, { inputs, output }) =>
    inputs.length === 2 && inputs.every((x) => sameShape(x, output) || isGate(x, output))
      ? row(multiply, {})
      : undefined,
  ZeroPadding2D: ({ padding: [[top, bottom], [left, right]] }) =>
    row(pad, { top, bottom, left, right }),
  MaxPooling2D: (c) => row(maxPool, pool(c)),
  AveragePooling2D: (c) => row(averagePool, pool(c)),
  GlobalAveragePooling2D: (_, { inputs: [x] }) => {
    const [height, width] = image(x as Value);
    return row(globalAveragePool, { height, width });
  },
  Flatten: (_, { inputs: [x], output }) =>
    row(reshape, { from: inner(x as Value), to: inner(output) }),
  Reshape: (_, { inputs: [x], output }) =>
    row(reshape, { from: inner(x as Value), to: inner(output) }),
  Dropout: ({ rate, noiseShape }, { layer }) => {
    if (!noiseShape) return row(dropout, { rate });
    const [samples, ...others] = noiseShape as (number | null)[];
    if (samples === null && others.every((size) => size === 1)) return row(dropSamples, { rate });
    throw new Error(
      `${where(layer)}: expected noiseShape [null, 1, 1, 1], for one draw per sample, got ` +
        `[${noiseShape.map(String).join(', ')}]; leave it out for one draw per number`,
    );
  },
  Concatenate: ({ axis }, { inputs, output }) =>
    axis === -1 || axis === output.shape.length - 1
      ? row(concat, { sizes: inputs.map((x) => x.shape.at(-1) ?? 0) })
      : undefined,
};

/**
 * `channelsFirst` on a channels-last image: padding of rows and columns hits columns and channels.
 */
const CHANNELS_FIRST: typeof LOWERINGS = {
  ZeroPadding2D: ({ padding: [width, channels] }) => row(padChannels, { width, channels }),
};

/** Frozen by itself, or with the whole model, which leaves the layer's own flag unchanged. */
const isFrozen = (layer: tfl.layers.Layer, { scale, center }: Config) =>
  !layer.trainable || ((scale || center) && layer.trainableWeights.length === 0);

/**
 * What a layer class that TensorFlow.js does not have says of itself, in its static property
 * `customLayer`. A property of the class, not a registry: ES and CommonJS copies of this package
 * read the same one.
 */
export interface CustomLayer {
  /** The stock class whose lowering applies. The layer's configuration has that class's fields. */
  readonly lowersLike?: string;
  /** URL of the module that registers the class; workers of data-parallel training import it. */
  readonly module?: string;
}

/** The static property `customLayer` of a layer's class; undefined for stock classes. */
export const findCustomLayer = (layer: tfl.layers.Layer): CustomLayer | undefined =>
  (layer.constructor as { readonly customLayer?: CustomLayer }).customLayer;

const isGate = ({ shape }: Value, image: Value) =>
  shape.length === 4 &&
  shape[1] === 1 &&
  shape[2] === 1 &&
  [0, 3].every((axis) => shape[axis] === image.shape[axis]);
const sameShape = (a: Value, b: Value) =>
  a.shape.length === b.shape.length && a.shape.every((size, i) => size === b.shape[i]);

/** A model as operations, up to `logits`. */
export interface Program {
  readonly input: Value;
  /** The model's output before its final activation. */
  readonly logits: Value;
  /** Turns logits into the model's output; no operation computes it. Undefined when they are it. */
  readonly finalActivation: FinalActivation | undefined;
  readonly operations: readonly Operation[];
}

/**
 * Turns each layer call into operations. A softmax or sigmoid at the very end is no operation: a
 * cross-entropy takes the logits, and for every other loss the plan applies it.
 */
export function lower(graph: Graph): Program {
  let logits = graph.output;
  let finalActivation: FinalActivation | undefined;
  const alias = new Map<number, Value>();
  const resolve = (value: Value): Value => alias.get(value.id) ?? value;
  let ids = Math.max(graph.input.id, ...graph.calls.map((call) => call.output.id)) + 1;
  const operations: Operation[] = [];
  for (const call of graph.calls) {
    const { layer, output } = call;
    const inputs = call.inputs.map(resolve);
    const config = layer.getConfig() as Config;
    refuseUnsupported(layer, inputs.length);
    const last = output.id === graph.output.id;
    const fused = config.activation;
    const className = findCustomLayer(layer)?.lowersLike ?? layer.getClassName();
    const emit = (
      lowered: NonNullable<Lowered>,
      from: readonly Value[],
      to: Value,
      params: readonly Parameter[],
    ) => operations.push({ ...lowered, inputs: from, output: to, params, layers: [layer.name] });

    const ending = last ? endingOf(className, config, output) : undefined;
    if (ending) finalActivation = ending;
    const rows = config.dataFormat === 'channelsFirst' ? CHANNELS_FIRST : LOWERINGS;
    const isOnlyEnding = ending && (className === 'Activation' || className === 'Softmax');
    const lowered = isOnlyEnding ? null : rows[className]?.(config, { ...call, inputs });
    const splits =
      ['Conv2D', 'Conv2DTranspose', 'DepthwiseConv2D', 'Dense'].includes(className) &&
      fused &&
      fused !== 'linear';
    if (lowered === null) alias.set(output.id, inputs[0] as Value);
    else if (lowered && !splits) emit(lowered, inputs, output, parametersOf(layer));
    else if (lowered && ending) emit(lowered, inputs, output, parametersOf(layer));
    else if (lowered && isActivation(fused)) {
      const linear: Value = { id: ids++, shape: output.shape };
      emit(lowered, inputs, linear, parametersOf(layer));
      emit(row(activation, { name: fused }) as NonNullable<Lowered>, [linear], output, []);
    } else emit(row(anyLayer, layer) as NonNullable<Lowered>, inputs, output, parametersOf(layer));
    if (last) logits = resolve(output);
  }
  return { input: graph.input, logits, finalActivation, operations };
}

/** The activation with which a model's last layer ends, if a loss may look through it. */
function endingOf(
  className: string,
  config: Config,
  { shape }: Value,
): FinalActivation | undefined {
  if (shape.length !== 2) return undefined;
  if (className === 'Softmax') {
    const axis = (config.axis as number | undefined) ?? -1;
    return axis === -1 || axis === 1 ? 'softmax' : undefined;
  }
  if (!['Activation', 'Dense'].includes(className)) return undefined;
  const { activation: name } = config;
  return name === 'softmax' || name === 'sigmoid' ? name : undefined;
}

const where = (layer: tfl.layers.Layer) =>
  `[compiler] layer '${layer.name}' (${layer.getClassName()})`;

function parametersOf(layer: tfl.layers.Layer): Parameter[] {
  return layer.weights.map((layerVariable) => ({
    name: layerVariable.originalName,
    shape: layerVariable.shape.map((size) => size ?? 1),
    trainable: layer.trainable && layer.trainableWeights.includes(layerVariable),
    // LayerVariable.read() returns this variable, typed as a tensor.
    variable: layerVariable.read() as Parameter['variable'],
  }));
}

/** The rows of the tables of layers, and helpers that they share. */
import type { layers, Shape } from '@tensorflow/tfjs-layers';
import { range } from '../axes';
import type { OnnxGraph } from '../graph';
import { channelsSecond, inOrder, padded, type Value } from '../value';

/**
 * A layer's configuration as TensorFlow.js serializes it; each row knows the fields of its class.
 */
// biome-ignore lint/suspicious/noExplicitAny: every class has other fields
export type Config = Record<string, any>;

/** One call of a layer. */
export interface Call {
  readonly layer: layers.Layer;
  readonly config: Config;
  readonly inputs: readonly Value[];
  /** Shape of the output in TensorFlow.js. */
  readonly shape: Shape;
  /** Name of the layer in the file. */
  readonly name: string;
}

/** The value that a row returns; its shape is computed by the layer. */
export type Emitted = Omit<Value, 'shape'>;

export interface Row {
  /** Adds the layer's nodes. */
  readonly emit: (call: Call, graph: OnnxGraph) => Emitted;
  /**
   * The pending records of its inputs that the row handles itself; nodes before it resolve the
   * others.
   */
  readonly takes?: readonly ('padding' | 'row')[];
}

export type Rows = Readonly<Record<string, Row>>;

/** The input of a layer that has only one. */
export const only = ({ inputs }: Call): Value => inputs[0] as Value;

/** The axis of the channels in TensorFlow.js's shape. */
export const channelAxis = ({ dataFormat }: Config, rank: number): number =>
  dataFormat === 'channelsFirst' ? 1 : rank - 1;

/**
 * A layer's input image in ONNX's order, [batch, channels, ...]. Pending zeros stay pending, except
 * channels of zeros.
 */
export function imageOf(graph: OnnxGraph, call: Call): Value {
  const x = only(call);
  const rank = x.shape.length;
  const channels = channelAxis(call.config, rank);
  const image = x.padding?.[channels]?.some((count) => count > 0) ? padded(graph, x) : x;
  return inOrder(graph, image, channelsSecond(rank, channels));
}

/** One number for each axis of the image, from a number or a list. */
export const each = (
  value: number | readonly number[] | null | undefined,
  count: number,
  otherwise = 1,
): number[] =>
  Array.isArray(value) && value.length === count
    ? [...value]
    : range(count).map(() => [value].flat()[0] ?? otherwise);

/** Transposes all inputs to the order of the first. */
export const alike = (graph: OnnxGraph, [first, ...others]: readonly Value[]): Value[] =>
  first ? [first, ...others.map((other) => inOrder(graph, other, first.order))] : [];

/** What a row of the tables of layers is. */
import type { layers, Shape } from '@tensorflow/tfjs-layers';
import { range } from '../axes';
import type { OnnxGraph } from '../graph';
import { channelsSecond, inOrder, padded, type Value } from '../value';

/**
 * A layer's configuration as TensorFlow.js serializes it; each row knows what its class writes
 * there.
 */
// biome-ignore lint/suspicious/noExplicitAny: every class has other fields
export type Config = Record<string, any>;

/** One call of a layer. */
export interface Call {
  readonly layer: layers.Layer;
  readonly config: Config;
  readonly inputs: readonly Value[];
  /** Of the output, as TensorFlow.js has it. */
  readonly shape: Shape;
  /** The layer's in the file. */
  readonly name: string;
}

/** A value but for what is known of it without its layer. */
export type Emitted = Omit<Value, 'shape'>;

export interface Row {
  /** Adds the layer's nodes. */
  readonly emit: (call: Call, graph: OnnxGraph) => Emitted;
  /** What the row takes as it is; all else is settled by nodes before it. */
  readonly takes?: readonly ('padding' | 'row')[];
}

export type Rows = Readonly<Record<string, Row>>;

/** The only input of a layer that has one. */
export const only = ({ inputs }: Call): Value => inputs[0] as Value;

/** Where the channels are in TensorFlow.js's shape. */
export const channelAxis = ({ dataFormat }: Config, rank: number): number =>
  dataFormat === 'channelsFirst' ? 1 : rank - 1;

/**
 * A layer's image as ONNX has it: [batch, channels, ...]. Zeros around it wait on, but no channels
 * of zeros.
 */
export function imageOf(graph: OnnxGraph, call: Call): Value {
  const x = only(call);
  const rank = x.shape.length;
  const channels = channelAxis(call.config, rank);
  const image = x.padding?.[channels]?.some((count) => count > 0) ? padded(graph, x) : x;
  return inOrder(graph, image, channelsSecond(rank, channels));
}

/** A number for each axis of the image, from one number or a list. */
export const each = (
  value: number | readonly number[] | null | undefined,
  count: number,
  otherwise = 1,
): number[] =>
  Array.isArray(value) && value.length === count
    ? [...value]
    : range(count).map(() => [value].flat()[0] ?? otherwise);

/** Inputs that lie alike: in the order of the first. */
export const alike = (graph: OnnxGraph, [first, ...others]: readonly Value[]): Value[] =>
  first ? [first, ...others.map((other) => inOrder(graph, other, first.order))] : [];

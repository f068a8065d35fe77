/**
 * The conversion of one layer call to nodes of a TensorFlow graph: helpers that the rows of the
 * layer table share.
 */
import type { layers } from '@tensorflow/tfjs-layers';
import { type Call, nameOf, weightKind } from '../flat-graph';
import { type GraphDef, integers, text } from './graph-def';

/** Numbers that are stored in the weight files. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly values: () => Promise<Float32Array>;
}

export interface GraphCall extends Call {
  readonly graph: GraphDef;
  /** The layer's name in the graph. */
  readonly name: string;
  /** The nodes that compute the call's inputs. */
  readonly from: readonly string[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Returns the constant that holds some numbers of the layer; all its calls share it. */
  readonly constant: (kind: string, numbers: Numbers) => string;
  readonly refuse: (expected: string, got: unknown) => never;
}

/** Adds a call to the graph and returns the node of its output. */
export type Row = (call: GraphCall) => string;

export const first = ({ from }: GraphCall): string => from[0] as string;
export const INT32 = { type: 'DT_INT32' };
export const NHWC = text('NHWC');

/** Finds a layer's weight of a kind; undefined where it has none. */
export const weightOf = (layer: layers.Layer, kind: string) =>
  layer.weights.find((weight) => weightKind(weight) === kind);

export const readWeight = async (
  layer: layers.Layer,
  kind: string,
): Promise<Float32Array | undefined> =>
  (await weightOf(layer, kind)?.read().data()) as Float32Array | undefined;

/** Returns the constant of a weight of the layer. */
export function weight({ layer, constant, refuse }: GraphCall, kind: string): string {
  const found = weightOf(layer, kind);
  if (!found)
    return refuse(`a weight '${kind}'`, layer.weights.map(weightKind).join(', ') || 'none');
  return constant(kind, {
    shape: found.shape as number[],
    values: async () => (await found.read().data()) as Float32Array,
  });
}

/**
 * Attributes of an operation on windows of an image: its padding, and each of `sizes` as [1,
 * height, width, 1].
 */
export function windows(call: GraphCall, sizes: Readonly<Record<string, unknown>> = {}) {
  channelsLast(call);
  const pair = ([height = 1, width = 1]: readonly number[]) => integers([1, height, width, 1]);
  const attributes = Object.entries(sizes).map(([name, size]) => [name, pair(size as number[])]);
  const { padding = 'valid' } = call.config;
  return {
    padding: text(String(padding).toUpperCase()),
    data_format: NHWC,
    ...Object.fromEntries(attributes),
  };
}

export function channelsLast({ config: { dataFormat = 'channelsLast' }, refuse }: GraphCall): void {
  if (dataFormat !== 'channelsLast') refuse("dataFormat 'channelsLast'", dataFormat);
}

export const isLastAxis = (axis: number, rank: number): boolean =>
  (axis + rank) % rank === rank - 1;

/** The output's shape with −1 for the batch; refuses other unknown sizes. */
export function sizesOf({ refuse, output }: GraphCall): number[] {
  const [, ...sizes] = output.shape;
  if (sizes.some((size) => size === null))
    return refuse('known sizes except for the batch', `[${['batch', ...sizes].join(', ')}]`);
  return [-1, ...(sizes as number[])];
}

export function reshaped(
  { graph, name }: GraphCall,
  from: string,
  shape: readonly number[],
): string {
  return graph.node('Reshape', [from, graph.integers(`${name}/shape`, shape)], {
    name: `${name}/Reshape`,
    Tshape: INT32,
  });
}

export const refusal =
  (layer: layers.Layer, where: string) =>
  (expected: string, got: unknown): never => {
    throw new Error(
      `${where}: ${nameOf(layer)}: expected ${expected}, got ${got}; export the model in the ` +
        `format 'layers'`,
    );
  };

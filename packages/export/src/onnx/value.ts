/**
 * Values of the ONNX graph, with their memory layout. TensorFlow.js's images are [batch, height,
 * width, channels] and ONNX's are [batch, channels, height, width]. A value records the order of
 * its axes in the file, and a Transpose is added only where a layer needs another order. So
 * opposite transpositions cancel, and a `Permute` only changes the record. The zeros around an
 * image and the order of a flattened image are recorded in the same way until a layer needs them.
 */
import type { Shape } from '@tensorflow/tfjs-layers';
import { liesTheSame, range, sameList } from './axes';
import type { OnnxGraph } from './graph';

export interface Value {
  readonly name: string;
  /** The shape in TensorFlow.js, the batch first; null is unknown. */
  readonly shape: Shape;
  /** Axis i in the file is axis `order[i]` of `shape`. */
  readonly order: readonly number[];
  /** For a flattened image: its sizes, and the order of its axes where that is not 0, 1, 2. */
  readonly row?: Row | undefined;
  /**
   * Zeros around the image that no node has added yet, by the axes of `shape`, which includes them.
   */
  readonly padding?: Padding | undefined;
  /** Whether no number can be negative: then zeros around the image do not change a maximum. */
  readonly nonNegative?: boolean | undefined;
}

export interface Row {
  readonly sizes: readonly number[];
  readonly order: readonly number[];
}

export type Padding = readonly (readonly [before: number, after: number])[];

/** The order of axes of ONNX's images, for TensorFlow.js's with the channels at `axis`. */
export const channelsSecond = (rank: number, axis: number): number[] => [
  0,
  ...(axis > 0 ? [axis] : []),
  ...range(rank).filter((one) => one !== 0 && one !== axis),
];

/** The shape in the file. */
const stored = ({ shape, order }: Pick<Value, 'shape' | 'order'>) =>
  order.map((axis) => shape[axis] ?? null);

/** The shape without pending zeros. */
const bare = ({ shape, padding }: Value): Shape =>
  padding ? shape.map((size, axis) => (size === null ? null : size - sum(padding[axis]))) : shape;
const sum = (ends: readonly [number, number] = [0, 0]) => ends[0] + ends[1];

/** Transposes a value to another order of axes; pending zeros stay pending. */
export function inOrder(graph: OnnxGraph, value: Value, order: readonly number[]): Value {
  if (sameList(value.order, order)) return value;
  const shape = bare(value);
  if (liesTheSame(shape, value.order, order))
    return { ...reshaped(graph, { ...value, shape }, { shape, order }), ...waiting(value) };
  const perm = order.map((axis) => value.order.indexOf(axis));
  const name = graph.once(`${value.name} in order ${perm}`, () =>
    graph.node('Transpose', [value.name], { name: `${value.name}/Transpose`, perm }),
  );
  return { ...value, name, order };
}

/** Whether all sizes except the batch's are known. */
const isKnown = (shape: Shape) => shape.slice(1).every((size) => size !== null);

const waiting = ({ shape, padding }: Value) => ({ shape, padding });

/** Adds pending zeros and restores the order of a flattened image. */
export const settled = (graph: OnnxGraph, value: Value): Value =>
  unrolled(graph, padded(graph, value));

/** The value in TensorFlow.js's order of axes, with nothing pending. */
export const asItIs = (graph: OnnxGraph, value: Value): Value =>
  inOrder(graph, settled(graph, value), range(value.shape.length));

/** Adds the pending zeros around the image, if any. */
export function padded(graph: OnnxGraph, value: Value): Value {
  const { padding, order, name } = value;
  if (!padding) return value;
  const ends = ([0, 1] as const).flatMap((end) => order.map((axis) => padding[axis]?.[end] ?? 0));
  const made = graph.once(`${name} padded ${ends}`, () =>
    graph.node('Pad', [name, graph.integers(ends)], { name: `${name}/Pad`, mode: 'constant' }),
  );
  return { ...value, name: made, padding: undefined };
}

/** Restores TensorFlow.js's order of a flattened image. */
export function unrolled(graph: OnnxGraph, value: Value): Value {
  const { row, ...plain } = value;
  if (!row) return value;
  const shape = [value.shape[0] ?? null, ...row.sizes];
  const order = [0, ...row.order.map((axis) => axis + 1)];
  const image = reshaped(graph, plain, { shape, order });
  const turned = inOrder(graph, image, range(shape.length));
  return reshaped(graph, turned, { shape: value.shape, order: [0, 1] });
}

/**
 * Gives the same numbers in memory another shape.
 * @param to.name the node's name, where it is to have its layer's
 */
export function reshaped(
  graph: OnnxGraph,
  value: Value,
  to: { shape: Shape; order: readonly number[]; name?: string | undefined },
): Value {
  const [from, target] = [stored(value), stored(to)];
  const source = graph.once(`source of ${value.name}`, () => ({ name: value.name, sizes: from }));
  const result = (name: string): Value => ({
    name,
    shape: to.shape,
    order: to.order,
    nonNegative: value.nonNegative,
  });
  if (isKnown(target) && sameList(from, target)) return result(value.name);
  // Two reshapes cancel.
  if (isKnown(target) && sameList(source.sizes, target)) return result(source.name);
  const name = to.name ?? `${value.name}/Reshape`;
  const made = graph.once(`${source.name} reshaped ${target}`, () =>
    target.length === 2
      ? graph.node('Flatten', [source.name], { name, axis: 1 })
      : graph.node(
          'Reshape',
          [source.name, graph.integers([0, ...target.slice(1).map((size) => size ?? -1)])],
          { name },
        ),
  );
  graph.once(`source of ${made}`, () => source);
  return result(made);
}

/** Flattens an image without reordering its numbers. */
export function rolled(graph: OnnxGraph, value: Value, to: { shape: Shape; name?: string }): Value {
  const made = reshaped(graph, value, { ...to, order: [0, 1] });
  // TensorFlow.js flattens only known sizes.
  const sizes = value.shape.slice(1).map((size) => size ?? 1);
  const order = value.order.slice(1).map((axis) => axis - 1);
  return liesTheSame(sizes, order, range(sizes.length)) ? made : { ...made, row: { sizes, order } };
}

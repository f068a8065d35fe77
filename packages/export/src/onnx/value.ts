/**
 * Values on their way through the graph. TensorFlow.js's images are [batch, height, width,
 * channels] and ONNX's are [batch, channels, height,
 * width]. A value stays in the order in which its numbers lie, and remembers it; a node turns it
 * only where a layer needs another one. So
 * two turns that meet cost nothing, and a `Permute` is but a new note. Zeros around an image and
 * the order of a flattened one wait alike.
 */
import type { Shape } from '@tensorflow/tfjs-layers';
import { liesTheSame, range, sameList } from './axes';
import type { OnnxGraph } from './graph';

export interface Value {
  readonly name: string;
  /** As TensorFlow.js has it, the batch first; null is open. */
  readonly shape: Shape;
  /** Axis i in the file is axis `order[i]` of `shape`. */
  readonly order: readonly number[];
  /**
   * Of a row that was an image of these sizes: the order of the image's axes in it, where that is
   * not 0, 1, 2.
   */
  readonly row?: Row | undefined;
  /**
   * Zeros around the image that no node has added yet, by the axes of `shape`, which counts them.
   */
  readonly padding?: Padding | undefined;
  /** Certainly no number below 0: then zeros around it change no maximum. */
  readonly nonNegative?: boolean | undefined;
}

export interface Row {
  readonly sizes: readonly number[];
  readonly order: readonly number[];
}

export type Padding = readonly (readonly [before: number, after: number])[];

/** The order of ONNX's images, where TensorFlow.js has the channels at `axis`. */
export const channelsSecond = (rank: number, axis: number): number[] => [
  0,
  ...(axis > 0 ? [axis] : []),
  ...range(rank).filter((one) => one !== 0 && one !== axis),
];

/** The sizes in the file. */
const stored = ({ shape, order }: Pick<Value, 'shape' | 'order'>) =>
  order.map((axis) => shape[axis] ?? null);

/** Without the zeros that wait. */
const bare = ({ shape, padding }: Value): Shape =>
  padding ? shape.map((size, axis) => (size === null ? null : size - sum(padding[axis]))) : shape;
const sum = (ends: readonly [number, number] = [0, 0]) => ends[0] + ends[1];

/** The value with its axes in another order; zeros that wait go on waiting. */
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

/** Whether all sizes but the batch's are. */
const isKnown = (shape: Shape) => shape.slice(1).every((size) => size !== null);

const waiting = ({ shape, padding }: Value) => ({ shape, padding });

/** With nothing that waits. */
export const settled = (graph: OnnxGraph, value: Value): Value =>
  unrolled(graph, padded(graph, value));

/** The value in TensorFlow.js's own order, with nothing that waits. */
export const asItIs = (graph: OnnxGraph, value: Value): Value =>
  inOrder(graph, settled(graph, value), range(value.shape.length));

/** With the zeros around it, if any wait. */
export function padded(graph: OnnxGraph, value: Value): Value {
  const { padding, order, name } = value;
  if (!padding) return value;
  const ends = ([0, 1] as const).flatMap((end) => order.map((axis) => padding[axis]?.[end] ?? 0));
  const made = graph.once(`${name} padded ${ends}`, () =>
    graph.node('Pad', [name, graph.integers(ends)], { name: `${name}/Pad`, mode: 'constant' }),
  );
  return { ...value, name: made, padding: undefined };
}

/** A row with its numbers as TensorFlow.js has them. */
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
 * The same numbers as they lie, under another shape.
 * @param to.name the node's, where it is to have its layer's
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
  if (isKnown(target) && sameList(source.sizes, target)) return result(source.name); // there and back
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

/** An image as one row, its numbers as they lie. */
export function rolled(graph: OnnxGraph, value: Value, to: { shape: Shape; name?: string }): Value {
  const made = reshaped(graph, value, { ...to, order: [0, 1] });
  const sizes = value.shape.slice(1).map((size) => size ?? 1); // TensorFlow.js flattens no open sizes
  const order = value.order.slice(1).map((axis) => axis - 1);
  return liesTheSame(sizes, order, range(sizes.length)) ? made : { ...made, row: { sizes, order } };
}

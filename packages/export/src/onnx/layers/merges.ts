/** Layers that merge several values into one. */
import { range, sameList } from '../axes';
import type { OnnxGraph } from '../graph';
import { asItIs, unrolled, type Value } from '../value';
import { alike, type Call, type Emitted, type Row, type Rows } from './row';

/**
 * Brings the inputs to the same order and the same number of axes; flattened images of equal sizes
 * and orders stay as they are.
 */
function matched(graph: OnnxGraph, { inputs, shape }: Call): Value[] {
  const rank = shape.length;
  const deep = inputs.map((input) =>
    input.shape.length < rank ? expanded(graph, input, rank) : input,
  );
  const oneRow = deep.every(({ row }) => sameRow(row, deep[0]?.row));
  const full = deep.findIndex((input) => input.shape.join() === shape.join());
  const plain = oneRow ? deep : deep.map((input) => unrolled(graph, input));
  // The order of an input that is not broadcast decides: a broadcast input may fit several orders.
  const [first] = plain.slice(Math.max(full, 0));
  return alike(graph, [first as Value, ...plain]).slice(1);
}

const sameRow = (a: Value['row'], b: Value['row']) =>
  a === b ||
  (a !== undefined && b !== undefined && sameList(a.sizes, b.sizes) && sameList(a.order, b.order));

/** Inserts axes of size 1 after the batch, as TensorFlow.js does. */
function expanded(graph: OnnxGraph, value: Value, rank: number): Value {
  const x = asItIs(graph, value);
  const count = rank - x.shape.length;
  const axes = graph.integers(range(count).map((i) => i + 1));
  const name = graph.once(`${x.name} expanded ${count}`, () =>
    graph.node('Unsqueeze', [x.name, axes], { name: `${x.name}/Unsqueeze` }),
  );
  const [batch = null, ...sizes] = x.shape;
  return { name, shape: [batch, ...range(count).map(() => 1), ...sizes], order: range(rank) };
}

/** The merged value, with the order and the properties of its inputs. */
const like = (inputs: readonly Value[], name: string): Emitted => {
  const { order, row } = inputs[0] as Value;
  return { name, order, row, nonNegative: inputs.every(({ nonNegative }) => nonNegative === true) };
};

/** Operators of two values, applied in sequence. */
const pairwise = (op: 'Add' | 'Mul'): Row => ({
  takes: ['row'],
  emit(call, graph) {
    const inputs = matched(graph, call);
    const [first = '', ...others] = inputs.map(({ name }) => name);
    const last = others.length - 1;
    const made = others.reduce(
      (a, b, i) => graph.node(op, [a, b], { name: i === last ? call.name : `${call.name}/${op}` }),
      first,
    );
    return like(inputs, made);
  },
});

/** Operators of any number of values. */
const together = (op: 'Mean' | 'Max' | 'Min'): Row => ({
  takes: ['row'],
  emit(call, graph) {
    const inputs = matched(graph, call);
    return like(
      inputs,
      graph.node(
        op,
        inputs.map(({ name }) => name),
        { name: call.name },
      ),
    );
  },
});

const concatenate: Row = {
  emit(call, graph) {
    const { config, name, shape } = call;
    const inputs = alike(graph, call.inputs);
    const axis = config.axis < 0 ? config.axis + shape.length : config.axis;
    const place = inputs[0]?.order.indexOf(axis) ?? 0;
    return like(
      inputs,
      graph.node(
        'Concat',
        inputs.map((input) => input.name),
        { name, axis: place },
      ),
    );
  },
};

export const MERGE_LAYERS: Rows = {
  Add: pairwise('Add'),
  Multiply: pairwise('Mul'),
  Average: together('Mean'),
  Maximum: together('Max'),
  Minimum: together('Min'),
  Concatenate: concatenate,
};

/**
 * The order in which Keras lists a model's layers; the names of the weights' groups depend on it.
 */
import type { layers } from '@tensorflow/tfjs-layers';
import type { Call, FlatGraph, Value } from '../flat-graph';

/** A layer, or an input of the model, which is a layer in Keras. */
export type Operation = layers.Layer | Value;

/** One call of an operation. */
interface Node {
  readonly operation: Operation;
  readonly inputs: readonly Value[];
}

/**
 * The layers and inputs of a model in the order of `model.layers`: by depth, the farthest from the
 * outputs first, and within one depth in the order in which a depth-first search from the outputs
 * meets them. From keras/src/ops/function.py, map_graph, of 3.15.
 */
export function kerasOrder(graph: FlatGraph): Operation[] {
  const producers = producersOf(graph);
  const { finished, met } = search(graph.outputs, producers);
  const nodeDepths = new Map<Node, number>();
  const depths = new Map<Operation, number>();
  for (const node of finished.toReversed()) {
    // A layer that is called at several depths has the greatest of them.
    const depth = Math.max(nodeDepths.get(node) ?? 0, depths.get(node.operation) ?? 0);
    depths.set(node.operation, depth);
    for (const input of node.inputs) {
      const parent = producers.get(input) as Node;
      nodeDepths.set(parent, Math.max(depth + 1, nodeDepths.get(parent) ?? 0));
    }
  }
  // No output needs it.
  for (const input of graph.inputs.filter((one) => !depths.has(one))) depths.set(input, 0);
  const place = (operation: Operation) => met.get(operation) ?? -1;
  return [...depths.keys()].sort(
    (a, b) => (depths.get(b) ?? 0) - (depths.get(a) ?? 0) || place(a) - place(b),
  );
}

function producersOf({ inputs, calls }: FlatGraph): Map<Value, Node> {
  const nodeOf = ({ layer, inputs: given, output }: Call) =>
    [output, { operation: layer, inputs: given }] as const;
  return new Map<Value, Node>([
    ...inputs.map((input) => [input, { operation: input, inputs: [] }] as const),
    ...calls.map(nodeOf),
  ]);
}

/**
 * Searches depth first from the outputs. Returns the nodes in the order in which they were
 * finished, and for each operation its index in the order in which they were met.
 */
function search(
  outputs: readonly Value[],
  producers: ReadonlyMap<Value, Node>,
): { finished: Node[]; met: Map<Operation, number> } {
  const finished = new Set<Node>();
  const met = new Map<Operation, number>();
  const visit = (value: Value) => {
    const node = producers.get(value) as Node;
    if (finished.has(node)) return;
    if (!met.has(node.operation)) met.set(node.operation, met.size);
    node.inputs.forEach(visit);
    finished.add(node);
  };
  outputs.forEach(visit);
  return { finished: [...finished], met };
}

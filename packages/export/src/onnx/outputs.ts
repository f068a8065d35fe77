/** The end of a graph: names its outputs and removes unused nodes. */
import type { OnnxGraph } from './graph';
import type { OnnxNode } from './model-proto';
import type { Value } from './value';

/**
 * Renames the outputs to the names of their layers. An output that is also an input, or another
 * output, gets an Identity node, since ONNX requires a separate value for each.
 */
export function nameOutputs(
  graph: OnnxGraph,
  outputs: readonly Value[],
  { wanted, inputs }: { wanted: readonly string[]; inputs: readonly Value[] },
): Value[] {
  const fixed = new Set(inputs.map(({ name }) => name));
  const done: Value[] = [];
  const isDone = (name: string) => done.some((other) => other.name === name);
  for (const [i, value] of outputs.entries()) {
    const name = wanted[i] as string;
    const now = graph.renamed(value.name);
    const own =
      fixed.has(now) || isDone(now)
        ? graph.node('Identity', [now], { name: `${name}/Identity` })
        : now;
    const free = !fixed.has(name) && !graph.tensors.has(name) && !isDone(name);
    if (free && own !== name) graph.rename(own, name);
    done.push({ ...value, name: free ? name : own });
  }
  return done;
}

/** The nodes that the outputs depend on. */
export function withoutUnused(nodes: readonly OnnxNode[], outputs: readonly string[]): OnnxNode[] {
  const needed = new Set(outputs);
  const kept = [...nodes].reverse().filter(({ output, inputs }) => {
    if (!needed.has(output)) return false;
    for (const input of inputs) needed.add(input);
    return true;
  });
  return kept.reverse();
}

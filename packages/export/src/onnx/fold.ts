/**
 * Folds batch normalization into the convolution or linear layer before it, which saves a pass over
 * the image.
 */
import type { OnnxGraph } from './graph';
import type { OnnxNode, OnnxTensor } from './model-proto';

/** Operators whose second input, the kernel, has its outputs first. */
const LINEAR = ['Conv', 'Gemm'];

/**
 * The nodes with each BatchNormalization folded into the node before it, where that node is linear
 * and no other node uses its output or its kernel. The kernel is multiplied by γ/√(σ² + ε), and the
 * rest goes into the bias, which is added where there was none.
 */
export function foldBatchNorms(
  graph: OnnxGraph,
  nodes: readonly OnnxNode[],
  outputs: readonly string[],
): OnnxNode[] {
  const uses = new Map<string, number>(outputs.map((name) => [name, 1]));
  for (const name of nodes.flatMap(({ inputs }) => inputs))
    uses.set(name, (uses.get(name) ?? 0) + 1);
  const byOutput = new Map(nodes.map((node) => [node.output, node]));
  const folded = new Map<OnnxNode, OnnxNode | undefined>(); // undefined: removed
  for (const norm of nodes.filter(({ op }) => op === 'BatchNormalization')) {
    const linear = byOutput.get(norm.inputs[0] as string);
    const isOnlyUse =
      linear && [linear.output, ...linear.inputs.slice(1)].every((name) => uses.get(name) === 1);
    if (!isOnlyUse || !LINEAR.includes(linear.op)) continue;
    folded.set(linear, fold(graph, linear, norm));
    folded.set(norm, undefined);
  }
  return nodes.flatMap((node) => (folded.has(node) ? (folded.get(node) ?? []) : node));
}

function fold(graph: OnnxGraph, linear: OnnxNode, norm: OnnxNode): OnnxNode {
  const [x = '', kernelName = '', biasName] = linear.inputs;
  const kernel = graph.tensors.get(kernelName) as OnnxTensor;
  const bias = graph.tensors.get(biasName ?? '');
  const [gamma, beta, mean, variance] = norm.inputs
    .slice(1)
    .map((name) => graph.tensors.get(name) as OnnxTensor);
  const { float: epsilon } = norm.attributes.epsilon as { float: number };
  const numbers = async (tensor: OnnxTensor | undefined) =>
    (await tensor?.values()) as Float32Array;
  const scale = async () => {
    const [factors, spreads] = [await numbers(gamma), await numbers(variance)];
    return Float64Array.from(
      factors,
      (factor, i) => factor / Math.sqrt((spreads[i] as number) + epsilon),
    );
  };
  graph.tensors.set(kernelName, {
    ...kernel,
    values: async () => {
      const [values, scales] = [await numbers(kernel), await scale()];
      const count = values.length / scales.length; // numbers of one output
      scales.forEach((factor, output) => {
        for (let i = output * count; i < (output + 1) * count; i++)
          values[i] = (values[i] as number) * factor;
      });
      return values;
    },
  });
  const name = biasName ?? graph.unique(kernelName.replace(/weight$/, 'bias'));
  graph.tensors.set(name, {
    ...(beta as OnnxTensor),
    name,
    values: async () => {
      const [scales, shifts, means] = [await scale(), await numbers(beta), await numbers(mean)];
      const before = bias ? await numbers(bias) : new Float32Array(shifts.length);
      return shifts.map(
        (shift, i) =>
          shift + ((before[i] as number) - (means[i] as number)) * (scales[i] as number),
      );
    },
  });
  return { ...linear, inputs: [x, kernelName, name], output: norm.output };
}

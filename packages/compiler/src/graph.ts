/** Reads a `LayersModel` into a list of layer calls in the order of computation. */
import type * as tfl from '@tensorflow/tfjs-layers';

/** One tensor of the net's graph. Its shape's null is the batch. */
export interface Value {
  readonly id: number;
  readonly shape: readonly (number | null)[];
}

/** One use of one layer. */
export interface LayerCall {
  readonly layer: tfl.layers.Layer;
  readonly inputs: readonly Value[];
  readonly output: Value;
}

export interface Graph {
  readonly input: Value;
  readonly output: Value;
  readonly calls: readonly LayerCall[];
}

interface Container extends tfl.layers.Layer {
  inputs: tfl.SymbolicTensor[];
  outputs: tfl.SymbolicTensor[];
}

const isContainer = (layer: tfl.layers.Layer): layer is Container =>
  'layers' in layer && 'outputs' in layer;

/** Where a symbolic tensor comes from; tfjs's types hide these fields. */
interface Origin {
  sourceLayer: tfl.layers.Layer;
  nodeIndex: number;
  tensorIndex: number;
}

/**
 * Walks the net from its output to its input, through nets that are layers of it.
 * @throws Error when the net has several inputs or outputs, or a layer has several outputs
 */
export function readGraph(net: tfl.LayersModel): Graph {
  if (net.inputs.length !== 1 || net.outputs.length !== 1) {
    throw new Error(
      `[compiler] net '${net.name}': expected one input and one output, got ${net.inputs.length} and ${net.outputs.length}; ` +
        'train such a net with tfjs itself',
    );
  }
  const calls: LayerCall[] = [];
  let ids = 0;
  const value = (shape: readonly (number | null)[]): Value => ({ id: ids++, shape });

  const input = value((net.inputs[0] as tfl.SymbolicTensor).shape);
  const call = (layer: tfl.layers.Layer, inputs: Value[], tensor: tfl.SymbolicTensor): Value => {
    const output = value(tensor.shape);
    if (!Array.isArray(layer.outputShape[0])) calls.push({ layer, inputs, output });
    else
      throw new Error(
        `[compiler] layer '${layer.name}' (${layer.getClassName()}): expected one output, got ${layer.outputShape.length}`,
      );
    return output;
  };
  const output = resolve(
    net.outputs[0] as tfl.SymbolicTensor,
    new Map([[net.inputs[0] as tfl.SymbolicTensor, input]]),
    call,
  );
  return { input, output, calls };
}

/** The layer that stands for the net's only input. */
export const inputLayerOf = (net: tfl.LayersModel): tfl.layers.Layer =>
  (net.inputs[0] as unknown as Origin).sourceLayer;

/** The values of one net's symbolic tensors, as far as they are known. */
type Known = Map<tfl.SymbolicTensor, Value>;

/**
 * A tensor that waits for the layers before it; `inside`: the values of the net that makes it, once
 * its inputs are known.
 */
interface Pending {
  readonly tensor: tfl.SymbolicTensor;
  readonly known: Known;
  inside?: Known;
}

/**
 * The value of a tensor, after a call of every layer before it, inputs first. What waits stands in
 * a list: a net of thousands of layers
 * would overflow the stack of a function that calls itself.
 */
function resolve(
  last: tfl.SymbolicTensor,
  values: Known,
  call: (layer: tfl.layers.Layer, inputs: Value[], tensor: tfl.SymbolicTensor) => Value,
): Value {
  const waiting: Pending[] = [{ tensor: last, known: values }];
  for (let top = waiting.at(-1); top; top = waiting.at(-1)) {
    const { tensor, known } = top;
    const { sourceLayer: layer, nodeIndex } = tensor as unknown as Origin;
    const { inputTensors } = layer.inboundNodes[
      nodeIndex
    ] as tfl.layers.Layer['inboundNodes'][number];
    const before = known.has(tensor) ? undefined : inputTensors.find((input) => !known.has(input));
    if (before) waiting.push({ tensor: before, known });
    else if (known.has(tensor)) waiting.pop();
    else {
      const inputs = inputTensors.map((input) => known.get(input) as Value);
      if (isContainer(layer)) enter(top, layer, { inputs, waiting });
      else known.set(tensor, call(layer, inputs, tensor));
    }
  }
  return values.get(last) as Value;
}

/**
 * Goes into a net that is a layer: its output waits next, and when that is known, it is the
 * layer's.
 */
function enter(
  pending: Pending,
  container: Container,
  { inputs, waiting }: { inputs: Value[]; waiting: Pending[] },
): void {
  pending.inside ??= new Map(container.inputs.map((tensor, i) => [tensor, inputs[i] as Value]));
  const output = container.outputs[0] as tfl.SymbolicTensor;
  const found = pending.inside.get(output);
  if (found) pending.known.set(pending.tensor, found);
  else waiting.push({ tensor: output, known: pending.inside });
}

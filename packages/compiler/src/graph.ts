/** Reads a `LayersModel` into a list of layer calls in the order of computation. */
import type * as tfl from '@tensorflow/tfjs-layers';
import { NotCompilable } from './refusals';

/** One tensor of the model's graph. A null in its shape is the batch. */
export interface Value {
  readonly id: number;
  readonly shape: readonly (number | null)[];
}

/** One call of one layer. */
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

/** The origin of a symbolic tensor; tfjs's types hide these fields. */
interface Origin {
  sourceLayer: tfl.layers.Layer;
  nodeIndex: number;
  tensorIndex: number;
}

/**
 * Walks a model from its output to its input, through models that are its layers.
 * @throws Error when the model has several inputs or outputs, or a layer has several outputs
 */
export function readGraph(model: tfl.LayersModel): Graph {
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new NotCompilable(
      `[compiler] model '${model.name}': expected one input and one output, got ` +
        `${model.inputs.length} and ${model.outputs.length}; train() computes it on the tape`,
    );
  }
  const calls: LayerCall[] = [];
  let ids = 0;
  const value = (shape: readonly (number | null)[]): Value => ({ id: ids++, shape });

  const input = value((model.inputs[0] as tfl.SymbolicTensor).shape);
  const call = (layer: tfl.layers.Layer, inputs: Value[], tensor: tfl.SymbolicTensor): Value => {
    const output = value(tensor.shape);
    if (!Array.isArray(layer.outputShape[0])) calls.push({ layer, inputs, output });
    else
      throw new NotCompilable(
        `[compiler] layer '${layer.name}' (${layer.getClassName()}): expected one output, got ` +
          `${layer.outputShape.length}`,
      );
    return output;
  };
  const output = visit(
    model.outputs[0] as tfl.SymbolicTensor,
    new Map([[model.inputs[0] as tfl.SymbolicTensor, input]]),
    call,
  );
  return { input, output, calls };
}

/** The input layer of a model with one input. */
export const inputLayerOf = (model: tfl.LayersModel): tfl.layers.Layer =>
  (model.inputs[0] as unknown as Origin).sourceLayer;

/** The values of one model's symbolic tensors that have been visited. */
type Known = Map<tfl.SymbolicTensor, Value>;

/** A tensor that waits for the layers before it. */
interface Pending {
  readonly tensor: tfl.SymbolicTensor;
  readonly known: Known;
  /** The values of the inner model that computes it, once its inputs are known. */
  inside?: Known;
}

/**
 * Calls every layer before a tensor, inputs first, and returns the tensor's value. It keeps an
 * explicit stack: recursion would overflow on a model of thousands of layers.
 */
function visit(
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

/** Enters a model that is a layer: the inner output is visited next, and is the layer's output. */
function enter(
  pending: Pending,
  container: Container,
  { inputs, waiting }: { inputs: Value[]; waiting: Pending[] },
): void {
  pending.inside ??= new Map(container.inputs.map((tensor, i) => [tensor, inputs[i] as Value]));
  const { tensorIndex } = pending.tensor as unknown as Origin;
  const output = container.outputs[tensorIndex] as tfl.SymbolicTensor;
  const found = pending.inside.get(output);
  if (found) pending.known.set(pending.tensor, found);
  else waiting.push({ tensor: output, known: pending.inside });
}

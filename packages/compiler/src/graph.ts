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

const isContainer = (layer: tfl.layers.Layer): layer is Container => 'layers' in layer && 'outputs' in layer;

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
  const resolveIn = (known: Map<tfl.SymbolicTensor, Value>) => {
    const resolve = (tensor: tfl.SymbolicTensor): Value => {
      const found = known.get(tensor);
      if (found) return found;
      const { sourceLayer: layer, nodeIndex } = tensor as unknown as Origin;
      const node = layer.inboundNodes[nodeIndex] as tfl.layers.Layer['inboundNodes'][number];
      const inputs = node.inputTensors.map(resolve);
      const result = isContainer(layer) ? inside(layer, inputs) : call(layer, inputs, tensor);
      known.set(tensor, result);
      return result;
    };
    return resolve;
  };
  const call = (layer: tfl.layers.Layer, inputs: Value[], tensor: tfl.SymbolicTensor): Value => {
    const output = value(tensor.shape);
    if (!Array.isArray(layer.outputShape[0])) calls.push({ layer, inputs, output });
    else
      throw new Error(
        `[compiler] layer '${layer.name}' (${layer.getClassName()}): expected one output, got ${layer.outputShape.length}`,
      );
    return output;
  };
  const inside = (container: Container, inputs: Value[]): Value => {
    const known = new Map(container.inputs.map((tensor, i) => [tensor, inputs[i] as Value]));
    return resolveIn(known)(container.outputs[0] as tfl.SymbolicTensor);
  };
  const output = resolveIn(new Map([[net.inputs[0] as tfl.SymbolicTensor, input]]))(net.outputs[0] as tfl.SymbolicTensor);
  return { input, output, calls };
}

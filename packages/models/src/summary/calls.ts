/**
 * The layers of a model as they are used: what its summary, its arithmetic and transfer learning
 * read.
 */
import type * as tfl from '@tensorflow/tfjs-layers';

/** One use of one layer. */
export interface LayerCall {
  readonly layer: tfl.layers.Layer;
  readonly inputs: readonly tfl.SymbolicTensor[];
  readonly output: tfl.SymbolicTensor;
}

/** tfjs's graph, which its types leave out. */
export interface Container extends tfl.layers.Layer {
  readonly nodesByDepth: Readonly<Record<string, readonly Node[]>>;
}

interface Node {
  readonly outboundLayer: tfl.layers.Layer;
  readonly inputTensors: readonly tfl.SymbolicTensor[];
  readonly outputTensors: readonly tfl.SymbolicTensor[];
}

export const isContainer = (layer: tfl.layers.Layer): layer is Container => 'nodesByDepth' in layer;
export const isInput = (layer: tfl.layers.Layer): boolean => layer.getClassName() === 'InputLayer';

/**
 * Every use of a layer in the order of computation, inputs first; of a model inside the model its
 * layers.
 */
export function layerCalls(net: tfl.LayersModel): LayerCall[] {
  return nodesOf(net).flatMap(({ outboundLayer: layer, inputTensors, outputTensors }) => {
    if (isContainer(layer))
      return layerCalls(layer as unknown as tfl.LayersModel).filter((call) => !isInput(call.layer));
    const output = outputTensors[0] as tfl.SymbolicTensor;
    return [{ layer, inputs: isInput(layer) ? [] : inputTensors, output }];
  });
}

/** The model's own layers alone, each use of one; a model inside the model is one of them. */
export function ownCalls(net: tfl.LayersModel): LayerCall[] {
  return nodesOf(net).map(({ outboundLayer: layer, inputTensors, outputTensors }) => ({
    layer,
    inputs: isInput(layer) ? [] : inputTensors,
    output: outputTensors[0] as tfl.SymbolicTensor,
  }));
}

/** A model's calls of its own layers. The deeper a node, the earlier it is computed. */
export function nodesOf(net: tfl.LayersModel | Container): Node[] {
  const container = net as unknown as Container;
  if (!container.built) container.build([]); // a Sequential joins its layers only then, and asks for no shape
  const { nodesByDepth } = container;
  const depths = Object.keys(nodesByDepth)
    .map(Number)
    .sort((a, b) => b - a);
  return depths.flatMap((depth) => nodesByDepth[depth] ?? []);
}

/** Every layer once, those of models inside the model too. */
export const allLayers = (net: tfl.LayersModel): tfl.layers.Layer[] => [
  ...new Set(layerCalls(net).map(({ layer }) => layer)),
];

/** A layer that computes a constant linear map; its numbers are no parameters and never learn. */
export const isFixed = ({ name }: tfl.layers.Layer): boolean => name.endsWith('_fixed');

/** The calls of a model's layers, for summaries, arithmetic and transfer learning. */
import type * as tfl from '@tensorflow/tfjs-layers';

/** One call of one layer. */
export interface LayerCall {
  readonly layer: tfl.layers.Layer;
  readonly inputs: readonly tfl.SymbolicTensor[];
  readonly output: tfl.SymbolicTensor;
}

/** A tfjs container with its graph, which tfjs's types omit. */
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
 * Every call of a layer in the order of computation, inputs first. A model inside the model is
 * replaced by the calls of its layers.
 */
export function layerCalls(model: tfl.LayersModel): LayerCall[] {
  return nodesOf(model).flatMap(({ outboundLayer: layer, inputTensors, outputTensors }) => {
    if (isContainer(layer))
      return layerCalls(layer as unknown as tfl.LayersModel).filter((call) => !isInput(call.layer));
    const output = outputTensors[0] as tfl.SymbolicTensor;
    return [{ layer, inputs: isInput(layer) ? [] : inputTensors, output }];
  });
}

/** Every call of the model's own layers; a model inside the model counts as one layer. */
export function ownCalls(model: tfl.LayersModel): LayerCall[] {
  return nodesOf(model).map(({ outboundLayer: layer, inputTensors, outputTensors }) => ({
    layer,
    inputs: isInput(layer) ? [] : inputTensors,
    output: outputTensors[0] as tfl.SymbolicTensor,
  }));
}

/** The nodes of a model's own graph in the order of computation (the deepest first). */
export function nodesOf(model: tfl.LayersModel | Container): Node[] {
  const container = model as unknown as Container;
  // A Sequential connects its layers only here, and needs no shape.
  if (!container.built) container.build([]);
  const { nodesByDepth } = container;
  const depths = Object.keys(nodesByDepth)
    .map(Number)
    .sort((a, b) => b - a);
  return depths.flatMap((depth) => nodesByDepth[depth] ?? []);
}

/** Every layer once, including those of models inside the model. */
export const allLayers = (model: tfl.LayersModel): tfl.layers.Layer[] => [
  ...new Set(layerCalls(model).map(({ layer }) => layer)),
];

/**
 * Whether a layer computes a constant linear map: its weights are not parameters and are never
 * trained.
 */
export const isFixed = ({ name }: tfl.layers.Layer): boolean => name.endsWith('_fixed');

/** Whether a layer is `layerScale`'s, with PyTorch's name of that parameter. */
export const isLayerScale = (layer: tfl.layers.Layer): boolean =>
  layer.getClassName() === 'DepthwiseConv2D' && /(^|\.)layer_scale$/.test(layer.name);

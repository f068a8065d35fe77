/** What a model's arithmetic would cost for images of another size, without building it again. */

import { isModule } from '@deepend/compiler';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { AnyModel } from './model';

type Shape = (number | null)[];
type Layer = tfl.layers.Layer;

/** The part of a call of a layer that tfjs keeps. */
interface Call {
  readonly inputTensors: readonly SymbolicTensor[];
  readonly outputTensors: readonly SymbolicTensor[];
}

const product = (shape: readonly (number | null)[]) =>
  shape.reduce<number>((count, size) => count * (size ?? 1), 1);

/**
 * Multiply-accumulates of the convolutions and linear layers for one image of `size` × `size`
 * pixels; undefined where the model cannot have such an input.
 */
export function costForSize(model: AnyModel, size: number): number | undefined {
  if (isModule(model)) return undefined; // its forward may do anything
  const [input] = model.inputs;
  if (!input || model.inputs.length !== 1 || input.shape.length !== 4) return undefined;
  const shapes = new Map<SymbolicTensor, Shape>();
  shapes.set(input, [null, size, size, input.shape[3] ?? null]);
  try {
    return model.layers.reduce((cost, layer) => cost + costOfLayer(layer, shapes), 0);
  } catch {
    return undefined; // a layer that takes only its own shape
  }
}

/** Adds the shapes of the layer's outputs. @throws Error when the layer cannot take its inputs */
function costOfLayer(layer: Layer, shapes: Map<SymbolicTensor, Shape>): number {
  if ('layers' in layer) throw new Error('a model within the model');
  let cost = 0;
  for (const { inputTensors, outputTensors } of layer.inboundNodes as unknown as Call[]) {
    const inputs = inputTensors.map((tensor) => shapes.get(tensor));
    const isOwn = outputTensors.every((tensor) => shapes.has(tensor)); // the input layer
    if (isOwn || inputs.some((shape) => shape === undefined)) continue;
    const first = inputs[0] as Shape;
    const given = layer.computeOutputShape(inputs.length === 1 ? first : (inputs as Shape[]));
    const outputs = (Array.isArray(given[0]) ? given : [given]) as Shape[];
    for (const shape of outputs)
      if (shape.some((length) => length !== null && !(length >= 1)))
        throw new Error('an image too small for the layer');
    for (const [i, tensor] of outputTensors.entries()) shapes.set(tensor, outputs[i] as Shape);
    cost += costOfCall(layer, first, outputs[0] as Shape);
  }
  return cost;
}

function costOfCall(layer: Layer, input: Shape, output: Shape): number {
  const kernels = layer.weights.filter(({ originalName }) => originalName.endsWith('kernel'));
  if (layer.getClassName() === 'Dense') return product(input) * (output.at(-1) ?? 1);
  const positions = layer.getClassName() === 'Conv2DTranspose' ? input : output;
  const places = product(positions.slice(1, -1));
  return kernels.reduce((sum, kernel) => sum + product(kernel.shape) * places, 0);
}

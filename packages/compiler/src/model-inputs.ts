/** Matches features and labels with a model's inputs and outputs, and checks token ids. */
import { backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { isContainer, type Layer, layersInside } from './layer-walk';
import { describeTensors, isTensor, listTensors, type Tensors } from './tensors';

/**
 * Features in the order of the model's inputs: one tensor, a list in that order, or a record by the
 * names of the input layers.
 * @throws RangeError when an input is missing, has another shape or another number of samples
 */
export function orderInputs(model: tfl.LayersModel, features: Tensors): tf.Tensor[] {
  const where = `[compiler] model '${model.name}'`;
  const names = inputNames(model);
  const isNamed = !isTensor(features) && !Array.isArray(features);
  const given = features as Readonly<Record<string, tf.Tensor>>;
  if (isNamed) {
    const missing = names.filter((name) => !given[name]);
    const unknown = Object.keys(given).filter((name) => !names.includes(name));
    if (missing.length + unknown.length > 0) {
      throw new RangeError(
        `${where}: expected features for the inputs ${names.join(', ')}, got ` +
          `${Object.keys(given).join(', ')}; name the features as the input layers`,
      );
    }
  }
  const list = isNamed ? names.map((name) => given[name] as tf.Tensor) : listTensors(features);
  if (list.length !== names.length) {
    throw new RangeError(
      `${where}: expected ${names.length} tensors for the inputs ${names.join(', ')}, ` +
        `got ${describeTensors(features)}`,
    );
  }
  list.forEach(({ shape }, i) => {
    const expected = model.inputs[i]?.shape ?? [];
    const fits =
      shape.length === expected.length &&
      expected.every((size, axis) => size === null || size === shape[axis]);
    if (fits) return;
    throw new RangeError(
      `${where}: input '${names[i]}': expected ` +
        `[${expected.map((size, axis) => size ?? (axis === 0 ? 'batch' : 'any')).join(', ')}], ` +
        `got [${shape.join(', ')}]`,
    );
  });
  if (list.some(({ shape }) => shape[0] !== list[0]?.shape[0])) {
    const described = list.map(({ shape }, i) => `${names[i]} [${shape.join(', ')}]`);
    throw new RangeError(
      `${where}: expected inputs with the same number of samples, got ${described.join(' and ')}`,
    );
  }
  return list;
}

/** What a model gives: one tensor for one output, else a record by the output layers' names. */
export function nameOutputs(model: tfl.LayersModel, list: readonly tf.Tensor[]): Tensors {
  if (list.length === 1) return list[0] as tf.Tensor;
  return Object.fromEntries(outputNames(model).map((name, i) => [name, list[i] as tf.Tensor]));
}

const layerNames = (tensors: readonly tfl.SymbolicTensor[]): string[] =>
  tensors.map((tensor) => (tensor as unknown as { sourceLayer: Layer }).sourceLayer.name);

/** The input layers' names. A `Sequential` has its own only once it has computed. */
export const inputNames = (model: tfl.LayersModel): string[] => layerNames(model.inputs);

/** The output layers' names; of a layer with several outputs `name`, `name_1`, `name_2`, ... */
export function outputNames(model: tfl.LayersModel): string[] {
  const seen = new Map<string, number>();
  return layerNames(model.outputs).map((name) => {
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    return count === 0 ? name : `${name}_${count}`;
  });
}

/** Labels in the outputs' structure: a list is in the order of the model's outputs. */
export function nameLabels(model: tfl.LayersModel, labels: Tensors): Tensors {
  const isList = !isTensor(labels) && Array.isArray(labels);
  const list = isList ? (labels as readonly tf.Tensor[]) : [];
  if (!isList || list.length !== model.outputs.length) return labels;
  return nameOutputs(model, list);
}

/**
 * Checks the ids that go straight into an `Embedding`: a bad one would read or train another
 * token's row. Where reading them would wait for a GPU they are not checked.
 * @throws RangeError when an id is no integer, or outside the vocabulary
 */
export function checkIds(model: tfl.LayersModel, inputs: readonly tf.Tensor[]): void {
  if (backendTraits(tf.getBackend()).isAsynchronous) return;
  const inside = layersInside(model);
  inputs.forEach((tensor, i) => {
    for (const layer of readersOf(model.inputs[i] as tfl.SymbolicTensor)) {
      if (!inside.has(layer)) continue; // another model's, which shares the input
      const { inputDim } = layer.getConfig() as { inputDim: number };
      const ids = tensor.dataSync();
      const wrong = ids.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= inputDim);
      if (wrong < 0) continue;
      throw new RangeError(
        `[compiler] model '${model.name}': input '${inputNames(model)[i]}': expected integer ids ` +
          `from 0 to ${inputDim - 1} for the layer '${layer.name}' (Embedding), got ` +
          `${ids[wrong]} at [${placeOf(wrong, tensor.shape).join(', ')}]`,
      );
    }
  });
}

/** The embeddings that read an input, also through the inputs of models inside. */
function readersOf(input: tfl.SymbolicTensor): Layer[] {
  const { sourceLayer } = input as unknown as { sourceLayer: Layer };
  return sourceLayer.outboundNodes.flatMap((node) => {
    const { outboundLayer, inputTensors } = node as unknown as {
      outboundLayer: Layer;
      inputTensors: tfl.SymbolicTensor[];
    };
    if (outboundLayer.getClassName() === 'Embedding') return [outboundLayer];
    if (!isContainer(outboundLayer)) return [];
    return outboundLayer.inputs
      .filter((inner, i) => inputTensors[i] === input && inner !== input)
      .flatMap(readersOf);
  });
}

/** The indices along each axis of the n-th number. */
function placeOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  const place = [...shape].reverse().map((size) => {
    const along = rest % size;
    rest = Math.floor(rest / size);
    return along;
  });
  return place.reverse();
}

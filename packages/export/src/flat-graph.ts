/**
 * A model as exporters read it: the calls of its layers in the order of computation, with nested
 * models flattened.
 */

import { isContainer, isInput, nodesOf } from '@deepend/models';
import type { LayersModel, layers, Shape } from '@tensorflow/tfjs-layers';

/** The output of one call of a layer, or an input of the model. */
export interface Value {
  /** The first size, the batch, is null. */
  readonly shape: Shape;
  readonly dtype: string;
}

/** One call of one layer. */
export interface Call {
  readonly layer: layers.Layer;
  readonly inputs: readonly Value[];
  readonly output: Value;
}

export interface FlatGraph {
  /** In the model's order. */
  readonly inputs: readonly (Value & { readonly name: string })[];
  readonly calls: readonly Call[];
  readonly outputs: readonly Value[];
}

/**
 * Finds the calls of a model's layers. A shared layer has several calls; each call of a nested
 * model is replaced by its layers' calls.
 * @param where the beginning of each error
 * @throws Error for a layer with several outputs; the error names the layer
 */
export function flatGraph(model: LayersModel, where: string): FlatGraph {
  const calls: Call[] = [];
  const walk = (part: LayersModel, given: readonly Value[]): Value[] => {
    const nodes = nodesOf(part); // first, since it connects the layers of a Sequential
    const values = new Map<unknown, Value>(
      part.inputs.map((tensor, i) => [tensor, given[i] as Value]),
    );
    const seen = (tensor: unknown) => values.get(tensor) as Value;
    for (const { outboundLayer: layer, inputTensors, outputTensors } of nodes) {
      if (isInput(layer)) continue;
      const inputs = inputTensors.map(seen);
      const outputs = isContainer(layer)
        ? walk(layer as unknown as LayersModel, inputs)
        : [freshValue(outputTensors[0])];
      if (outputs.length !== outputTensors.length) throw several(layer, where);
      if (!isContainer(layer)) calls.push({ layer, inputs, output: outputs[0] as Value });
      for (const [i, tensor] of outputTensors.entries()) values.set(tensor, outputs[i] as Value);
    }
    return part.outputs.map(seen);
  };
  nodesOf(model);
  const inputs = model.inputs.map((tensor, i) => ({
    ...freshValue(tensor),
    name: model.inputNames[i] as string,
  }));
  const outputs = walk(model, inputs);
  return { inputs, calls, outputs };
}

const freshValue = (tensor: { shape: Shape; dtype: string } | undefined): Value => ({
  shape: tensor?.shape ?? [],
  dtype: tensor?.dtype ?? 'float32',
});

const several = (layer: layers.Layer, where: string) =>
  new Error(
    `${where}: ${nameOf(layer)}: expected a layer with one output, got one with several; ` +
      `take it out of the model, or keep the model with saveModel`,
  );

/** A layer's name and class, for errors. */
export const nameOf = (layer: layers.Layer): string =>
  `layer '${layer.name}' (${layer.getClassName()})`;

/**
 * Makes a unique name for each layer and input from its own name: layers of two nested models may
 * have the same name.
 * @param clean replaces characters that the format does not allow
 */
export function uniqueNames(
  graph: FlatGraph,
  clean: (name: string) => string,
): Map<layers.Layer | Value, string> {
  const taken = new Set<string>();
  const names = new Map<layers.Layer | Value, string>();
  const owners = [...graph.inputs, ...graph.calls.map(({ layer }) => layer)];
  for (const owner of new Set(owners)) {
    const plain = clean(owner.name);
    let name = plain;
    for (let count = 1; taken.has(name); count++) name = `${plain}_${count}`;
    taken.add(name);
    names.set(owner, name);
  }
  return names;
}

/** The last part of a weight's name, such as `kernel`. */
export const weightKind = ({ originalName }: { originalName: string }): string =>
  originalName.slice(originalName.lastIndexOf('/') + 1);

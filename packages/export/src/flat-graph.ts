/**
 * A net as exporters walk it: its layers' calls in the order of computation, with nets inside the
 * model taken apart.
 */

import { isContainer, isInput, nodesOf } from '@deepend/models';
import type { LayersModel, layers, Shape } from '@tensorflow/tfjs-layers';

/** What one call of a layer gives, or an input of the model. */
export interface Value {
  /** Its first size, the batch, is null. */
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
  /** In the order that the model takes them. */
  readonly inputs: readonly (Value & { readonly name: string })[];
  readonly calls: readonly Call[];
  readonly outputs: readonly Value[];
}

/**
 * The calls of a net's layers. A layer that is shared is called several times; a net inside the net
 * gives its layers' calls, each time it is
 * called.
 * @param where who asks: the beginning of each error
 * @throws Error for a layer with several outputs; it names the layer
 */
export function flatGraph(net: LayersModel, where: string): FlatGraph {
  const calls: Call[] = [];
  const walk = (part: LayersModel, given: readonly Value[]): Value[] => {
    const nodes = nodesOf(part); // first: it joins the layers of a Sequential
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
  nodesOf(net);
  const inputs = net.inputs.map((tensor, i) => ({
    ...freshValue(tensor),
    name: net.inputNames[i] as string,
  }));
  const outputs = walk(net, inputs);
  return { inputs, calls, outputs };
}

const freshValue = (tensor: { shape: Shape; dtype: string } | undefined): Value => ({
  shape: tensor?.shape ?? [],
  dtype: tensor?.dtype ?? 'float32',
});

const several = (layer: layers.Layer, where: string) =>
  new Error(
    `${where}: ${nameOf(layer)}: expected a layer with one output, got one with several; take it out of the net, or keep the net with saveModel`,
  );

/** A layer as errors call it. */
export const nameOf = (layer: layers.Layer): string =>
  `layer '${layer.name}' (${layer.getClassName()})`;

/**
 * A name for each layer and input, made of its own by `clean` and each but once: layers of two nets
 * inside the model may have the same.
 * @param clean what a format leaves of a name
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

/** The last part of a weight's name: `kernel`. */
export const weightKind = ({ originalName }: { originalName: string }): string =>
  originalName.slice(originalName.lastIndexOf('/') + 1);

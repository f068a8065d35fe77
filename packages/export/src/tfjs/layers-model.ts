/**
 * A model in TensorFlow.js's layers format with only stock layers, which a browser loads without
 * deepend.
 */

import { allLayers, collectArtifacts } from '@deepend/models';
import { GroupedConv2D } from '@deepend/nn';
import { io } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { nameOf, weightKind } from '../flat-graph';
import type { StoredTensor } from './graph-def';
import { groupsOf } from './groups';
import { confusedLayer } from './load-order';

/** A layer, or a model inside the model, in `model.json`. */
interface Entry {
  readonly name: string;
  readonly class_name: string;
  readonly config: Record<string, unknown> & { readonly layers?: readonly Entry[] };
  readonly inbound_nodes?: readonly unknown[];
}

export interface LayersFormat {
  /** The contents of `model.json` without its weights. */
  readonly json: object;
  readonly tensors: readonly StoredTensor[];
}

const GROUPED = GroupedConv2D.className;
/** The classes of TensorFlow.js, in lower case, from the names of the functions that make them. */
const STOCK = new Set(Object.keys(tfl.layers).map((name) => name.toLowerCase()));
const CONTAINERS = ['Model', 'Functional', 'Sequential'];

/**
 * @param where beginning of each error
 * @throws Error for a layer that stock TensorFlow.js does not have or cannot load again; the error
 *   names the layer
 */
export async function layersModel(model: tfl.LayersModel, where: string): Promise<LayersFormat> {
  const all = allLayers(model);
  for (const layer of all) checkStock(layer, where);
  checkNames(all, where);
  const { modelTopology, weightSpecs = [], weightData } = await collectArtifacts(model);
  const grouped = new Map(
    all.filter((layer) => layer.getClassName() === GROUPED).map((layer) => [layer.name, layer]),
  );
  const topology =
    grouped.size === 0
      ? modelTopology
      : withoutGroups(modelTopology as unknown as Entry, grouped, where);
  checkCalls(topology as unknown as Entry, all, where);
  const bytes = io.CompositeArrayBuffer.join(weightData);
  let offset = 0;
  const tensors = weightSpecs.flatMap(({ name, shape, dtype }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = new (dtype === 'int32' ? Int32Array : Float32Array)(bytes, offset, count);
    offset += 4 * count;
    const tensor = {
      name,
      shape,
      dtype: dtype as StoredTensor['dtype'],
      values: async () => values,
    };
    const layer = grouped.get(name.slice(0, name.lastIndexOf('/')));
    return layer ? groupTensors(tensor, layer) : [tensor];
  });
  return { json: { format: 'layers-model', modelTopology: topology }, tensors };
}

function checkStock(layer: tfl.layers.Layer, where: string): void {
  const kind = layer.getClassName();
  if (kind !== GROUPED && !CONTAINERS.includes(kind) && !STOCK.has(kind.toLowerCase())) {
    throw new Error(
      `${where}: ${nameOf(layer)}: expected a layer of stock TensorFlow.js, got another; ` +
        `save the model with saveModel`,
    );
  }
  if (kind !== 'SeparableConv2D' || layer.weights[0]?.shape[3] === 1) return;
  // TensorFlow.js does not save the depth multiplier.
  const got = layer.weights[0]?.shape[3];
  throw new Error(
    `${where}: ${nameOf(layer)}: expected depthMultiplier 1, which stock TensorFlow.js ` +
      `loads, got ${got}; export the model in the format 'graph'`,
  );
}

/**
 * TensorFlow.js finds weights by their layer's name. Layers of two nested models may have the same
 * name.
 */
function checkNames(all: readonly tfl.layers.Layer[], where: string): void {
  const weighted = all.filter(({ weights }) => weights.length > 0);
  const twice = weighted.find(
    ({ name }, i) => weighted.findIndex((other) => other.name === name) !== i,
  );
  if (!twice) return;
  throw new Error(
    `${where}: ${nameOf(twice)}: expected each layer with weights to have a name of its own, ` +
      `got two of this name; ` +
      "name one of them otherwise, or export the model in the format 'graph'",
  );
}

function checkCalls(topology: Entry, all: readonly tfl.layers.Layer[], where: string): void {
  const name = confusedLayer(topology as Parameters<typeof confusedLayer>[0]);
  if (name === undefined) return;
  const layer = all.find((one) => one.name === name);
  throw new Error(
    `${where}: ${layer ? nameOf(layer) : `layer '${name}'`}: expected calls that ` +
      `TensorFlow.js makes in this order when it loads the model, ` +
      'got a later one that is ready before an earlier one; call it in the order of ' +
      "computation, or export the model in the format 'graph'",
  );
}

const partName = (name: string, group: number) => `${name}.group${group}`;

function groupTensors(tensor: StoredTensor, layer: tfl.layers.Layer): StoredTensor[] {
  const { groups } = layer.getConfig() as unknown as Grouped;
  const kind = weightKind({ originalName: tensor.name });
  const parts = groupsOf(
    { shape: tensor.shape, values: tensor.values as () => Promise<Float32Array> },
    groups,
  );
  return parts.map((part, group) => ({
    ...part,
    name: `${partName(layer.name, group)}/${kind}`,
    dtype: 'float32',
  }));
}

/** A model's entry with each grouped convolution split, also in nested models. */
function withoutGroups(
  entry: Entry,
  grouped: ReadonlyMap<string, tfl.layers.Layer>,
  where: string,
): Entry {
  const { layers } = entry.config;
  if (!layers) return entry;
  const parts = layers.flatMap((one) => {
    const layer = one.class_name === GROUPED ? grouped.get(one.config.name as string) : undefined;
    if (!layer) return [withoutGroups(one, grouped, where)];
    if (one.inbound_nodes) return apart(one, layer);
    throw new Error(
      `${where}: ${nameOf(layer)}: expected a grouped convolution in a model of tfl.model, ` +
        `got it in a Sequential, which cannot branch; ` +
        "build the model with tfl.model, or export it in the format 'graph'",
    );
  });
  return { ...entry, config: { ...entry.config, layers: parts } };
}

interface Grouped {
  readonly groups: number;
  readonly filters: number;
}

/**
 * Crops each group's channels, convolves them and concatenates the results. The concatenation keeps
 * the name of the grouped convolution, by which other layers refer to it.
 */
function apart(
  { name, config, inbound_nodes: nodes = [] }: Entry,
  layer: tfl.layers.Layer,
): Entry[] {
  const { groups, filters } = config as unknown as Grouped;
  const { kernel_size, strides, use_bias, trainable } = config;
  // Per group: the kernel is [kh, kw, channels, filters].
  const channels = layer.weights[0]?.shape[2] as number;
  const each = Array.from({ length: groups }, (_, group) => group);
  const after = (names: readonly string[]) =>
    nodes.map((_, call) => names.map((from) => [from, call, 0, {}]));
  // With channels_first, Cropping2D crops the last two axes.
  const cuts = each.map((group) => {
    const cropping = [
      [0, 0],
      [group * channels, (groups - 1 - group) * channels],
    ];
    return entryOf('Cropping2D', `${partName(name, group)}_channels`, {
      config: { trainable, cropping, data_format: 'channels_first' },
      nodes,
    });
  });
  const plain = {
    padding: 'valid',
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    activation: 'linear',
  };
  const convolved = each.map((group) =>
    entryOf('Conv2D', partName(name, group), {
      config: { trainable, filters: filters / groups, kernel_size, strides, use_bias, ...plain },
      nodes: after([(cuts[group] as Entry).name]),
    }),
  );
  const parts = convolved.map((one) => one.name);
  return [
    ...cuts,
    ...convolved,
    entryOf('Concatenate', name, { config: { trainable, axis: -1 }, nodes: after(parts) }),
  ];
}

const entryOf = (
  class_name: string,
  name: string,
  { config, nodes }: { config: object; nodes: readonly unknown[] },
): Entry => ({
  name,
  class_name,
  config: { name, ...config },
  inbound_nodes: nodes,
});

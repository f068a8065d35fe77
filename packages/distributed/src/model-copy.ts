/** Copies a model to another thread or process, and checks that the copy is the same. */
import { findCustomLayer, type Parameter, type Plan } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

/** A model as another thread or process can build it again. */
export interface SerializedModel {
  /** tfjs's form: `model.toJSON()`. */
  readonly topology: object;
  /** Of each layer, inner models included, in order: its own flag, and each of its weights'. */
  readonly trainable: readonly {
    readonly layer: boolean;
    readonly weights: readonly boolean[];
  }[];
  /** The modules that register layer classes which tfjs does not have, by class name. */
  readonly modules: Readonly<Record<string, string>>;
}

/** What two replicas of a model must have in common: operations, calls of layers, weights. */
export interface ModelSignature {
  readonly plan: string;
  readonly calls: string;
  readonly weights: readonly string[];
}

/** The part of tfjs's form that is read here. */
interface Topology {
  readonly class_name: string;
  readonly config: { readonly name?: string; readonly layers?: readonly Topology[] };
  readonly inbound_nodes?: unknown;
}

/** A model, then all its layers in order; an inner model comes before its layers. */
function layersOf(layer: tfl.layers.Layer): tfl.layers.Layer[] {
  const inside = 'layers' in layer ? (layer.layers as tfl.layers.Layer[]) : [];
  return [layer, ...inside.flatMap(layersOf)];
}

const ownWeights = (layer: tfl.layers.Layer) => ('layers' in layer ? [] : layer.weights);
/** tfjs's types have the flag read-only. */
const flagged = (weight: tfl.layers.Layer['weights'][number]) =>
  weight as unknown as { trainable: boolean };

/** The weights that training does not change. */
export function fixedWeights(
  model: tfl.LayersModel,
  { parameters, statistics }: Plan,
): tf.Variable[] {
  const moving = new Set([...parameters, ...statistics].map(({ variable }) => variable.id));
  const all = layersOf(model)
    .flatMap(ownWeights)
    .map((weight) => weight.read() as tf.Variable);
  const once = new Map(all.map((variable) => [variable.id, variable]));
  return [...once.values()].filter(({ id }) => !moving.has(id));
}

const topologyOf = (model: tfl.LayersModel) => model.toJSON(null, false) as unknown as Topology;

const classesOf = ({ class_name: name, config }: Topology): string[] => [
  name,
  ...(config.layers ?? []).flatMap(classesOf),
];

export function serializeModel(model: tfl.LayersModel): SerializedModel {
  const topology = topologyOf(model);
  const modules = layersOf(model).flatMap((layer) => {
    const { module } = findCustomLayer(layer) ?? {};
    return module ? [[layer.getClassName(), module] as const] : [];
  });
  const trainable = layersOf(model).map((layer) => ({
    layer: layer.trainable,
    weights: ownWeights(layer).map((weight) => flagged(weight).trainable),
  }));
  return { topology, trainable, modules: Object.fromEntries(modules) };
}

/** @throws Error when the model has a layer class that no module registers here */
export async function deserializeModel({
  topology,
  trainable,
  modules,
}: SerializedModel): Promise<tfl.LayersModel> {
  const known = () => tf.serialization.SerializationMap.getMap().classNameMap;
  for (const name of classesOf(topology as Topology)) {
    const module = modules[name];
    if (!(name in known()) && module) await import(module);
    if (!(name in known()))
      throw new Error(
        `the model has layers of the class ${name}, which TensorFlow.js does not have and other ` +
          'threads do not know; train it on one device',
      );
  }
  const model = await tfl.models.modelFromJSON(
    topology as Parameters<typeof tfl.models.modelFromJSON>[0],
  );
  layersOf(model).forEach((layer, i) => {
    layer.trainable = trainable[i]?.layer ?? true;
    ownWeights(layer).forEach((weight, j) => {
      flagged(weight).trainable = trainable[i]?.weights[j] ?? true;
    });
  });
  return model;
}

/**
 * Which layers are called on what, in the order of calls: TensorFlow.js may make the calls of a
 * shared layer in another one when it loads a model.
 */
const callsOf = ({ config, inbound_nodes }: Topology): unknown => [
  config.name,
  inbound_nodes,
  (config.layers ?? []).map(callsOf),
];

export function modelSignature(model: tfl.LayersModel, plan: Plan): ModelSignature {
  const line = ({ name, shape }: Parameter) => `${name} [${shape.join(', ')}]`;
  const fixed = fixedWeights(model, plan).map(({ shape }) => `fixed [${shape.join(', ')}]`);
  return {
    plan: plan.describe(),
    calls: JSON.stringify(callsOf(topologyOf(model))),
    weights: [...plan.parameters.map(line), ...plan.statistics.map(line), ...fixed],
  };
}

/** The first difference between two signatures; undefined when they are equal. */
export function firstDifference(expected: ModelSignature, got: ModelSignature): string | undefined {
  const lines = ({ plan, weights }: ModelSignature) => [...plan.split('\n'), ...weights];
  const [wanted, found] = [lines(expected), lines(got)];
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    if (wanted[i] !== found[i])
      return `expected '${wanted[i] ?? 'nothing more'}', got '${found[i] ?? 'nothing more'}'`;
  }
  return expected.calls === got.calls
    ? undefined
    : 'a layer that is used more than once has its uses in another order';
}

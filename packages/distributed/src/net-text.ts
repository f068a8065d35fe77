/** A net as text and back, so that another thread or process has the same one. */
import { findCustomLayer, type Parameter, type Plan } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { NetText } from './messages';

/** What two replicas of a net must have in common: operations, calls of layers, weights. */
export interface Sketch {
  readonly plan: string;
  readonly calls: string;
  readonly weights: readonly string[];
}

/** As far as it is read here. */
interface Topology {
  readonly class_name: string;
  readonly config: { readonly name?: string; readonly layers?: readonly Topology[] };
  readonly inbound_nodes?: unknown;
}

/** Every layer, nets inside the net before what is in them, and the net itself first. */
function layersOf(layer: tfl.layers.Layer): tfl.layers.Layer[] {
  const inside = 'layers' in layer ? (layer.layers as tfl.layers.Layer[]) : [];
  return [layer, ...inside.flatMap(layersOf)];
}

const ownWeights = (layer: tfl.layers.Layer) => ('layers' in layer ? [] : layer.weights);
/** tfjs's types have it read only. */
const flagged = (weight: tfl.layers.Layer['weights'][number]) =>
  weight as unknown as { trainable: boolean };

/** All weights of a net that its plan does not move. */
export function fixedWeights(
  net: tfl.LayersModel,
  { parameters, statistics }: Plan,
): tf.Variable[] {
  const moving = new Set([...parameters, ...statistics].map(({ variable }) => variable.id));
  const all = layersOf(net)
    .flatMap(ownWeights)
    .map((weight) => weight.read() as tf.Variable);
  const once = new Map(all.map((variable) => [variable.id, variable]));
  return [...once.values()].filter(({ id }) => !moving.has(id));
}

const topologyOf = (net: tfl.LayersModel) => net.toJSON(null, false) as unknown as Topology;

const classesOf = ({ class_name: name, config }: Topology): string[] => [
  name,
  ...(config.layers ?? []).flatMap(classesOf),
];

export function describeNet(net: tfl.LayersModel): NetText {
  const topology = topologyOf(net);
  const files = layersOf(net).flatMap((layer) => {
    const { module } = findCustomLayer(layer) ?? {};
    return module ? [[layer.getClassName(), module] as const] : [];
  });
  const learns = layersOf(net).map((layer) => ({
    layer: layer.trainable,
    weights: ownWeights(layer).map((weight) => flagged(weight).trainable),
  }));
  return { topology, learns, files: Object.fromEntries(files) };
}

/** @throws Error where the net has a class of layer that cannot be made known here */
export async function rebuildNet({ topology, learns, files }: NetText): Promise<tfl.LayersModel> {
  const known = () => tf.serialization.SerializationMap.getMap().classNameMap;
  for (const name of classesOf(topology as Topology)) {
    const file = files[name];
    if (!(name in known()) && file) await import(file);
    if (!(name in known()))
      throw new Error(
        `the net has layers of the class ${name}, which TensorFlow.js does not have and other threads do not know; train it on one device`,
      );
  }
  const net = await tfl.models.modelFromJSON(
    topology as Parameters<typeof tfl.models.modelFromJSON>[0],
  );
  layersOf(net).forEach((layer, i) => {
    layer.trainable = learns[i]?.layer ?? true;
    ownWeights(layer).forEach((weight, j) => {
      flagged(weight).trainable = learns[i]?.weights[j] ?? true;
    });
  });
  return net;
}

/**
 * Which layers are called on what, in the order of calls: TensorFlow.js may make the calls of a
 * shared layer in another one when it loads a net.
 */
const callsOf = ({ config, inbound_nodes }: Topology): unknown => [
  config.name,
  inbound_nodes,
  (config.layers ?? []).map(callsOf),
];

export function sketchOf(net: tfl.LayersModel, plan: Plan): Sketch {
  const line = ({ layerVariable, shape }: Parameter) =>
    `${layerVariable.originalName} [${shape.join(', ')}]`;
  const fixed = fixedWeights(net, plan).map(({ shape }) => `fixed [${shape.join(', ')}]`);
  return {
    plan: plan.describe(),
    calls: JSON.stringify(callsOf(topologyOf(net))),
    weights: [...plan.parameters.map(line), ...plan.statistics.map(line), ...fixed],
  };
}

/** What differs first between two sketches; undefined where nothing does. */
export function differenceOf(expected: Sketch, got: Sketch): string | undefined {
  const lines = ({ plan, weights }: Sketch) => [...plan.split('\n'), ...weights];
  const [wanted, found] = [lines(expected), lines(got)];
  for (let i = 0; i < Math.max(wanted.length, found.length); i++) {
    if (wanted[i] !== found[i])
      return `expected '${wanted[i] ?? 'nothing more'}', got '${found[i] ?? 'nothing more'}'`;
  }
  return expected.calls === got.calls
    ? undefined
    : 'a layer that is used more than once has its uses in another order';
}

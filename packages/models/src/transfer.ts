/**
 * Transfer learning: parts of a net that has learned, for another purpose (Dive into Deep Learning,
 * chapter 14.2: fine-tuning).
 */
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import { INITIALIZERS, INITS, type Init } from '@deepend/nn';
import * as tfl from '@tensorflow/tfjs-layers';
import { allLayers, isFixed, isInput, type LayerCall, ownCalls } from './summary/calls';
import { countOf, parametersOf } from './summary/costs';

/**
 * A model that gives what `net` has at the ends of the named layers or blocks: one tensor for one
 * name, a list in the order of the names
 * for several. It shares the weights, so training one trains the other; either can be disposed
 * without the other.
 * @param names layers, or blocks by the part of their layers' names before a dot: `layer3`,
 *   `features.denseblock1`, `stage2.block1`
 * @throws RangeError for a name that the model does not have; it tells the nearest
 * @example
 * const features = featureExtractor(net, ['layer1', 'layer4']);
 * const [shallow, deep] = features.predict(images) as tf.Tensor[]; // each [batch, height, width,
 * channels]
 */
export function featureExtractor(
  net: tfl.LayersModel,
  names: string | readonly string[],
): tfl.LayersModel {
  const asked = typeof names === 'string' ? [names] : [...names];
  if (asked.length === 0)
    throw new RangeError('[models] featureExtractor: expected at least one name, got none');
  const calls = ownCalls(net);
  const outputs = asked.map((name) => {
    const matches = matcher(
      name,
      calls.map(({ layer }) => layer),
      `featureExtractor: the net '${net.name}'`,
    );
    return (calls.findLast(({ layer }) => matches(layer)) as LayerCall).output;
  });
  return sharing(net, tfl.model({ name: `${net.name}.features`, inputs: net.inputs, outputs }));
}

/**
 * Keeps layers as they are: their weights learn no more, and batch normalization keeps its
 * statistics.
 * @param names layers, blocks (the part of their layers' names before a dot), or either with `*`
 *   for any characters; all without
 * @returns how many parameters of the model still learn
 * @throws RangeError for a name that matches nothing, before anything is changed
 *
 * A plan that was compiled before (`compile`, a run of `train` that goes on) keeps its own; freeze
 * first. Layers that other models share
 * are frozen there too.
 */
export function freeze(net: tfl.LayersModel, names?: string | readonly string[]): number {
  return setTrainable('freeze', net, { names, trainable: false });
}

/**
 * Lets layers learn that were frozen. Layers that compute a constant map (`…_fixed`) stay as they
 * are.
 * @param names as for `freeze`; all without
 * @returns how many parameters of the model learn now
 * @throws RangeError for a name that matches nothing, before anything is changed
 *
 * A plan that was compiled before keeps its own, as with `freeze`.
 */
export function unfreeze(net: tfl.LayersModel, names?: string | readonly string[]): number {
  return setTrainable('unfreeze', net, { names, trainable: true });
}

function setTrainable(
  who: string,
  net: tfl.LayersModel,
  {
    names = '*',
    trainable,
  }: { names?: string | readonly string[] | undefined; trainable: boolean },
): number {
  const layers = allLayers(net);
  const matches = [names]
    .flat()
    .map((name) => matcher(name, layers, `${who}: the net '${net.name}'`));
  for (const layer of layers) {
    if (!isFixed(layer) && matches.some((match) => match(layer))) layer.trainable = trainable;
  }
  return countOf([
    ...new Set(layers.flatMap((layer) => (isFixed(layer) ? [] : layer.trainableWeights))),
  ]);
}

/** Whether a layer is the named one, or one of the named block; `*` stands for any characters. */
function matcher(
  name: string,
  layers: readonly tfl.layers.Layer[],
  where: string,
): (layer: tfl.layers.Layer) => boolean {
  const pattern = String(name)
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*');
  const whole = new RegExp(`^${pattern}(\\..*)?$`);
  const matches = (layer: tfl.layers.Layer) => whole.test(layer.name);
  if (layers.some(matches)) return matches;
  const near = closest(String(name), [...new Set(layers.flatMap((layer) => prefixes(layer.name)))]);
  const hint = near ? `did you mean '${near}'?` : 'summary(net) shows its blocks';
  throw new RangeError(`[models] ${where} has no layer or block ${formatValue(name)}; ${hint}`);
}

/** `a.b.c` → `a`, `a.b`, `a.b.c` */
const prefixes = (name: string): string[] =>
  name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));

export interface ReplaceHeadOptions {
  /** How the new kernel begins. @default 'xavier-uniform' */
  init?: Init;
  /** Seeds the new kernel: any safe integer. @default 0 */
  seed?: number;
}

const headOptions = rule.object({
  numClasses: rule.positiveInteger(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.seed().optional(),
});

/**
 * The same net for other classes: the last layer with weights, a linear layer or a 1×1 convolution
 * (NiN's), is a new one of its name with
 * `numClasses` outputs; layers behind it are applied anew, all others shared. So training one model
 * trains the other's shared layers (freeze
 * them where that is not wanted); either can be disposed without the other. The net keeps its name
 * and input.
 * @param numClasses classes to tell apart
 * @returns `[batch, height, width, channels]` → logits `[batch, numClasses]`
 * @throws Error when the last layer with weights is of another kind
 * @example
 * const mine = replaceHead(net, 5);
 * freeze(mine);
 * unfreeze(mine, 'fc'); // the head alone learns
 */
export function replaceHead(
  net: tfl.LayersModel,
  numClasses: number,
  options: ReplaceHeadOptions = {},
): tfl.LayersModel {
  const { init = 'xavier-uniform', seed = 0 } = checkOptions('[models] replaceHead', headOptions, {
    numClasses,
    ...options,
  });
  const calls = ownCalls(net);
  const head = calls.findLast(({ layer }) => parametersOf(layer).length > 0);
  if (!head)
    throw new Error(
      `[models] replaceHead: the net '${net.name}': expected a layer with weights, got none`,
    );
  const fresh = new Map([[head.output, freshHead(head, numClasses, { init, seed })]]); // old tensors → their successors
  for (const { layer, inputs, output } of calls.slice(calls.indexOf(head) + 1)) {
    if (!inputs.some((input) => fresh.has(input))) continue;
    const renewed = inputs.map((input) => fresh.get(input) ?? input);
    fresh.set(output, reapplied(layer, renewed));
  }
  const outputs = net.outputs.map((output) => fresh.get(output) ?? output);
  return sharing(net, tfl.model({ name: net.name, inputs: net.inputs, outputs }));
}

type LayerClass = new (config: object) => tfl.layers.Layer;

const applied = (layer: tfl.layers.Layer, inputs: readonly tfl.SymbolicTensor[]) =>
  layer.apply(
    inputs.length === 1 ? (inputs[0] as tfl.SymbolicTensor) : [...inputs],
  ) as tfl.SymbolicTensor;

function freshHead(
  { layer, inputs }: LayerCall,
  numClasses: number,
  { init, seed }: Required<ReplaceHeadOptions>,
) {
  const kind = layer.getClassName();
  const config = layer.getConfig() as { kernelSize?: number[] };
  const isPointwise = kind === 'Conv2D' && [config.kernelSize].flat().every((size) => size === 1);
  if (kind !== 'Dense' && !isPointwise) {
    throw new Error(
      `[models] replaceHead: layer '${layer.name}' (${kind}): expected the last layer with weights to be linear or a 1×1 convolution; ` +
        'build the net with numClasses',
    );
  }
  const fans = { seed, fanIn: inputs[0]?.shape.at(-1) ?? 1, fanOut: numClasses };
  const kernelInitializer = INITIALIZERS[init][kind === 'Dense' ? 'dense' : 'conv'](fans);
  const size = kind === 'Dense' ? { units: numClasses } : { filters: numClasses };
  // A frozen layer's successor has everything to learn.
  const made = new (layer.constructor as LayerClass)({
    ...config,
    ...size,
    kernelInitializer,
    trainable: true,
  });
  return applied(made, inputs);
}

/**
 * Applies a layer of its own with the same configuration: one that is called twice has no shape of
 * its own any more.
 */
function reapplied(
  layer: tfl.layers.Layer,
  inputs: readonly tfl.SymbolicTensor[],
): tfl.SymbolicTensor {
  const copy = new (layer.constructor as LayerClass)(layer.getConfig());
  const output = applied(copy, inputs);
  if (layer.weights.length > 0) copy.setWeights(layer.getWeights()); // those of a constant map: the head was the last that learns
  return output;
}

/**
 * tfjs disposes a layer's weights once nobody refers to it, and counts the layer's calls for that,
 * not the models that share a call. A model
 * inside a model it counts twice.
 */
function sharing(net: tfl.LayersModel, other: tfl.LayersModel): tfl.LayersModel {
  const mine = new Set(net.layers);
  for (const layer of other.layers) {
    if (mine.has(layer) && !isInput(layer))
      (layer as unknown as { _refCount: number })._refCount += 'layers' in layer ? 2 : 1;
  }
  return other;
}

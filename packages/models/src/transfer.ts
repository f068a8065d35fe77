/**
 * Transfer learning: features, freezing and new heads of trained models (Dive into Deep Learning,
 * chapter 14.2: fine-tuning).
 */
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import { INITIALIZERS, INITS, type Init } from '@deepend/nn';
import * as tfl from '@tensorflow/tfjs-layers';
import { allLayers, isFixed, isInput, type LayerCall, ownCalls } from './summary/calls';
import { countOf, parametersOf } from './summary/costs';

/**
 * Builds a model whose outputs are those of the named layers or blocks: one tensor for one name, a
 * list in the order of the names for several. Both models share their weights, so training one
 * trains the other; either can be disposed without the other.
 * @param names layers, or blocks, by the part of their layers' names before a dot: `layer3`,
 *   `features.denseblock1`, `stage2.block1`
 * @throws RangeError for a name that the model does not have; the error suggests the nearest one
 * @example
 * const features = featureExtractor(model, ['layer1', 'layer4']);
 * const [shallow, deep] = features.predict(images) as tf.Tensor[]; // each [batch, height, width,
 * channels]
 */
export function featureExtractor(
  model: tfl.LayersModel,
  names: string | readonly string[],
): tfl.LayersModel {
  const asked = typeof names === 'string' ? [names] : [...names];
  if (asked.length === 0)
    throw new RangeError('[models] featureExtractor: expected at least one name, got none');
  const outputs = asked.map((name) => outputOf('featureExtractor', model, name));
  return sharing(
    model,
    tfl.model({ name: `${model.name}.features`, inputs: model.inputs, outputs }),
  );
}

/** The output of the named layer or block. @throws RangeError when the model does not have it */
export function outputOf(who: string, model: tfl.LayersModel, name: string): tfl.SymbolicTensor {
  const calls = ownCalls(model);
  const layers = calls.map(({ layer }) => layer);
  const matches = matcher(name, layers, `${who}: the model '${model.name}'`);
  return (calls.findLast(({ layer }) => matches(layer)) as LayerCall).output;
}

/**
 * Freezes layers: training no longer changes their weights, nor batch normalization's statistics.
 * @param names layers, blocks (the part of their layers' names before a dot), or either with `*`
 *   for any characters @default all
 * @returns the number of the model's parameters that are still trainable
 * @throws RangeError for a name that matches nothing, before anything is changed
 *
 * A plan that was compiled before (by `compile`, or by a run of `train` that is under way) does not
 * notice, so freeze first. A layer that other models share is frozen there too.
 */
export function freeze(model: tfl.LayersModel, names?: string | readonly string[]): number {
  return setTrainable('freeze', model, { names, trainable: false });
}

/**
 * Makes frozen layers trainable again. Layers that compute a constant map (`…_fixed`) stay frozen.
 * @param names as for `freeze` @default all
 * @returns the number of the model's parameters that are trainable now
 * @throws RangeError for a name that matches nothing, before anything is changed
 *
 * A plan that was compiled before does not notice, as with `freeze`.
 */
export function unfreeze(model: tfl.LayersModel, names?: string | readonly string[]): number {
  return setTrainable('unfreeze', model, { names, trainable: true });
}

function setTrainable(
  who: string,
  model: tfl.LayersModel,
  {
    names = '*',
    trainable,
  }: { names?: string | readonly string[] | undefined; trainable: boolean },
): number {
  const layers = allLayers(model);
  const matches = [names]
    .flat()
    .map((name) => matcher(name, layers, `${who}: the model '${model.name}'`));
  for (const layer of layers) {
    if (!isFixed(layer) && matches.some((match) => match(layer))) layer.trainable = trainable;
  }
  return countOf([
    ...new Set(layers.flatMap((layer) => (isFixed(layer) ? [] : layer.trainableWeights))),
  ]);
}

/**
 * Returns a predicate: whether a layer is the named one or is in the named block; `*` stands for
 * any characters.
 */
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
  const hint = near ? `did you mean '${near}'?` : 'summary(model) shows its blocks';
  throw new RangeError(`[models] ${where} has no layer or block ${formatValue(name)}; ${hint}`);
}

/** `a.b.c` → `a`, `a.b`, `a.b.c` */
const prefixes = (name: string): string[] =>
  name.split('.').map((_, i, parts) => parts.slice(0, i + 1).join('.'));

export interface ReplaceHeadOptions {
  /** How the new kernel is initialized. @default 'xavier-uniform' */
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
 * Builds the same model for other classes. The last layer with weights, a linear layer or a 1×1
 * convolution (NiN's), is replaced by a new one with the same name and `numClasses` outputs; the
 * layers after it are applied again, and all others are shared. Training one model therefore trains
 * the shared layers of the other (freeze them to prevent that); either can be disposed without the
 * other. The new model has the old one's name and input.
 * @param numClasses number of classes
 * @returns `[batch, height, width, channels]` → logits `[batch, numClasses]`
 * @throws Error when the last layer with weights is neither linear nor a 1×1 convolution
 * @example
 * const mine = replaceHead(model, 5);
 * freeze(mine);
 * unfreeze(mine, 'fc'); // only the head learns
 */
export function replaceHead(
  model: tfl.LayersModel,
  numClasses: number,
  options: ReplaceHeadOptions = {},
): tfl.LayersModel {
  const { init = 'xavier-uniform', seed = 0 } = checkOptions('[models] replaceHead', headOptions, {
    numClasses,
    ...options,
  });
  const calls = ownCalls(model);
  const head = calls.findLast(({ layer }) => parametersOf(layer).length > 0);
  if (!head)
    throw new Error(
      `[models] replaceHead: the model '${model.name}': expected a layer with weights, got none`,
    );
  // Old tensors → new tensors.
  const fresh = new Map([[head.output, freshHead(head, numClasses, { init, seed })]]);
  for (const { layer, inputs, output } of calls.slice(calls.indexOf(head) + 1)) {
    if (!inputs.some((input) => fresh.has(input))) continue;
    const renewed = inputs.map((input) => fresh.get(input) ?? input);
    fresh.set(output, reapplied(layer, renewed));
  }
  const outputs = model.outputs.map((output) => fresh.get(output) ?? output);
  return sharing(model, tfl.model({ name: model.name, inputs: model.inputs, outputs }));
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
      `[models] replaceHead: layer '${layer.name}' (${kind}): expected the last layer with ` +
        `weights to be linear or a 1×1 convolution; ` +
        'build the model with numClasses',
    );
  }
  const fans = { seed, fanIn: inputs[0]?.shape.at(-1) ?? 1, fanOut: numClasses };
  const kernelInitializer = INITIALIZERS[init][kind === 'Dense' ? 'dense' : 'conv'](fans);
  const size = kind === 'Dense' ? { units: numClasses } : { filters: numClasses };
  // The new head is trainable even where the old one was frozen.
  const made = new (layer.constructor as LayerClass)({
    ...config,
    ...size,
    kernelInitializer,
    trainable: true,
  });
  return applied(made, inputs);
}

/**
 * Applies a copy of a layer. tfjs forgets a layer's output shape when the layer itself is called
 * twice.
 */
function reapplied(
  layer: tfl.layers.Layer,
  inputs: readonly tfl.SymbolicTensor[],
): tfl.SymbolicTensor {
  const copy = new (layer.constructor as LayerClass)(layer.getConfig());
  const output = applied(copy, inputs);
  // Only constant maps have weights after the head.
  if (layer.weights.length > 0) copy.setWeights(layer.getWeights());
  return output;
}

/**
 * Counts the new model as another user of the shared layers. tfjs disposes a layer's weights when
 * its reference count is 0, and it counts the layer's calls, not the models that share a call; a
 * model inside a model it counts twice.
 */
export function sharing(model: tfl.LayersModel, other: tfl.LayersModel): tfl.LayersModel {
  const mine = new Set(model.layers);
  for (const layer of other.layers) {
    if (mine.has(layer) && !isInput(layer))
      (layer as unknown as { _refCount: number })._refCount += 'layers' in layer ? 2 : 1;
  }
  return other;
}

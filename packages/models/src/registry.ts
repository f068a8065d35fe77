/**
 * The registry of models by their ids: torchvision's ids, `book/…`, `cifar/…`, and ids that users
 * register.
 */
import { closest } from '@deepend/core';
import type { ModelOptions } from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { AlexNetOptions } from './zoo/alexnet';
import { type BookModelOptions, book } from './zoo/book';
import type { ConvNextOptions } from './zoo/convnext';
import type { EfficientNetOptions } from './zoo/efficientnet';
import type { GoogLeNetOptions } from './zoo/googlenet';
import type { MobileNetOptions } from './zoo/mobilenet';
import { RECIPES, type Recipe } from './zoo/recipes';
import type { ResNetOptions } from './zoo/resnet';
import * as builders from './zoo/torchvision';
import type { VggOptions } from './zoo/vgg';

/** The options of any model of the zoo. A model refuses options that it does not have. */
export type AnyModelOptions =
  | ModelOptions
  | BookModelOptions
  | ResNetOptions
  | VggOptions
  | AlexNetOptions
  | GoogLeNetOptions
  | MobileNetOptions
  | EfficientNetOptions
  | ConvNextOptions
  | (ModelOptions & Readonly<Record<string, unknown>>);

/** Builds an untrained model. */
// biome-ignore lint/suspicious/noExplicitAny: each model has options of its own, and checks them
export type ModelBuilder = (options?: any) => LayersModel;

interface Entry {
  readonly builder: ModelBuilder;
  readonly recipe?: Recipe | undefined;
}

const { cifar, ...torchvision } = builders;

const prefixed = (
  prefix: string,
  builders: Readonly<Record<string, ModelBuilder>>,
): [string, Entry][] =>
  Object.entries(builders).map(([name, builder]) => {
    const id = `${prefix}${name}`;
    return [id, { builder, recipe: (RECIPES as Record<string, Recipe>)[id] }];
  });

const zoo = () =>
  new Map<string, Entry>([
    ...prefixed('', torchvision),
    ...prefixed('book/', book),
    ...prefixed('cifar/', cifar),
  ]);

/**
 * One registry per process, though an ESM and a CommonJS copy of this package may both be loaded.
 */
const KEY = Symbol.for('deepend.models.registry');
const shared = globalThis as unknown as Record<symbol, Map<string, Entry> | undefined>;
const registry = (): Map<string, Entry> => {
  shared[KEY] ??= zoo();
  return shared[KEY];
};

/**
 * Builds the model with this id, untrained: `[batch, height, width, channels]` → logits `[batch,
 * numClasses]`.
 * @throws RangeError for an unknown id; `listModels()` returns the known ones
 * @example
 * const model = createModel('book/resnet18', { inputShape: [96, 96, 1], numClasses: 10, seed: 1 });
 */
export function createModel(id: string, options: AnyModelOptions = {}): LayersModel {
  return entryOf(id, 'createModel').builder(options);
}

/**
 * The ids of all models, sorted.
 * @param pattern `*` stands for any characters: `listModels('*resnet*')` @default '*'
 */
export function listModels(pattern = '*'): string[] {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
  return [...registry().keys()].filter((id) => new RegExp(`^${escaped}$`).test(id)).sort();
}

/**
 * Adds your own model to `createModel` and `listModels`.
 * @param builder takes `{ inputShape, numClasses, ... }`
 * @param options.recipe the settings to train it with @default none
 * @throws RangeError when another model has the id
 * @example
 * registerModel('mine/tiny', ({ inputShape = [28, 28, 1], numClasses = 10 } = {}) =>
 *   sequential([cifarStem(8), residualStage(8, 1, { firstBlock: true }), classifier(numClasses)], {
 *   inputShape }));
 */
export function registerModel(
  id: string,
  builder: ModelBuilder,
  { recipe }: { recipe?: Recipe } = {},
): void {
  if (typeof id !== 'string' || !/^[\w.-]+(\/[\w.-]+)*$/.test(id)) {
    throw new TypeError(
      `[models] registerModel: expected an id of letters, digits, . _ - and /, such as ` +
        `'mine/model', got '${id}'`,
    );
  }
  if (typeof builder !== 'function')
    throw new TypeError(
      `[models] registerModel: the builder of '${id}' must be a function that makes a model`,
    );
  if (registry().has(id))
    throw new RangeError(
      `[models] registerModel: there is a model '${id}' already; take another id`,
    );
  registry().set(id, { builder, recipe });
}

/**
 * The settings of the book's run of a model, or those that a model was registered with; undefined
 * where there are none.
 */
export function recipeOf(id: keyof typeof RECIPES): Recipe;
export function recipeOf(id: string): Recipe | undefined;
export function recipeOf(id: string): Recipe | undefined {
  return entryOf(id, 'recipeOf').recipe;
}

function entryOf(id: string, asker: string): Entry {
  const entry = registry().get(id);
  if (entry) return entry;
  const near = closest(String(id), listModels());
  const hint = near ? `did you mean '${near}'?` : `there are ${listModels().join(', ')}`;
  throw new RangeError(`[models] ${asker}: there is no model '${id}'; ${hint}`);
}

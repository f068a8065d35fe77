/** Minibatches and loaders: their types, and the checks that they fit a model. */

import {
  areTensors,
  batchSizeOf,
  describeTensors,
  isTensor,
  listTensors,
  type Tensors,
  type TrainingPlan,
} from '@deepend/compiler';
import { formatValue, type Share } from '@deepend/core';
import { dispose, type Tensor, type TensorContainer } from '@tensorflow/tfjs-core';

/**
 * One minibatch: features and labels are each a tensor, a list of tensors or a record of named
 * tensors, with the samples in front. The code that takes it from a loader owns it and disposes it.
 */
export interface Batch<Features extends Tensors = Tensor, Labels extends Tensors = Tensor> {
  /** For images float32 `[batch, height, width, channels]`. */
  readonly features: Features;
  /** For classes int32 `[batch]` of indices, or float32 `[batch, numClasses]` of probabilities. */
  readonly labels: Labels;
  /**
   * Whether new sequences begin with this batch, so that a state that passes from batch to batch
   * starts again. @default false; each epoch starts again in any case
   */
  readonly isNewSequence?: boolean;
}

/** A batch of any features and labels. */
export type AnyBatch = Batch<Tensors, Tensors>;

/** An async iterable that yields one epoch's batches each time it is looped over. */
export interface Loader<Features extends Tensors = Tensor, Labels extends Tensors = Tensor>
  extends AsyncIterable<Batch<Features, Labels>> {
  readonly numSamples: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** Shape of a sample, without the batch: `[height, width, channels]`. */
  readonly inputShape?: readonly number[];
  readonly classNames?: readonly string[];
  /** Tokens of a sample of text: progress then shows perplexity, and tokens per second. */
  readonly tokensPerSample?: number;
  /** Number of classes: every label is below it. */
  readonly numClasses?: number;
  /**
   * The position in the data, as plain JSON. With `restore` a run resumes in the middle of an epoch
   * as if it had not stopped.
   */
  state?(): object;
  /** What decides the batches besides the data, as plain JSON: seed, order, transforms. */
  config?(): object;
  /** What it does to each image, as plain JSON: a run records it, to predict photos later. */
  preprocessing?(): Promise<object>;
  /**
   * How another process makes this loader again, as plain JSON, or `{ reason }` when it cannot.
   * Recorded in `config.json` of a run.
   */
  describe?(): object;
  /** Continues at a position that `state` returned. */
  restore?(state: object): void;
  /**
   * A loader of one part of each batch, at the same position, for training on several processes. It
   * gives as many batches, of which some may have no samples; its numbers are those of whole
   * batches. Without it each process loads whole batches and cuts them.
   * @returns undefined when a part of a batch cannot be loaded by itself
   */
  share?(share: Share): Loader<Features, Labels> | undefined;
}

/** Number of samples of a batch. */
export const countSamples = ({ features }: AnyBatch): number =>
  listTensors(features)[0]?.shape[0] ?? 0;

/** Frees a batch. */
export const disposeBatch = ({ features, labels }: AnyBatch): void =>
  dispose([features, labels] as TensorContainer);

/** A loader of any features and labels. */
export type AnyLoader = Loader<Tensors, Tensors>;

/** @throws TypeError or RangeError when the loader does not fit the model */
export function checkLoader(where: string, loader: AnyLoader, plan: TrainingPlan): void {
  if (typeof loader?.[Symbol.asyncIterator] !== 'function') {
    throw new TypeError(
      `${where}: expected a loader, an async iterable of { features, labels }, got ` +
        `${formatValue(loader)}`,
    );
  }
  for (const key of ['numSamples', 'numBatches', 'batchSize'] as const) {
    if (!Number.isInteger(loader[key]) || loader[key] < 1) {
      throw new RangeError(
        `${where}: expected a loader with "${key}" of at least 1, got ${formatValue(loader[key])}`,
      );
    }
  }
  if (loader.inputShape) checkShape(where, loader.inputShape, plan);
  const classes = loader.numClasses ?? loader.classNames?.length ?? 0;
  if (plan.numClasses !== undefined && classes > plan.numClasses) {
    throw new RangeError(
      `${where}: the loader has ${classes} classes, the model's output ${plan.numClasses}; ` +
        `build it with numClasses: ${classes}`,
    );
  }
}

/**
 * Two lists of classes that differ give the same label another meaning in each, which no accuracy
 * would show.
 * @throws RangeError when both loaders have class names and these differ
 */
export function checkSameClasses(where: string, train: AnyLoader, test: AnyLoader): void {
  compareClasses(where, train.classNames, test.classNames, 'test data');
}

/** The class names of the data that a model was trained on last, in this process. */
const trainedOn = new WeakMap<object, readonly string[]>();

/** Remembers the classes that a model is trained on, for `checkTrainedClasses`. */
export function rememberClasses(model: object, { classNames }: AnyLoader): void {
  if (classNames) trainedOn.set(model, classNames);
  else trainedOn.delete(model);
}

/** @throws RangeError when the loader has other class names than the model's training data */
export function checkTrainedClasses(where: string, model: object, { classNames }: AnyLoader): void {
  compareClasses(where, trainedOn.get(model), classNames, 'data');
}

function compareClasses(
  where: string,
  names: readonly string[] | undefined,
  others: readonly string[] | undefined,
  data: string,
): void {
  const differs = names && others && firstDifference(names, others);
  if (differs === undefined) return;
  throw new RangeError(
    `${where}: expected ${data} with the training data's classes, got class ${differs} ` +
      `${formatValue(names?.[differs])} in the training data and ` +
      `${formatValue(others?.[differs])} in the ${data}; ` +
      "pass the training data's names to both: imageFolder(folder, { classNames }), or " +
      'csvDataset(file, { classNames })',
  );
}

/** The index at which two lists begin to differ; undefined when they are equal. */
export function firstDifference(
  names: readonly string[],
  others: readonly string[],
): number | undefined {
  const { length } = names.length > others.length ? names : others;
  return Array.from({ length }, (_, i) => i).find((i) => names[i] !== others[i]);
}

function checkShape(where: string, shape: readonly number[], { inputShape }: TrainingPlan): void {
  if (!inputShape) return; // a module takes what its forward takes
  const fits =
    shape.length === inputShape.length &&
    inputShape.every((size, i) => size === null || size === shape[i]);
  if (fits) return;
  const expected = inputShape.map((size) => size ?? 'any').join(', ');
  throw new RangeError(
    `${where}: the model takes images of [${expected}], the loader gives [${shape.join(', ')}]; ` +
      'build the model with that inputShape, or resize',
  );
}

/**
 * @param options.checkLabels whether to read each label; after one epoch the loader is trusted
 * @param options.allowContinuous whether labels may be numbers rather than classes, as for losses
 *   of regression
 * @throws TypeError or RangeError when the batch does not fit the model
 */
export function checkBatch(
  where: string,
  batch: AnyBatch,
  plan: TrainingPlan,
  { checkLabels, allowContinuous = false }: { checkLabels: boolean; allowContinuous?: boolean },
): void {
  const { features, labels } = batch ?? {};
  if (!areTensors(features) || !areTensors(labels)) {
    throw new TypeError(
      `${where}: expected batches of { features, labels }, each a tensor, a list or a record of ` +
        `tensors, got features ${describeTensors(features)} and labels ${describeTensors(labels)}`,
    );
  }
  batchSizeOf(`${where}: features`, features);
  const hasOneOutput = plan.numClasses !== undefined && isTensor(labels);
  if (!isTensor(features) || !hasOneOutput) return; // the model and the loss check the rest
  if (features.dtype !== 'float32')
    throw new TypeError(`${where}: expected features of float32, got ${features.dtype}; cast them`);
  checkShape(where, features.shape.slice(1), plan);
  const isContinuous = labels.dtype === 'float32' && labels.shape[0] === features.shape[0];
  if (allowContinuous && isContinuous) return;
  const isSoft = labels.rank === 2; // probabilities of the classes
  const { numClasses = 0 } = plan;
  const expected = isSoft ? [features.shape[0], numClasses] : [features.shape[0]];
  if (labels.shape.join() !== expected.join()) {
    throw new RangeError(
      `${where}: expected labels of [${expected.join(', ')}], got [${labels.shape.join(', ')}]`,
    );
  }
  if (checkLabels && !isSoft) checkClasses(where, labels, numClasses);
}

function checkClasses(where: string, labels: Tensor, numClasses: number): void {
  const values = labels.dataSync();
  const bad = values.findIndex(
    (label) => !(label >= 0 && label < numClasses && Number.isInteger(label)),
  );
  if (bad < 0) return;
  throw new RangeError(
    `${where}: expected labels from 0 to ${numClasses - 1}, the model's classes, got ` +
      `${formatValue(values[bad])} for sample ${bad} of a batch`,
  );
}

/** Restores weights and optimizer from a checkpoint. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { firstDifference } from '../loader';
import type { AnyModel } from '../model';
import type { StepRunner } from '../step-runner';
import { type Checkpoint, type SavedTensor, toTensor } from './file';

/** Options that may change when a run resumes. */
const MUTABLE_KEYS = ['numEpochs', 'lr', 'microBatch', 'clipNorm', 'clipValue', 'fastDevRun'];

type Config = Readonly<Record<string, unknown>>;

/** @throws Error when the checkpoint is of a run with other options */
export function assertSameRun(file: string, { saved, now }: { saved: Config; now: Config }): void {
  const keys = new Set([...Object.keys(saved), ...Object.keys(now)]);
  const differing = [...keys]
    .filter((key) => !MUTABLE_KEYS.includes(key))
    .filter(
      (key) => JSON.stringify(comparable(saved[key])) !== JSON.stringify(comparable(now[key])),
    )
    // The names of classes may also be given to a run, or not be known to it any more.
    .filter((key) => key !== 'classNames' || (saved[key] && now[key]))
    .map((key) => differenceOf(key, saved[key], now[key]));
  if (differing.length === 0) return;
  throw new Error(
    `[trainer] resume: ${file} is of another run: ${differing.join('; ')}; ` +
      'use the same settings, or another folder',
  );
}

function differenceOf(key: string, saved: unknown, now: unknown): string {
  const both = (format: (value: unknown) => string) =>
    `${format(saved)} there, ${format(now)} here`;
  if (key !== 'classNames') return `${key}: ${both(format)}`;
  const at = firstDifference(saved as string[], now as string[]) as number;
  return `class ${at}: ${both((names) => formatValue((names as string[])[at]))}`;
}

/**
 * TensorFlow.js numbers the models and layers that have no name of their own, over the whole
 * process:
 * `sequential_2`, `model3`, `dense_Dense4`. A model that is built again has other numbers.
 */
const COUNTERS = /^(sequential_|model|functional|[a-z][a-z\d_]*_[A-Z][A-Za-z\d]*?)\d+(?=\/|$)/;
const withoutCounter = (name: string) => name.replace(COUNTERS, '$1');
const comparable = (value: unknown) => (typeof value === 'string' ? withoutCounter(value) : value);

/**
 * A checkpoint under the names of a model that is the same but for TensorFlow.js's own counters:
 * its weights are then matched by place and shape. Any other checkpoint stays as it is.
 */
function renameTensors(checkpoint: Checkpoint, model: AnyModel): Checkpoint {
  const weights = checkpoint.tensors.filter(({ name }) => name.startsWith('model/'));
  const savedNames = weights.map(({ name }) => name.slice('model/'.length));
  const names = model.weights.map(({ originalName }) => originalName);
  const known = new Set(savedNames);
  if (names.every((name) => known.has(name))) return checkpoint;
  const isSame =
    names.length === savedNames.length &&
    names.every((name, i) => withoutCounter(name) === withoutCounter(savedNames[i] as string)) &&
    model.weights.every(({ shape }, i) => shape.join() === weights[i]?.shape.join());
  if (!isSame) return checkpoint;
  const newNames = new Map(savedNames.map((name, i) => [name, names[i] as string]));
  const tensors = checkpoint.tensors.map((tensor) => ({
    ...tensor,
    name: renamed(tensor.name, newNames),
  }));
  return { ...checkpoint, tensors };
}

/** `model/WEIGHT`, `ema/WEIGHT` or `optimizer/WEIGHT/SLOT` with the weight's new name. */
function renamed(name: string, newNames: ReadonlyMap<string, string>): string {
  const [kind = '', ...rest] = name.split('/');
  if (kind === 'callback') return name;
  const slot = kind === 'optimizer' ? rest.pop() : undefined;
  const weight = newNames.get(rest.join('/'));
  if (weight === undefined) return name;
  return [kind, weight, ...(slot === undefined ? [] : [slot])].join('/');
}

const format = (value: unknown) =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : formatValue(value);

/**
 * Writes a checkpoint's weights and statistics into a model. Weights are matched by name; when
 * names
 * differ only by TensorFlow.js's own counters (`dense_Dense1`, `dense_Dense2`), by place and shape.
 * @param options.ema whether to prefer the averaged weights, which a run with `emaDecay` evaluates
 *   @default false
 * @param options.where the beginning of errors
 * @throws Error when the model has other weights than the checkpoint; nothing is written then
 * @example
 * const found = await bestCheckpoint('runs/resnet18');
 * if (found) restoreWeights(net, found.checkpoint, { ema: true });
 */
export function restoreWeights(
  model: AnyModel,
  checkpoint: Checkpoint,
  { ema = false, where = '[trainer] restoreWeights' }: { ema?: boolean; where?: string } = {},
): void {
  const { tensors } = renameTensors(checkpoint, model);
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pairs = model.weights.map((weight) => {
    const averaged = ema ? byName.get(`ema/${weight.originalName}`) : undefined;
    const saved = averaged ?? byName.get(`model/${weight.originalName}`);
    const shape = weight.shape.map((size) => size ?? 1);
    if (saved && saved.shape.join() === shape.join()) return { weight, saved };
    const got = saved ? `[${saved.shape.join(', ')}]` : 'none';
    throw new Error(
      `${where}: expected the weight ${weight.originalName} of [${shape.join(', ')}], got ` +
        `${got}; build the same model`,
    );
  });
  tf.tidy(() => {
    for (const { weight, saved } of pairs) weight.write(toTensor(saved));
  });
}

/**
 * Restores model, optimizer and EMA of a run.
 * @throws Error when the model has other weights than the checkpoint; nothing is written then
 */
export function restoreTensors(
  file: string,
  checkpoint: Checkpoint,
  { model, stepRunner }: { model: AnyModel; stepRunner: StepRunner },
): void {
  const { progress, tensors } = renameTensors(checkpoint, model);
  restoreWeights(model, checkpoint, { where: `[trainer] resume: ${file}` });
  tf.tidy(() => {
    stepRunner.optimizer.restore({
      updates: progress.optimizerUpdates,
      slots: tensorsWithPrefix('optimizer', tensors),
    });
    stepRunner.ema?.restore({
      updates: progress.emaUpdates ?? 0,
      weights: tensorsWithPrefix('ema', tensors),
    });
  });
}

/** The tensors whose names begin with `prefix/`, as new tensors under the rest of their names. */
export const tensorsWithPrefix = (
  prefix: string,
  tensors: readonly SavedTensor[],
): Record<string, tf.Tensor> =>
  Object.fromEntries(
    tensors
      .filter(({ name }) => name.startsWith(`${prefix}/`))
      .map((saved) => [saved.name.slice(prefix.length + 1), toTensor(saved)]),
  );

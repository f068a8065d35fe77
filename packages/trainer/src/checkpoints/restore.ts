/** Restores weights and optimizer from a checkpoint. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
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
    .filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(now[key]))
    .map((key) => `${key}: ${format(saved[key])} there, ${format(now[key])} here`);
  if (differing.length === 0) return;
  throw new Error(
    `[trainer] resume: ${file} is of another run: ${differing.join('; ')}; ` +
      'use the same settings, or another folder',
  );
}

const format = (value: unknown) =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : formatValue(value);

/**
 * Writes a checkpoint's weights and statistics into a model.
 * @param options.ema whether to prefer the averaged weights, which a run with `emaDecay` evaluates
 *   @default false
 * @param options.where the beginning of errors
 * @throws Error when the model has other weights than the checkpoint; nothing is written then
 * @example
 * const found = await bestCheckpoint('runs/resnet18');
 * if (found) restoreWeights(net, found.checkpoint, { ema: true });
 */
export function restoreWeights(
  model: LayersModel,
  { tensors }: Checkpoint,
  { ema = false, where = '[trainer] restoreWeights' }: { ema?: boolean; where?: string } = {},
): void {
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
  { model, stepRunner }: { model: LayersModel; stepRunner: StepRunner },
): void {
  const { progress, tensors } = checkpoint;
  restoreWeights(model, checkpoint, { where: `[trainer] resume: ${file}` });
  tf.tidy(() => {
    stepRunner.optimizer.restore({
      updates: progress.optimizerUpdates,
      slots: withPrefix('optimizer', tensors),
    });
    stepRunner.ema?.restore({
      updates: progress.emaUpdates ?? 0,
      weights: withPrefix('ema', tensors),
    });
  });
}

const withPrefix = (prefix: string, tensors: readonly SavedTensor[]): Record<string, tf.Tensor> =>
  Object.fromEntries(
    tensors
      .filter(({ name }) => name.startsWith(`${prefix}/`))
      .map((saved) => [saved.name.slice(prefix.length + 1), toTensor(saved)]),
  );

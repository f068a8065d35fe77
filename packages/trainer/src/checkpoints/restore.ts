/** From a checkpoint back into a run. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { StepRunner } from '../session';
import type { RunProgress } from '../types';
import type { SavedTensor } from './file';

/** Settings that may be other ones when a run goes on. */
const FREE = ['numEpochs', 'lr', 'microBatch', 'clipNorm', 'clipValue', 'fastDevRun'];

/** @throws Error when the run is not the one that the checkpoint is of */
export function refuseOther(
  file: string,
  {
    saved,
    now,
  }: { saved: Readonly<Record<string, unknown>>; now: Readonly<Record<string, unknown>> },
): void {
  const keys = [...new Set([...Object.keys(saved), ...Object.keys(now)])].filter(
    (key) => !FREE.includes(key),
  );
  const differing = keys.filter((key) => JSON.stringify(saved[key]) !== JSON.stringify(now[key]));
  if (differing.length === 0) return;
  const list = differing
    .map((key) => `${key}: ${text(saved[key])} there, ${text(now[key])} here`)
    .join('; ');
  throw new Error(
    `[trainer] resume: ${file} is of another run: ${list}; use the same settings, or another folder`,
  );
}

const text = (value: unknown) =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : formatValue(value);

interface Target {
  readonly net: LayersModel;
  readonly session: StepRunner;
  readonly progress: RunProgress;
}

/** @throws Error when the net's weights are others than the checkpoint's, before any is written */
export function putBack(
  file: string,
  tensors: readonly SavedTensor[],
  { net, session, progress }: Target,
): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pairs = net.weights.map((weight) => {
    const saved = byName.get(`net/${weight.originalName}`);
    const shape = weight.shape.map((size) => size ?? 1);
    if (saved && saved.shape.join() === shape.join()) return { weight, saved };
    const got = saved ? `[${saved.shape.join(', ')}]` : 'nothing';
    throw new Error(
      `[trainer] resume: ${file}: expected the weight ${weight.originalName} of [${shape.join(', ')}], got ${got}; build the same net`,
    );
  });
  tf.tidy(() => {
    for (const { weight, saved } of pairs) weight.write(tensorOf(saved));
    session.optimizer.restore({
      step: progress.optimizerStep,
      slots: section('optimizer', tensors),
    });
    session.ema?.restore({
      updates: progress.averageUpdates ?? 0,
      weights: section('average', tensors),
    });
  });
  session.updates = progress.updates;
  if (progress.microBatch !== undefined) session.part = progress.microBatch;
}

const tensorOf = ({ values, shape, dtype }: SavedTensor) => tf.tensor(values, [...shape], dtype);

const section = (prefix: string, tensors: readonly SavedTensor[]): Record<string, tf.Tensor> =>
  Object.fromEntries(
    tensors
      .filter(({ name }) => name.startsWith(`${prefix}/`))
      .map((saved) => [saved.name.slice(prefix.length + 1), tensorOf(saved)]),
  );

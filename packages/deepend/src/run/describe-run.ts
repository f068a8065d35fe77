/** What a run's `config.json` and `result.json` record. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { isModule } from '@deepend/compiler';
import type { EpochRecord } from '@deepend/core';
import type { AnyLoader, RunInfo, TrainResult } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { version } from '../../package.json';
import { isObject, type RunConfig } from './records';

/**
 * The content of `config.json`: model, device, what `train` was given, the data, versions.
 * @param config what the caller adds; it takes precedence
 */
export async function describeRun(
  info: RunInfo,
  config: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const { model, device, numEpochs, lr, seed, batchSize, numSamples, trainIter } = info;
  const { classNames } = trainIter;
  const gitCommit = findGitCommit();
  return {
    model: model.name,
    // With the number of classes, enough to build a checkpoint's model again without the data.
    ...(!isModule(model) && {
      inputShape: model.inputs[0]?.shape.slice(1),
      numClasses: model.outputs[0]?.shape.at(-1),
    }),
    ...(classNames && { classNames }),
    device: device.name,
    backend: device.backend,
    hardware: device.hardware,
    why: device.why,
    numEpochs,
    lr,
    seed,
    batchSize,
    numSamples,
    training: info.given,
    loaders: await describeLoaders(info),
    versions: { deepend: version, tensorflowjs: tf.version_core, node: process.version },
    ...(gitCommit && { gitCommit }),
    ...withAbsoluteRoot(config),
  };
}

/**
 * How each loader is made again, and how the test loader, or else the training loader, prepares an
 * image, for photos that are predicted later.
 */
async function describeLoaders({ trainIter, testIter }: RunInfo): Promise<object> {
  const testPrepares = testIter?.preprocessing !== undefined;
  const describe = async (loader: AnyLoader, prepares: boolean): Promise<object> => ({
    ...(loader.describe?.() ?? { reason: 'its loader was made by the script' }),
    ...(prepares && (await preprocessingOf(loader, trainIter.classNames))),
  });
  return {
    train: await describe(trainIter, !testPrepares),
    test: testIter && (await describe(testIter, testPrepares)),
  };
}

/** @param known class names that `config.json` has already */
async function preprocessingOf(loader: AnyLoader, known: AnyLoader['classNames']): Promise<object> {
  const found = await loader.preprocessing?.();
  if (!found) return {};
  const { classNames, ...steps } = found as { classNames?: readonly string[] };
  return { preprocessing: { ...steps, ...(!known && classNames && { classNames }) } };
}

/** What `describeRun` recorded of the preparation of images. */
export function recordedPreprocessing({ loaders, preprocessing }: RunConfig): unknown {
  const recorded = [loaders?.test, loaders?.train].find(
    (loader) => isObject(loader) && loader.preprocessing !== undefined,
  );
  return isObject(recorded) ? recorded.preprocessing : preprocessing; // of earlier versions
}

/** A later command finds the data from any working directory. */
export function withAbsoluteRoot<T extends object>(settings: T): T {
  const { root, task, data } = settings as { root?: unknown; task?: unknown; data?: unknown };
  const isText = task === 'language-model' && typeof data === 'string';
  return {
    ...settings,
    ...(typeof root === 'string' && { root: path.resolve(root) }),
    ...(isText && { data: path.resolve(data) }),
  };
}

/** The content of `result.json`: the figures of the last epoch, and the best test accuracy. */
export function describeResult(result: TrainResult): Record<string, unknown> {
  const { history, samplesPerSecond, steps, stopped } = result;
  const last = history.at(-1);
  const best = history.reduce<EpochRecord | undefined>(
    (a, b) => (b.testAcc !== null && b.testAcc > (a?.testAcc ?? -1) ? b : a),
    undefined,
  );
  return {
    epochs: history.length,
    ...(steps !== undefined && { steps }),
    ...(last && {
      loss: last.loss,
      trainAcc: last.trainAcc,
      testLoss: last.testLoss,
      testAcc: last.testAcc,
      ...(last.metrics && { metrics: last.metrics }),
    }),
    ...(best && { best: { epoch: best.epoch, testAcc: best.testAcc } }),
    seconds: history.reduce((sum, { seconds }) => sum + seconds, 0),
    samplesPerSecond,
    stopped,
  };
}

/** The commit of the working directory; undefined outside a repository. */
function findGitCommit(): string | undefined {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2000,
    }).trim();
  } catch {
    return undefined;
  }
}

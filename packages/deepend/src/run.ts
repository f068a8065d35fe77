import { execFileSync } from 'node:child_process';
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { toJsonl } from '@deepend/core';
import { saveModel } from '@deepend/models';
import { curves } from '@deepend/plot';
import {
  type Callback,
  type CheckpointOptions,
  checkpoints,
  type RunInfo,
  type TrainResult,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { version } from '../package.json';
import { writeWhole } from './files';
import { stepsFile } from './steps-file';

export interface SaveRunOptions {
  /**
   * When to write checkpoints, or `false` for none. @default at the end of each epoch, the newest
   * two kept
   */
  checkpoints?: CheckpointOptions | false;
  /**
   * What Ctrl-C does once the step is done and saved: ends the process with 130, or the run alone.
   * @default 'exit'
   */
  onInterrupt?: 'exit' | 'stop';
}

const WHERE = '[deepend] saveRun';
const INTERRUPTED = 'interrupted';

/**
 * A callback that fills a run's directory: `config.json` before the first step; `history.jsonl`, a
 * line an epoch; `steps.jsonl`, some five lines
 * an epoch, by which others see where it stands; `checkpoints/`, from which `train(..., { resume:
 * dir })` goes on; at the end `curves.svg`,
 * `curves.png` and `net/`, which stock TensorFlow.js loads. A run that was there before is
 * replaced, unless this one goes on from it. Ctrl-C ends
 * the step, saves, says how to go on and exits with 130; a second one ends at once.
 * @param config whatever else `config.json` should tell: the loader's options, the net's
 * @throws Error before training when the folder cannot be written
 * @example
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.05, callbacks:
 * [saveRun('runs/resnet18')] });
 */
export function saveRun(
  dir: string,
  config: Readonly<Record<string, unknown>> = {},
  { checkpoints: when = {}, onInterrupt = 'exit' }: SaveRunOptions = {},
): Callback {
  const at = (name: string) => path.join(dir, name);
  const saver = when === false ? undefined : checkpoints(dir, when);
  const steps = stepsFile(at('steps.jsonl'));
  const history: EpochRecord[] = [];
  let run: RunInfo | undefined;
  let release = () => {};
  return {
    onTrainBegin: async (info) => {
      run = info;
      history.splice(0, history.length, ...info.history);
      const startedAt =
        (info.resumed && (await startOf(at('config.json')))) || new Date().toISOString();
      if (!info.resumed) await clear(dir);
      await fs.remove(at('result.json')); // what goes on has not come to its end
      await writeWhole(
        WHERE,
        at('config.json'),
        `${JSON.stringify({ ...configOf(info, config), startedAt }, null, 2)}\n`,
      );
      // A kill between the two writes may have left a line more, or less, than the checkpoint
      // knows.
      if (history.length > 0) await writeWhole(WHERE, at('history.jsonl'), toJsonl(history));
      else await fs.remove(at('history.jsonl'));
      await steps.begin(info);
      await saver?.onTrainBegin?.(info);
      release = onSignal(() => info.control.stop(INTERRUPTED, { toGoOn: true }));
    },
    onEpochBegin: () => steps.beginEpoch(),
    onStep: async (record) => {
      await steps.step(record);
      await saver?.onStep?.(record);
    },
    onEpochEnd: async (record) => {
      history.push(record);
      await writeWhole(WHERE, at('history.jsonl'), toJsonl(history));
      await saver?.onEpochEnd?.(record);
    },
    onFailure: async (error) => {
      release();
      if (run) await steps.end('failed', (error as Error).message);
    },
    onTrainEnd: async (result) => {
      release();
      if (result.stopped === INTERRUPTED) {
        await steps.end('interrupted');
        await interrupted(dir, saver, onInterrupt);
      } else if (run) await finish(at, { history, run, result });
    },
  };
}

/** The first Ctrl-C does `work`; the second ends the process. */
function onSignal(work: () => void): () => void {
  let asked = false;
  const listener = () => {
    if (asked) process.exit(130);
    asked = true;
    console.error('\ninterrupted: ending the step and saving; once more to end at once');
    work();
  };
  process.on('SIGINT', listener);
  return () => process.removeListener('SIGINT', listener);
}

async function interrupted(
  dir: string,
  saver: { save(): Promise<string> } | undefined,
  onInterrupt: 'exit' | 'stop',
) {
  if (saver) {
    await saver.save();
    console.error(
      `saved; go on with: npx deepend resume ${dir}\nor, in a script: train(..., { resume: '${dir}' })`,
    );
  }
  if (onInterrupt === 'exit') process.exit(130);
}

async function finish(
  at: (name: string) => string,
  { history, run, result }: { history: readonly EpochRecord[]; run: RunInfo; result: TrainResult },
): Promise<void> {
  if (history.length > 0) {
    const picture = curves(history);
    await picture.save(at('curves.svg'));
    await picture.save(at('curves.png'));
  }
  await saveModel(run.model, at('net'));
  const { samplesPerSecond, stopped } = result;
  const done = {
    epochs: history.length,
    samplesPerSecond,
    ...(stopped !== undefined && { stopped }),
  };
  await writeWhole(WHERE, at('result.json'), `${JSON.stringify(done, null, 2)}\n`);
}

function configOf(
  info: RunInfo,
  config: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const { model: net, device, numEpochs, lr, seed, batchSize, numSamples } = info;
  const { name, backend: engine, hardware, why } = device;
  const commit = gitCommit();
  return {
    net: net.name,
    inputShape: net.inputs[0]?.shape.slice(1), // with the classes: what a checkpoint's net is built again from, without the data
    numClasses: net.outputs[0]?.shape.at(-1),
    ...{ device: name, engine, hardware, why, numEpochs, lr, seed, batchSize, numSamples },
    training: info.config,
    versions: { deepend: version, tensorflowjs: tf.version_core, node: process.version },
    ...(commit && { gitCommit: commit }),
    ...config,
  };
}

/** When a run began that goes on now; undefined where its config does not say. */
async function startOf(file: string): Promise<string | undefined> {
  const before = (await fs.readJson(file).catch(() => undefined)) as
    | { startedAt?: string }
    | undefined;
  return before?.startedAt;
}

/** Of the folder that the run was started in; undefined outside a repository. */
function gitCommit(): string | undefined {
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

const LEFT = [
  'config.json',
  'history.jsonl',
  'steps.jsonl',
  'curves.svg',
  'curves.png',
  'net',
  'checkpoints',
  'result.json',
  'tensorboard',
  'report.html',
  'exports',
];

/** Removes what an earlier run left, and nothing else: the folder may hold a person's notes. */
async function clear(dir: string): Promise<void> {
  try {
    await fs.ensureDir(dir);
    for (const name of LEFT) await fs.remove(path.join(dir, name));
  } catch (cause) {
    throw new Error(
      `${WHERE}: cannot write ${dir}: ${(cause as Error).message}; name another folder`,
      { cause },
    );
  }
}

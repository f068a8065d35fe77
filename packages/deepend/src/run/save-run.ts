/** The callback that writes a run's folder. */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { isModule } from '@deepend/compiler';
import {
  appendToFile,
  lockFolder,
  releaseLiveOutput,
  toJsonl,
  writeFileAtomic,
} from '@deepend/core';
import { saveArchitecture, saveModel } from '@deepend/models';
import { curves } from '@deepend/plot';
import {
  type Callback,
  type CheckpointOptions,
  checkpoints,
  INTERRUPTED,
  type RunInfo,
  type TrainResult,
} from '@deepend/trainer';
import { describeResult, describeRun } from './describe-run';
import { type RunFile, runFile } from './layout';
import { checkRunFolder, removeLeftovers, removeRunFiles } from './prepare-folder';
import { parseObject } from './records';
import { StepsWriter } from './steps-writer';

export interface SaveRunOptions {
  /**
   * When to write checkpoints, or `false` for none. @default at the end of each epoch, keeping the
   * newest two
   */
  checkpoints?: CheckpointOptions | false;
  /**
   * What Ctrl-C, SIGTERM and SIGHUP do after the current step is finished and saved: `exit` ends
   * the
   * process with code 130, 143 or 129, `stop` ends only the run. @default 'exit'
   */
  onInterrupt?: 'exit' | 'stop';
  /**
   * Whether to remove an earlier run in the folder. Files that deepend did not write always stay.
   * @default false
   */
  overwrite?: boolean;
}

const WHERE = '[deepend] saveRun';
const WRITING = { where: WHERE, hint: 'free the disk or name another folder' };

/**
 * A callback that writes a run's folder: `config.json` before the first step; `history.jsonl`, a
 * line an epoch; `steps.jsonl`, about five lines an epoch, from which other programs see the
 * progress; `checkpoints/`, from which `train(..., { resume: dir })` resumes; and at the end
 * `model/`, which stock TensorFlow.js loads, `result.json`, `curves.svg` and `curves.png`. The
 * first Ctrl-C, SIGTERM or SIGHUP finishes the step, saves, prints how to resume and exits with
 * 130,
 * 143 or 129; a second one exits at once.
 * @param config what `config.json` should record in addition, such as the loader's options
 * @throws Error before training when the folder cannot be written, holds an earlier run (see
 *   `overwrite`) or files of another origin, or when another process is training into it
 * @example
 * await train(net, trainIter, testIter, {
 *   numEpochs: 10,
 *   lr: 0.05,
 *   callbacks: [saveRun('runs/resnet18')],
 * });
 */
export function saveRun(
  dir: string,
  config: Readonly<Record<string, unknown>> = {},
  { checkpoints: when = {}, onInterrupt = 'exit', overwrite = false }: SaveRunOptions = {},
): Callback {
  const saver = when === false ? undefined : checkpoints(dir, when);
  const steps = new StepsWriter(runFile(dir, 'steps'));
  let run: RunInfo | undefined;
  let removeListeners = () => {};
  let exitCode = 130;
  let unlock = async () => {};
  return {
    name: 'saveRun',
    onTrainBegin: async (info) => {
      unlock = await prepareFolder(dir, { resumed: info.resumed, overwrite });
      run = info; // the folder is this run's: from here on, its failure is recorded there
      await beginFolder(dir, info, { checkpoints: when, ...config });
      await steps.begin(info);
      await saver?.onTrainBegin?.(info);
      const interrupt = (code: number) => {
        exitCode = code;
        info.control.stop(INTERRUPTED, { resumable: true });
      };
      removeListeners = onSignals(interrupt);
    },
    onEpochBegin: () => steps.beginEpoch(),
    onStep: async (record) => {
      await steps.step(record);
      await saver?.onStep?.(record);
    },
    // An interrupted run is saved at its end.
    onStopWithinEpoch: async (record) => {
      if (!run?.control.resumable) await saver?.onStopWithinEpoch?.(record);
    },
    onEvaluationBegin: (record) => saver?.onEvaluationBegin?.(record),
    onEpochEnd: async (record) => {
      await appendToFile(runFile(dir, 'history'), toJsonl([record]), WRITING);
      await saver?.onEpochEnd?.(record);
    },
    onFailure: async (error) => {
      removeListeners();
      try {
        if (run) await steps.end('failed', (error as Error).message);
      } finally {
        await unlock();
      }
    },
    onTrainEnd: async (result) => {
      removeListeners();
      if (result.stopped === INTERRUPTED) {
        await steps.end('interrupted');
        await saveInterrupted(dir, saver);
        await unlock();
        if (onInterrupt === 'exit') process.exit(exitCode);
      } else {
        if (run) await endFolder(dir, run, result);
        await unlock();
      }
    },
  };
}

/** Locks the folder and removes an earlier run. @returns unlocks it */
async function prepareFolder(
  dir: string,
  use: { resumed: boolean; overwrite: boolean },
): Promise<() => Promise<void>> {
  const unlock = await withAdvice(dir, async () => {
    await mkdir(dir, { recursive: true });
    return lockFolder(WHERE, dir);
  });
  try {
    await checkRunFolder(WHERE, dir, use);
    if (!use.resumed) await withAdvice(dir, () => removeRunFiles(dir));
    await withAdvice(dir, () => removeLeftovers(dir));
    return unlock;
  } catch (error) {
    await unlock();
    throw error;
  }
}

/** Adds to an error of the file system which folder it was and what to do. */
async function withAdvice<T>(dir: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new Error(`${WHERE}: cannot write ${dir}: ${message}; name another folder`, { cause });
  }
}

/** Writes the config, and makes the other files match what the run resumes from, if anything. */
async function beginFolder(
  dir: string,
  info: RunInfo,
  config: Readonly<Record<string, unknown>>,
): Promise<void> {
  const startedAt = (info.resumed && (await readStartedAt(dir))) || new Date().toISOString();
  await rm(runFile(dir, 'result'), { force: true }); // a run that is resumed has not ended
  await writeJson(dir, 'config', { ...(await describeRun(info, config)), startedAt });
  await writeArchitecture(dir, info.model);
  // A process killed between two writes may have left a line more, or fewer, than the checkpoint.
  const history = runFile(dir, 'history');
  if (info.history.length > 0) await writeFileAtomic(history, toJsonl(info.history), WRITING);
  else await rm(history, { force: true });
}

/** Without it, which only layers of the script's own prevent, checkpoints need their script. */
async function writeArchitecture(dir: string, model: RunInfo['model']): Promise<void> {
  const file = runFile(dir, 'architecture');
  await rm(file, { force: true });
  if (isModule(model)) return; // its code is the script's
  try {
    model.toJSON(undefined, false);
  } catch {
    return; // a layer without getConfig()
  }
  await saveArchitecture(model, file);
}

/** Saves the model and the result before any picture, so that a failing picture loses nothing. */
async function endFolder(dir: string, run: RunInfo, result: TrainResult): Promise<void> {
  const { history } = result;
  await saveModel(run.model, runFile(dir, 'model'));
  await writeJson(dir, 'result', describeResult(result));
  if (history.length === 0) return;
  for (const file of ['curvesSvg', 'curvesPng'] as const) {
    try {
      await curves(history).save(runFile(dir, file));
    } catch (error) {
      console.warn(
        `${WHERE}: the run is saved, but ${runFile(dir, file)} could not be drawn: ` +
          `${(error as Error).message}; deepend plot ${dir} draws the curves later`,
      );
    }
  }
}

const writeJson = (dir: string, file: RunFile, value: object) =>
  writeFileAtomic(runFile(dir, file), `${JSON.stringify(value, null, 2)}\n`, WRITING);

/** The signals that end a run, and the exit codes that shells expect after them. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/**
 * The first signal (Ctrl-C; `docker stop`, `kubectl delete`; a closed terminal) calls `stop`, the
 * second ends the process.
 * @returns removes the listeners
 */
function onSignals(stop: (exitCode: number) => void): () => void {
  const signals = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];
  let stopping = false;
  const listener = (signal: keyof typeof EXIT_CODES) => {
    releaseLiveOutput(); // the message, or the prompt, stands on a line of its own
    if (stopping) process.exit(EXIT_CODES[signal]);
    stopping = true;
    if (process.stderr.isTTY) console.error(); // below the ^C of the terminal
    console.error('interrupted: finishing the step and saving; Ctrl-C again exits at once');
    stop(EXIT_CODES[signal]);
  };
  for (const signal of signals) process.on(signal, listener as NodeJS.SignalsListener);
  return () => {
    for (const signal of signals)
      process.removeListener(signal, listener as NodeJS.SignalsListener);
  };
}

async function saveInterrupted(
  dir: string,
  saver: { save(): Promise<string> } | undefined,
): Promise<void> {
  if (!saver) return;
  await saver.save();
  console.error(
    `saved; resume with: npx deepend resume ${dir}\n` +
      `or, in a script: train(..., { resume: '${dir}' })`,
  );
}

/** When a resumed run was first started; undefined if its config does not say. */
async function readStartedAt(dir: string): Promise<string | undefined> {
  const text = await readFile(runFile(dir, 'config'), 'utf8').catch(() => undefined);
  const startedAt = parseObject(text)?.startedAt;
  return typeof startedAt === 'string' ? startedAt : undefined;
}

/** Resumes a run that a script started, from what its folder records. */
import {
  type Callback,
  type CheckpointOptions,
  newestCheckpoint,
  type TrainResult,
  train,
} from '@deepend/trainer';
import { startDevice } from '../start-device';
import { isUnavailable, type Run, type Unavailable } from './read-run';
import { isObject } from './records';
import { loadRecorded } from './run-data';
import { buildAgain } from './run-model';
import { saveRun } from './save-run';
import { NotDescribedError, trainOptionsFrom } from './script-options';

/** What `saveRun` writes of each run; the other fields are what the script gave it. */
const WRITTEN = [
  ...['model', 'inputShape', 'numClasses', 'classNames', 'device', 'backend', 'hardware', 'why'],
  ...['numEpochs', 'lr', 'seed', 'batchSize', 'numSamples', 'training', 'loaders'],
  ...['versions', 'gitCommit', 'startedAt', 'preprocessing', 'checkpoints'],
];

export interface ResumeScriptOptions {
  /** Total number of epochs. @default the run's own */
  numEpochs?: number | undefined;
  progress: boolean;
  callbacks: readonly Callback[];
}

/**
 * Trains on from the newest checkpoint with the model, the data and the options of the script.
 * @throws Error when the folder does not describe one of them; it says how the script resumes
 */
export async function resumeScriptRun(
  run: Run,
  { numEpochs, progress, callbacks }: ResumeScriptOptions,
): Promise<TrainResult> {
  const { dir, config } = run;
  const options = readOptions(run);
  if (!(await newestCheckpoint(dir)))
    throw cannotResume(run, 'it has no checkpoint yet, so nothing would be resumed');
  await startDevice(nameOfDevice(run));
  const trainIter = requirePart(run, await loadRecorded(run, 'train', { progress }));
  const hasTest = config.loaders?.test !== null;
  const testIter = hasTest ? requirePart(run, await loadRecorded(run, 'test', { progress })) : null;
  const model = requirePart(run, await buildAgain(run));
  const own = Object.entries(config).filter(([name]) => !WRITTEN.includes(name));
  const checkpoints = config.checkpoints as CheckpointOptions | undefined;
  return train(model, trainIter, testIter, {
    ...options,
    ...(numEpochs !== undefined && { numEpochs }),
    progress,
    resume: dir,
    callbacks: [
      saveRun(dir, Object.fromEntries(own), isObject(checkpoints) ? { checkpoints } : {}),
      ...(options.callbacks ?? []),
      ...callbacks,
    ],
  });
}

function readOptions(run: Run) {
  const { training } = run.config;
  if (!training) throw cannotResume(run, 'config.json does not say how it was trained');
  try {
    return trainOptionsFrom(training);
  } catch (error) {
    if (error instanceof NotDescribedError) throw cannotResume(run, error.message);
    throw error;
  }
}

/** The device that computed before, since another one rounds otherwise. */
const nameOfDevice = ({ config: { device = 'auto', backend } }: Run): string =>
  device === 'cpu' && backend !== undefined ? backend : device;

function requirePart<T extends object>(run: Run, found: T | Unavailable): T {
  if (isUnavailable(found)) throw cannotResume(run, found.reason);
  return found;
}

const cannotResume = ({ dir }: Run, reason: string) =>
  new Error(
    `${dir}: a script started this run, and the command line cannot resume it: ` +
      `${reason.replace(/^a script started this run, (and|so) /, '')}; resume it in the script: ` +
      `train(net, trainIter, testIter, { ..., resume: '${dir}' })`,
  );

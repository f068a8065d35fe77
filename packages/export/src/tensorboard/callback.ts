/** A callback that writes curves for TensorBoard during training. */
import { hostname } from 'node:os';
import path from 'node:path';
import {
  appendToFile,
  checkOptions,
  type EpochRecord,
  formatValue,
  rule,
  type StepRecord,
  writeFileAtomic,
} from '@deepend/core';
import { scalarRecord, sessionRecord, versionRecord } from './event-file';

const WHERE = '[export] tensorBoard';
/** The methods of a trainer's callback that write the event file. */
export interface TensorBoardCallback {
  readonly name: string;
  onTrainBegin(run: { readonly resumed: boolean }): Promise<void>;
  onStep(record: StepRecord): Promise<void>;
  onEpochEnd(record: EpochRecord): Promise<void>;
}

const rules = rule.object({ everySteps: rule.positiveInteger().optional() });

let files = 0; // two runs of a process may start in the same second

/**
 * Writes an event file into `dir` for TensorBoard (`tensorboard --logdir DIR`), with the scalars
 * train/loss, train/accuracy, test/loss, test/accuracy, lr, samples_per_second, and test/NAME of
 * each metric that is a number; the x-axis is in steps. Each run has its own file. A resumed run
 * replaces the interrupted run's values from its first step on. A file can be read even when the
 * process was killed while writing.
 * @example
 * await train(model, trainIter, testIter, { numEpochs: 10, lr: 0.1, callbacks:
 * [tensorBoard('boards/a')] });
 * @param settings.everySteps number of steps between values within an epoch; the end of each epoch
 *   is always written @default 50
 * @throws Error before training when the folder cannot be written
 */
export function tensorBoard(
  dir: string,
  settings: { everySteps?: number } = {},
): TensorBoardCallback {
  const { everySteps = 50 } = checkOptions(WHERE, rules, settings);
  if (typeof dir !== 'string' || dir === '')
    throw new TypeError(`${WHERE}: expected the name of a folder, got ${formatValue(dir)}`);
  let file = '';
  let steps = 0; // of the whole run
  let mustMarkResume = false; // whether the record of a resumed session is still to be written
  const now = () => Date.now() / 1000;
  const write = (step: number, scalars: Record<string, number>) =>
    appendToFile(file, scalarRecord({ wallTime: now(), step, scalars }), { where: WHERE });
  return {
    name: 'tensorBoard',
    async onTrainBegin({ resumed }) {
      file = path.join(
        dir,
        `events.out.tfevents.${Math.floor(now())}.${hostname()}.${process.pid}.${files++}`,
      );
      steps = 0;
      mustMarkResume = resumed;
      await writeFileAtomic(file, versionRecord(now()), { where: WHERE });
    },
    async onStep({ step, numBatches, globalStep, loss, trainAcc, lr }) {
      steps = globalStep;
      if (mustMarkResume)
        await appendToFile(file, sessionRecord({ wallTime: now(), step: globalStep }), {
          where: WHERE,
        });
      mustMarkResume = false;
      const isLast = step === numBatches; // the epoch's own record follows
      if (globalStep % everySteps === 0 && !isLast)
        await write(globalStep, { 'train/loss': loss, 'train/accuracy': trainAcc, lr });
    },
    async onEpochEnd(record) {
      await write(steps, epochScalars(record));
    },
  };
}

/** An epoch's scalars by their tags; values that are not numbers are left out. */
export function epochScalars(record: EpochRecord): Record<string, number> {
  const { loss, trainAcc, testLoss, testAcc, lr, samplesPerSecond, metrics = {} } = record;
  const named = {
    'train/loss': loss,
    'train/accuracy': trainAcc,
    'test/loss': testLoss,
    'test/accuracy': testAcc,
    lr,
    samples_per_second: samplesPerSecond,
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`test/${name}`, value])),
  };
  return Object.fromEntries(
    Object.entries(named).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    ),
  );
}

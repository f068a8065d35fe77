/** The callback that writes checkpoints. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { EpochRecord, StepRecord } from '@deepend/core';
import { checkOptions, rule } from '@deepend/core';
import type { Callback, RunControl, RunInfo, RunState } from '../callbacks/callback';
import {
  type BestValue,
  readCheckpoint,
  readCheckpointHeader,
  type SavedTensor,
  writeCheckpoint,
} from './file';
import {
  BEST_MONITORS,
  type BestMonitor,
  bestName,
  compareBest,
  findOtherRun,
  listBestCheckpoints,
  listCheckpoints,
  prepareFolder,
  type RankedCheckpoint,
  stepName,
} from './folder';

const WHERE = '[trainer] checkpoints';

export interface CheckpointOptions {
  /** Number of epochs from one checkpoint to the next. @default 1 */
  everyEpochs?: number;
  /** Also save every so often within an epoch: number of steps. @default never */
  everySteps?: number;
  /** Also save after a step when the last checkpoint is this many seconds old. @default never */
  everySeconds?: number;
  /** Number of newest checkpoints to keep. @default 2 */
  keep?: number;
  /** Number of best checkpoints to keep besides, as `best-….ckpt`. @default 0 */
  best?: number;
  /** What ranks the best checkpoints. @default 'testAcc', or 'loss' without a test set */
  monitor?: BestMonitor;
}

const rules = rule.object({
  everyEpochs: rule.positiveInteger().optional(),
  everySteps: rule.positiveInteger().optional(),
  everySeconds: rule.positiveNumber().optional(),
  keep: rule.positiveInteger().optional(),
  best: rule.nonNegativeInteger().optional(),
  monitor: rule.oneOf(BEST_MONITORS).optional(),
});

/**
 * A callback that writes checkpoints to `dir/checkpoints`: all that `train(..., { resume: dir })`
 * needs to continue as if the run had not stopped. If the process is killed at any moment, only the
 * work since the last checkpoint is lost.
 * A checkpoint whose weights or loss are not finite is never written. Of the files in the folder
 * only
 * older ones that this run wrote are ever removed.
 * @returns the callback, with `save()` to write a checkpoint at once
 * @throws Error before training when the folder cannot be written, or has checkpoints of a run that
 *   this one does not resume
 * @example
 * await train(net, trainIter, testIter, {
 *   numEpochs: 10,
 *   lr: 0.05,
 *   callbacks: [checkpoints('runs/resnet18', { everySeconds: 60, best: 1 })],
 * });
 */
export function checkpoints(
  dir: string,
  options: CheckpointOptions = {},
): Callback & { save(): Promise<string> } {
  const writer = new CheckpointWriter(path.join(dir, 'checkpoints'), options);
  return {
    name: 'checkpoints',
    save: () => writer.save(),
    onTrainBegin: (run) => writer.begin(run),
    onStep: (record) => writer.endStep(record),
    onStopWithinEpoch: () => writer.endWithinEpoch(),
    onEvaluationBegin: ({ epoch }) => writer.beginEvaluation(epoch),
    onEpochEnd: (record) => writer.endEpoch(record),
  };
}

class CheckpointWriter {
  readonly #folder: string;
  readonly #options: CheckpointOptions;
  #control: RunControl | undefined;
  #runId = '';
  /** The valid checkpoints of this run, which may be removed when newer ones are written. */
  #steps: { readonly file: string; readonly globalStep: number }[] = [];
  #numEpochs = 0;
  #savedAt = 0; // milliseconds
  #isDue = false; // a checkpoint waits until accumulated gradients make an update
  #ranking: RankedCheckpoint[] = [];

  constructor(folder: string, options: CheckpointOptions) {
    this.#folder = folder;
    this.#options = checkOptions(WHERE, rules, options);
  }

  async begin(run: RunInfo): Promise<void> {
    this.#control = run.control;
    this.#numEpochs = run.numEpochs;
    this.#savedAt = performance.now();
    this.#runId = run.runId;
    await prepareFolder(this.#folder);
    const other = await findOtherRun(this.#folder, run.runId);
    if (other) {
      throw new Error(
        `${WHERE}: ${other} is of another run; resume that run (option "resume"), name another ` +
          'folder, or delete its checkpoints',
      );
    }
    this.#steps = await this.#listValidSteps();
    const ranked = await listBestCheckpoints(this.#folder);
    this.#ranking = ranked.filter(({ runId }) => runId === run.runId);
  }

  async #listValidSteps(): Promise<{ file: string; globalStep: number }[]> {
    const valid: { file: string; globalStep: number }[] = [];
    for (const file of await listCheckpoints(this.#folder)) {
      const checkpoint = await readCheckpoint(file).catch(() => undefined);
      if (checkpoint) valid.push({ file, globalStep: checkpoint.progress.globalStep });
    }
    return valid;
  }

  async endStep({ globalStep, step, numBatches, loss }: StepRecord): Promise<void> {
    const { everySteps, everySeconds } = this.#options;
    if (!Number.isFinite(loss)) return; // the run is about to fail; keep the checkpoints before
    if (step === numBatches) return; // the end of the epoch saves
    const bySteps = everySteps !== undefined && globalStep % everySteps === 0;
    const bySeconds =
      everySeconds !== undefined && performance.now() - this.#savedAt >= everySeconds * 1000;
    this.#isDue ||= bySteps || bySeconds;
    if (this.#isDue && this.#control?.settled) await this.#trySave();
  }

  /** A run that a time limit or a callback stopped is resumed from its last step. */
  async endWithinEpoch(): Promise<void> {
    if (this.#control?.settled) await this.#trySave();
  }

  /** Evaluation may fail, for example because memory is too small: nothing is lost then. */
  async beginEvaluation(epoch: number): Promise<void> {
    if (this.#isEpochDue(epoch)) await this.#trySave();
  }

  async endEpoch(record: EpochRecord): Promise<void> {
    const { best = 0 } = this.#options;
    if (best > 0) await this.#saveBest(record, best);
    if (this.#isEpochDue(record.epoch)) await this.#trySave();
  }

  #isEpochDue(epoch: number): boolean {
    const { everyEpochs = 1 } = this.#options;
    return epoch % everyEpochs === 0 || epoch === this.#numEpochs;
  }

  /**
   * Writes a checkpoint, and removes those that are too old to keep.
   * @returns its path
   * @throws Error when weights or loss are not finite; the checkpoints before stay
   */
  async save(): Promise<string> {
    if (!this.#control) throw new Error(`${WHERE}: save() came before the run began`);
    const state = await this.#control.state();
    const { globalStep } = state.progress;
    const file = path.join(this.#folder, stepName(globalStep));
    await this.#write(file, state);
    this.#savedAt = performance.now();
    this.#isDue = false;
    this.#steps = [...this.#steps.filter((one) => one.file !== file), { file, globalStep }];
    await this.#removeOld(globalStep);
    return file;
  }

  /** Keeps the newest checkpoints up to the present one; newer ones are never removed. */
  async #removeOld(globalStep: number): Promise<void> {
    const { keep = 2 } = this.#options;
    const past = this.#steps.filter((one) => one.globalStep <= globalStep);
    past.sort((a, b) => a.globalStep - b.globalStep);
    const old = past.slice(0, -keep);
    for (const { file } of old) await this.#remove(file);
    this.#steps = this.#steps.filter((one) => !old.includes(one));
  }

  /** Removes a file if it still is a checkpoint of this run. */
  async #remove(file: string): Promise<void> {
    const header = await readCheckpointHeader(file);
    if (header?.progress.runId === this.#runId) await rm(file, { force: true });
  }

  /** Saves, or warns when the weights or the loss are not finite. */
  async #trySave(): Promise<void> {
    try {
      await this.save();
    } catch (error) {
      if (!(error instanceof NotFiniteError)) throw error;
      this.#savedAt = performance.now();
      this.#isDue = false;
      console.warn(error.message);
    }
  }

  /** Writes a checkpoint when the epoch is one of the `count` best so far. */
  async #saveBest(record: EpochRecord, count: number): Promise<void> {
    const monitor = this.#options.monitor ?? (record.testAcc === null ? 'loss' : 'testAcc');
    const value = record[monitor];
    if (value === null || !Number.isFinite(value) || !this.#control) return;
    const compare = (a: number, b: number) => compareBest(monitor, a, b);
    const worst = this.#ranking.at(-1);
    if (worst && this.#ranking.length >= count && compare(worst.value, value) <= 0) return;
    const file = path.join(this.#folder, bestName(record.epoch, monitor, value));
    try {
      await this.#write(file, await this.#control.state(), { monitor, value });
    } catch (error) {
      if (error instanceof NotFiniteError) return; // the epoch's own checkpoint warns
      throw error;
    }
    // A run that was killed just after this file was written has it in its ranking already.
    const others = this.#ranking.filter((one) => one.file !== file);
    const ranking = [...others, { file, monitor, value, runId: this.#runId }];
    ranking.sort((a, b) => compare(a.value, b.value));
    for (const removed of ranking.splice(count)) await this.#remove(removed.file);
    this.#ranking = ranking;
  }

  async #write(file: string, { progress, tensors }: RunState, best?: BestValue): Promise<void> {
    const saved = await readTensors(tensors);
    const bad = Number.isFinite(progress.totals[0])
      ? saved.find(({ values }) => !areFinite(values))?.name
      : 'the loss';
    if (bad !== undefined)
      throw new NotFiniteError(
        `${WHERE}: ${path.basename(file)} is not written, since ${bad} is not finite; ` +
          'the checkpoints before it stay; lower the learning rate',
      );
    await writeCheckpoint(file, { progress, tensors: saved, ...(best && { best }) });
  }
}

/** Weights or loss are NaN or infinite. */
class NotFiniteError extends Error {}

function areFinite(values: Float32Array | Int32Array): boolean {
  for (const value of values) if (!Number.isFinite(value)) return false;
  return true;
}

async function readTensors(tensors: RunState['tensors']): Promise<SavedTensor[]> {
  const saved: SavedTensor[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    saved.push({
      name,
      dtype: tensor.dtype as 'float32' | 'int32',
      shape: tensor.shape,
      values: (await tensor.data()) as Float32Array | Int32Array,
    });
  }
  return saved;
}

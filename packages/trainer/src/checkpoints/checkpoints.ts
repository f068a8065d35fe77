/** The callback that writes checkpoints. */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { EpochRecord, StepRecord } from '@deepend/core';
import { checkOptions, rule } from '@deepend/core';
import type { Callback, RunControl, RunInfo, RunState } from '../callbacks/callback';
import { type SavedTensor, writeCheckpoint } from './file';
import {
  BEST_MONITORS,
  type BestMonitor,
  bestName,
  compareBest,
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
 * @returns the callback, with `save()` to write a checkpoint at once
 * @throws Error before training when the folder cannot be written
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
    save: () => writer.save(),
    onTrainBegin: (run) => writer.begin(run),
    onStep: (record) => writer.endStep(record),
    onEpochEnd: (record) => writer.endEpoch(record),
  };
}

class CheckpointWriter {
  readonly #folder: string;
  readonly #options: CheckpointOptions;
  #control: RunControl | undefined;
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
    await prepareFolder(this.#folder);
    if (run.resumed && this.#options.best) this.#ranking = await listBestCheckpoints(this.#folder);
  }

  async endStep({ globalStep, step, numBatches, loss }: StepRecord): Promise<void> {
    const { everySteps, everySeconds } = this.#options;
    if (!Number.isFinite(loss)) return; // the run is about to fail; keep the checkpoints before
    if (step === numBatches) return; // the end of the epoch saves
    const bySteps = everySteps !== undefined && globalStep % everySteps === 0;
    const bySeconds =
      everySeconds !== undefined && performance.now() - this.#savedAt >= everySeconds * 1000;
    this.#isDue ||= bySteps || bySeconds;
    if (this.#isDue && this.#control?.settled) await this.save();
  }

  async endEpoch(record: EpochRecord): Promise<void> {
    const { everyEpochs = 1, best = 0 } = this.#options;
    if (best > 0) await this.#saveBest(record, best);
    if (record.epoch % everyEpochs === 0 || record.epoch === this.#numEpochs) await this.save();
  }

  /** Writes a checkpoint, and removes those that are too old to keep. @returns its path */
  async save(): Promise<string> {
    if (!this.#control) throw new Error(`${WHERE}: save() came before the run began`);
    const { keep = 2 } = this.#options;
    const state = await this.#control.state();
    const file = path.join(this.#folder, stepName(state.progress.globalStep));
    await this.#write(file, state);
    this.#savedAt = performance.now();
    this.#isDue = false;
    for (const old of (await listCheckpoints(this.#folder)).slice(0, -keep))
      await rm(old, { force: true });
    return file;
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
    await this.#write(file, await this.#control.state());
    this.#ranking.push({ value, file });
    this.#ranking.sort((a, b) => compare(a.value, b.value));
    for (const removed of this.#ranking.splice(count)) await rm(removed.file, { force: true });
  }

  async #write(file: string, { progress, tensors }: RunState): Promise<void> {
    await writeCheckpoint(file, { progress, tensors: await readTensors(tensors) });
  }
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

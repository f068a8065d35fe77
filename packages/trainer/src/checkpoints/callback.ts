import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { checkOptions, rule } from '@deepend/core';
import type { Callback, RunControl, RunState } from '../types';
import { type SavedTensor, writeCheckpoint } from './file';
import { listCheckpoints, nameOf, prepareFolder } from './folder';

export interface CheckpointOptions {
  /** Every so many epochs. @default 1 */
  everyEpochs?: number;
  /** Every so many steps, too. @default never */
  everySteps?: number;
  /** After a step when so many seconds have gone since the last one. @default never */
  everySeconds?: number;
  /** The newest so many are kept. @default 2 */
  keep?: number;
  /** The best so many by `monitor` are kept beside them, as `best-….ckpt`. @default 0 */
  best?: number;
  /** @default 'testAcc', or 'loss' where there is no test set */
  monitor?: 'testAcc' | 'testLoss' | 'loss' | 'trainAcc';
}

const options = rule.object({
  everyEpochs: rule.positiveInteger().optional(),
  everySteps: rule.positiveInteger().optional(),
  everySeconds: rule.positiveNumber().optional(),
  keep: rule.positiveInteger().optional(),
  best: rule.nonNegativeInteger().optional(),
  monitor: rule.oneOf(['testAcc', 'testLoss', 'loss', 'trainAcc']).optional(),
});

/** Higher is better. */
const RISING = ['testAcc', 'trainAcc'];

/**
 * A callback that writes checkpoints to `dir/checkpoints`: all that `train(..., { resume: dir })`
 * needs to go on as if the run had not stopped.
 * A kill at any moment loses what came after the last one, and leaves a folder that resumes.
 */
export function checkpoints(
  dir: string,
  checkpointOptions: CheckpointOptions = {},
): Callback & { save(): Promise<string> } {
  const {
    everyEpochs = 1,
    everySteps,
    everySeconds,
    keep = 2,
    best = 0,
    monitor,
  } = checkOptions('[trainer] checkpoints', options, checkpointOptions);
  const folder = path.join(dir, 'checkpoints');
  let control: RunControl | undefined;
  let last = 0;
  let numEpochs = 0;
  let waiting = false; // for gradients of several batches that are put together
  const ranking: { value: number; file: string }[] = [];

  const save = async (): Promise<string> => {
    if (!control) throw new Error('[trainer] checkpoints: save() came before the run began');
    const state = await control.state();
    const file = path.join(folder, nameOf(state.progress.globalStep));
    await writeCheckpoint(file, { progress: state.progress, tensors: await readTensors(state) });
    last = performance.now();
    waiting = false;
    for (const old of (await listCheckpoints(folder)).slice(0, -keep))
      await rm(old, { force: true });
    return file;
  };

  const saveBest = async (record: EpochRecord) => {
    const key = monitor ?? (record.testAcc === null ? 'loss' : 'testAcc');
    const value = record[key];
    if (value === null || !Number.isFinite(value) || !control) return;
    const better = (a: number, b: number) => (RISING.includes(key) ? b - a : a - b);
    if (ranking.length >= best && better(ranking.at(-1)?.value as number, value) <= 0) return;
    const state = await control.state();
    const file = path.join(
      folder,
      `best-epoch-${String(record.epoch).padStart(4, '0')}-${key}-${value.toFixed(4)}.ckpt`,
    );
    await writeCheckpoint(file, { progress: state.progress, tensors: await readTensors(state) });
    ranking.push({ value, file });
    ranking.sort((a, b) => better(a.value, b.value));
    for (const { file: worse } of ranking.splice(best)) await rm(worse, { force: true });
  };

  return {
    save,
    onTrainBegin: async (run) => {
      control = run.control;
      numEpochs = run.numEpochs;
      last = performance.now();
      await prepareFolder(folder);
      if (run.resumed && best > 0) ranking.push(...(await bestOf(folder)));
    },
    onStep: async ({ globalStep, step, numBatches, loss }) => {
      if (!Number.isFinite(loss)) return; // the run is lost, and what was saved before is not
      if (step === numBatches) return; // the epoch's end is about to save more than this could
      const due = everySteps !== undefined && globalStep % everySteps === 0;
      const late = everySeconds !== undefined && performance.now() - last >= everySeconds * 1000;
      waiting ||= due || late;
      if (waiting && control?.settled) await save();
    },
    onEpochEnd: async (record) => {
      if (best > 0) await saveBest(record);
      if (record.epoch % everyEpochs === 0 || record.epoch === numEpochs) await save();
    },
  };
}

/** The best checkpoints of the run so far, by the values in their names. */
async function bestOf(folder: string): Promise<{ value: number; file: string }[]> {
  const found = (await readdir(folder)).flatMap((name) => {
    const value = /^best-epoch-\d+-(\w+)-([\d.]+)\.ckpt$/.exec(name);
    return value
      ? [{ key: value[1] as string, value: Number(value[2]), file: path.join(folder, name) }]
      : [];
  });
  return found.sort((a, b) => (RISING.includes(a.key) ? b.value - a.value : a.value - b.value));
}

async function readTensors({ tensors }: RunState): Promise<SavedTensor[]> {
  const saved: SavedTensor[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const dtype = tensor.dtype as 'float32' | 'int32';
    saved.push({
      name,
      dtype,
      shape: tensor.shape,
      values: (await tensor.data()) as Float32Array | Int32Array,
    });
  }
  return saved;
}

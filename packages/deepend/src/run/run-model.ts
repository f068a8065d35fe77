/** The model of a run: the final one, or that of a checkpoint while there is none. */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { loadModel } from '@deepend/models';
import { bestCheckpoint, type Checkpoint, restoreWeights } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { buildModel } from '../experiment';
import { runFile } from './layout';
import { isUnavailable, type Run, type Unavailable } from './read-run';

export interface RunModel {
  readonly model: LayersModel;
  /** For people: `the final model (model/)`. */
  readonly from: string;
}

interface ModelShape {
  readonly inputShape: readonly number[];
  readonly numClasses: number;
}

export const FROM_SCRIPT = 'pass both in the script: writeReport(dir, { model, testIter })';

/**
 * Loads the model of a run. The caller disposes it.
 * @param shape what the data say, used if `config.json` does not
 */
export async function loadRunModel(
  run: Run,
  shape?: Partial<ModelShape>,
): Promise<RunModel | Unavailable> {
  const { dir, result } = run;
  const folder = runFile(dir, 'model');
  const hint = `npx deepend resume ${dir} continues the run`;
  try {
    const hasModel = await exists(path.join(folder, 'model.json'));
    if (result && hasModel)
      return { model: await loadModel(folder), from: 'the final model (model/)' };
    const saved = await findCheckpoint(dir);
    if (saved) return await rebuildModel(run, saved, shape);
    if (hasModel)
      return {
        model: await loadModel(folder),
        from: 'the model of an earlier end of the run (model/)',
      };
  } catch (error) {
    return { reason: (error as Error).message, hint };
  }
  return { reason: 'the run has saved neither a model nor a checkpoint yet', hint };
}

const exists = (file: string) =>
  access(file).then(
    () => true,
    () => false,
  );

interface Saved {
  readonly checkpoint: Checkpoint;
  readonly from: string;
}

/** The best valid checkpoint, else the newest; undefined when there is none at all. */
async function findCheckpoint(dir: string): Promise<Saved | undefined> {
  const found = await bestCheckpoint(dir);
  if (!found) return undefined;
  const { file, checkpoint, damaged, isBest } = found;
  const skipped = damaged.map((one) => path.basename(one.file)).join(', ');
  const name = `${path.basename(file)}${skipped && `; damaged: ${skipped}`}`;
  return { checkpoint, from: `the ${isBest ? 'best' : 'newest'} checkpoint (${name})` };
}

async function rebuildModel(
  { settings, config }: Run,
  { checkpoint, from }: Saved,
  shape: Partial<ModelShape> = {},
): Promise<RunModel | Unavailable> {
  if (isUnavailable(settings))
    return {
      reason: `${settings.reason}, so the model of its checkpoint cannot be built again`,
      hint: FROM_SCRIPT,
    };
  const inputShape = config.inputShape ?? shape.inputShape;
  const numClasses = config.numClasses ?? shape.numClasses;
  if (!inputShape || !numClasses)
    return {
      reason: 'config.json does not have the shape of the model, and the data are not here',
      hint: 'write the report on the machine that has the data',
    };
  const model = buildModel(settings, { inputShape, numClasses });
  try {
    restoreWeights(model, checkpoint, {
      ema: true, // a run with an EMA evaluates it
      where: 'the checkpoint belongs to another model than config.json',
    });
  } catch (error) {
    model.dispose();
    throw error;
  }
  const { epochsDone, step } = checkpoint.progress;
  const steps = step > 0 ? ` and ${step} steps` : '';
  const epochs = epochsDone === 1 ? 'epoch' : 'epochs';
  return { model, from: `${from}, after ${epochsDone} ${epochs}${steps}` };
}

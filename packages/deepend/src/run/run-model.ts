/** The model of a run: the final one, or that of a checkpoint while there is none. */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { loadArchitecture, loadModel } from '@deepend/models';
import { bestCheckpoint, type Checkpoint, restoreWeights } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { buildModel } from '../experiment';
import { runFile } from './layout';
import { isUnavailable, type Run, type Unavailable } from './read-run';

export interface RunModel<M = LayersModel> {
  readonly model: M;
  /** For people: `the final model (model/)`. */
  readonly from: string;
}

interface ModelShape {
  readonly inputShape: readonly number[];
  readonly numClasses: number;
}

export const FROM_SCRIPT =
  'build the model in the script, restore its weights with restoreWeights(model, ' +
  '(await bestCheckpoint(dir)).checkpoint), and pass it on: evaluate(model, testIter), ' +
  'writeReport(dir, { model, testIter })';

/**
 * Loads the model of a run, for a command that cannot do without. The caller disposes it.
 * @throws Error with the reason and what to do
 */
export async function requireRunModel(run: Run): Promise<RunModel> {
  const found = await loadRunModel(run);
  if (isUnavailable(found)) throw new Error(`${run.dir}: ${found.reason}; ${found.hint}`);
  return found;
}

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
  run: Run,
  { checkpoint, from }: Saved,
  shape: Partial<ModelShape> = {},
): Promise<RunModel | Unavailable> {
  const model = await buildAgain(run, { ...shape, maxValues: countValues(checkpoint) });
  if (isUnavailable(model)) return model;
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

/** Values of all weights of the model; a damaged description may not make it larger. */
const countValues = ({ tensors }: Checkpoint) =>
  tensors
    .filter(({ name }) => name.startsWith('model/'))
    .reduce((sum, { values }) => sum + values.length, 0);

/** The model of a run with initial weights, from its settings or its recorded layers. */
export async function buildAgain(
  { dir, settings, config }: Pick<Run, 'dir' | 'settings' | 'config'>,
  { maxValues, ...shape }: Partial<ModelShape> & { maxValues?: number } = {},
): Promise<LayersModel | Unavailable> {
  if (isUnavailable(settings)) return buildFromLayers(dir, settings, maxValues);
  const inputShape = config.inputShape ?? shape.inputShape;
  const numClasses = config.numClasses ?? shape.numClasses;
  if (inputShape && numClasses) return buildModel(settings, { inputShape, numClasses });
  return {
    reason: 'config.json does not have the shape of the model, and the data are not here',
    hint: 'write the report on the machine that has the data',
  };
}

/** The model of a script. */
async function buildFromLayers(dir: string, { reason }: Unavailable, maxValues?: number) {
  const file = runFile(dir, 'architecture');
  const needsScript = `${reason}, so the model of its checkpoint cannot be built again`;
  if (!(await exists(file))) return { reason: needsScript, hint: FROM_SCRIPT };
  try {
    return await loadArchitecture(file, maxValues === undefined ? {} : { maxValues });
  } catch (error) {
    return { reason: `${needsScript}: ${(error as Error).message}`, hint: FROM_SCRIPT };
  }
}

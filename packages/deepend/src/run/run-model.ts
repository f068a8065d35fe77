/** The model of a run: the final one, or that of a checkpoint while there is none. */
import { access, readdir } from 'node:fs/promises';
import path from 'node:path';
import { loadModel } from '@deepend/models';
import {
  type Checkpoint,
  newestCheckpoint,
  readCheckpoint,
  type SavedTensor,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
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
  const damaged: string[] = [];
  for (const file of await listBest(runFile(dir, 'checkpoints'))) {
    try {
      return {
        checkpoint: await readCheckpoint(file),
        from: `the best checkpoint (${path.basename(file)}${skipped(damaged)})`,
      };
    } catch {
      damaged.push(path.basename(file));
    }
  }
  const newest = await newestCheckpoint(dir);
  if (!newest) return undefined;
  const passed = [
    ...damaged,
    ...newest.damaged.map((why) => /[^/\\:]+\.ckpt/.exec(why)?.[0] ?? why),
  ];
  return {
    checkpoint: newest.checkpoint,
    from: `the newest checkpoint (${path.basename(newest.file)}${skipped(passed)})`,
  };
}

const skipped = (damaged: readonly string[]) =>
  damaged.length > 0 ? `; damaged: ${damaged.join(', ')}` : '';

const BEST = /^best-epoch-\d+-(\w+)-([\d.]+)\.ckpt$/;

/** The best checkpoints, best first, by the values in their names. */
async function listBest(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const found = names.flatMap((name) => {
    const [, key = '', value] = BEST.exec(name) ?? [];
    return value === undefined
      ? []
      : [{ name, value: key.endsWith('Acc') ? Number(value) : -Number(value) }];
  });
  return found.sort((a, b) => b.value - a.value).map(({ name }) => path.join(folder, name));
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
    putWeights(model, checkpoint);
  } catch (error) {
    model.dispose();
    throw error;
  }
  const { epoch, step } = checkpoint.progress;
  const steps = step > 0 ? ` and ${step} steps` : '';
  return { model, from: `${from}, after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}${steps}` };
}

/** Takes the EMA of the weights if the run keeps one, since it evaluates that. */
function putWeights(net: LayersModel, { tensors }: Checkpoint): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pairs = net.weights.map((weight) => {
    const saved =
      byName.get(`average/${weight.originalName}`) ?? byName.get(`net/${weight.originalName}`);
    const shape = weight.shape.map((size) => size ?? 1);
    if (saved && saved.shape.join() === shape.join()) return { weight, saved };
    const got = saved ? `[${saved.shape.join(', ')}]` : 'nothing';
    throw new Error(
      `the checkpoint belongs to another model than config.json: expected ${weight.originalName} of [${shape.join(', ')}], got ${got}`,
    );
  });
  tf.tidy(() => {
    for (const { weight, saved } of pairs) weight.write(tensorOf(saved));
  });
}

const tensorOf = ({ values, shape, dtype }: SavedTensor) => tf.tensor(values, [...shape], dtype);

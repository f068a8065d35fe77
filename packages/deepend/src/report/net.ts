/** The net that a run came to: its final one, or that of a checkpoint where it has none yet. */
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
import fs from 'fs-extra';
import { netOf } from '../experiment';
import { isMissing, type Missing } from './missing';
import type { RunFolder } from './run-folder';

export interface RunNet {
  readonly net: LayersModel;
  /** For people: `the final net (net/)`. */
  readonly from: string;
}

interface Shape {
  readonly inputShape: readonly number[];
  readonly numClasses: number;
}

/**
 * Whoever gets the net disposes it. @param shape what the data say, where `config.json` does not
 */
export async function netOfRun(run: RunFolder, shape?: Partial<Shape>): Promise<RunNet | Missing> {
  const { dir, result } = run;
  const goOn = `npx deepend resume ${dir} goes on with the run`;
  try {
    const hasNet = await fs.pathExists(path.join(dir, 'net', 'model.json'));
    if (result && hasNet)
      return { net: await loadModel(path.join(dir, 'net')), from: 'the final net (net/)' };
    const saved = await checkpointOf(dir);
    if (saved) return await rebuilt(run, saved, shape);
    if (hasNet)
      return {
        net: await loadModel(path.join(dir, 'net')),
        from: 'the net of an earlier end of the run (net/)',
      };
  } catch (error) {
    return { missing: (error as Error).message, fill: goOn };
  }
  return { missing: 'the run has saved neither a net nor a checkpoint yet', fill: goOn };
}

interface Saved {
  readonly checkpoint: Checkpoint;
  readonly from: string;
}

/** The best sound one, else the newest; undefined where there is none at all. */
async function checkpointOf(dir: string): Promise<Saved | undefined> {
  const damaged: string[] = [];
  for (const file of await bestOf(path.join(dir, 'checkpoints'))) {
    try {
      return {
        checkpoint: await readCheckpoint(file),
        from: `the best checkpoint (${path.basename(file)}${passedOver(damaged)})`,
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
    from: `the newest checkpoint (${path.basename(newest.file)}${passedOver(passed)})`,
  };
}

const passedOver = (damaged: readonly string[]) =>
  damaged.length > 0 ? `; damaged: ${damaged.join(', ')}` : '';

const BEST = /^best-epoch-\d+-(\w+)-([\d.]+)\.ckpt$/;

/** The best checkpoints, best first, by the values in their names. */
async function bestOf(folder: string): Promise<string[]> {
  const names = await fs.readdir(folder).catch(() => []);
  const found = names.flatMap((name) => {
    const [, key = '', value] = BEST.exec(name) ?? [];
    return value === undefined
      ? []
      : [{ name, value: key.endsWith('Acc') ? Number(value) : -Number(value) }];
  });
  return found.sort((a, b) => b.value - a.value).map(({ name }) => path.join(folder, name));
}

async function rebuilt(
  { settings, config }: RunFolder,
  { checkpoint, from }: Saved,
  shape: Partial<Shape> = {},
) {
  if (isMissing(settings))
    return {
      missing: `${settings.missing}, so the net of its checkpoint cannot be built again`,
      fill: FROM_SCRIPT,
    };
  const inputShape = config.inputShape ?? shape.inputShape;
  const numClasses = config.numClasses ?? shape.numClasses;
  if (!inputShape || !numClasses)
    return {
      missing: 'config.json does not say what the net takes, and the data are not here to tell',
      fill: 'make the report where the data are',
    };
  const net = netOf(settings, { inputShape, numClasses });
  try {
    putWeights(net, checkpoint);
  } catch (error) {
    net.dispose();
    throw error;
  }
  const { epoch, step } = checkpoint.progress;
  return {
    net,
    from: `${from}, after ${epoch} ${epoch === 1 ? 'epoch' : 'epochs'}${step > 0 ? ` and ${step} steps` : ''}`,
  };
}

export const FROM_SCRIPT =
  'writeReport(dir, { net, testIter }) in the script takes both as they are there';

/** The averaged weights where the run keeps such, since those are what it evaluates. */
function putWeights(net: LayersModel, { tensors }: Checkpoint): void {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pairs = net.weights.map((weight) => {
    const saved =
      byName.get(`average/${weight.originalName}`) ?? byName.get(`net/${weight.originalName}`);
    const shape = weight.shape.map((size) => size ?? 1);
    if (saved && saved.shape.join() === shape.join()) return { weight, saved };
    const got = saved ? `[${saved.shape.join(', ')}]` : 'nothing';
    throw new Error(
      `the checkpoint is of another net than config.json: expected ${weight.originalName} of [${shape.join(', ')}], got ${got}`,
    );
  });
  tf.tidy(() => {
    for (const { weight, saved } of pairs) weight.write(tensorOf(saved));
  });
}

const tensorOf = ({ values, shape, dtype }: SavedTensor) => tf.tensor(values, [...shape], dtype);

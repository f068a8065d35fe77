/** A run's checkpoints: `checkpoints/step-00000120.ckpt`, and `best-….ckpt` next to them. */
import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { removeAbandonedIn } from '@deepend/core';
import { type Checkpoint, readCheckpoint, readCheckpointHeader } from './file';

const WHERE = '[trainer] checkpoint';
const STEP_NAME = /^step-(\d{8,})\.ckpt$/;
const BEST_NAME = /^best-epoch-\d+-(\w+?)-(-?[\d.]+(?:e[+-]\d+)?)\.ckpt$/;

/** The quantities that can rank checkpoints. */
export const BEST_MONITORS = ['testAcc', 'testLoss', 'loss', 'trainAcc'] as const;
export type BestMonitor = (typeof BEST_MONITORS)[number];

export const stepName = (globalStep: number): string =>
  `step-${String(globalStep).padStart(8, '0')}.ckpt`;

export const bestName = (epoch: number, monitor: BestMonitor, value: number): string =>
  `best-epoch-${String(epoch).padStart(4, '0')}-${monitor}-${value.toFixed(4)}.ckpt`;

/** Compares two values of a monitor, for sorting the best first: accuracies rise, losses fall. */
export const compareBest = (monitor: string, a: number, b: number): number =>
  monitor.endsWith('Acc') ? b - a : a - b;

async function listNames(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${WHERE}: cannot read ${folder}: ${error.message}; name another folder`, {
      cause: error,
    });
  });
}

/** The checkpoints of a folder, oldest first. A folder that does not exist has none. */
export async function listCheckpoints(folder: string): Promise<string[]> {
  const steps = (name: string) => Number(STEP_NAME.exec(name)?.[1]);
  return (await listNames(folder))
    .filter((name) => STEP_NAME.test(name))
    .sort((a, b) => steps(a) - steps(b))
    .map((name) => path.join(folder, name));
}

export interface RankedCheckpoint {
  readonly file: string;
  readonly monitor: string;
  /** The monitor's value, from the file's header: its name has only four decimals. */
  readonly value: number;
  /** The run that wrote it; undefined when the header cannot be read. */
  readonly runId: string | undefined;
}

/** The checkpoints that the option `best` keeps in a folder, best first; damaged ones are last. */
export async function listBestCheckpoints(folder: string): Promise<RankedCheckpoint[]> {
  const found: RankedCheckpoint[] = [];
  for (const name of await listNames(folder)) {
    const [, monitor, value] = BEST_NAME.exec(name) ?? [];
    if (monitor === undefined) continue;
    const file = path.join(folder, name);
    const header = await readCheckpointHeader(file);
    const runId = header?.progress.runId;
    found.push({ file, monitor, value: Number(value), ...header?.best, runId });
  }
  const isDamaged = ({ runId }: RankedCheckpoint) => Number(runId === undefined);
  return found.sort(
    (a, b) => isDamaged(a) - isDamaged(b) || compareBest(a.monitor, a.value, b.value),
  );
}

/** The path of a checkpoint of another run in a folder, if there is one. */
export async function findOtherRun(folder: string, runId: string): Promise<string | undefined> {
  const best = (await listBestCheckpoints(folder)).map(({ file }) => file);
  for (const file of [...(await listCheckpoints(folder)), ...best]) {
    const header = await readCheckpointHeader(file);
    if (header && header.progress.runId !== runId) return file;
  }
  return undefined;
}

export interface DamagedCheckpoint {
  readonly file: string;
  /** Why it cannot be used. */
  readonly reason: string;
}

export interface FoundCheckpoint {
  readonly file: string;
  readonly checkpoint: Checkpoint;
  /** Files that come before it, but cannot be used. */
  readonly damaged: readonly DamagedCheckpoint[];
}

/** The first valid one of the files, and the damaged ones before it. */
async function firstValid(
  files: readonly string[],
): Promise<{ found?: Omit<FoundCheckpoint, 'damaged'>; damaged: DamagedCheckpoint[] }> {
  const damaged: DamagedCheckpoint[] = [];
  for (const file of files) {
    try {
      return { found: { file, checkpoint: await readCheckpoint(file) }, damaged };
    } catch (error) {
      damaged.push({ file, reason: (error as Error).message });
    }
  }
  return { damaged };
}

/**
 * The newest valid checkpoint of `dir/checkpoints`, or of `dir` itself; undefined when there is
 * none.
 * @throws Error when there are checkpoints and none is valid
 */
export async function newestCheckpoint(dir: string): Promise<FoundCheckpoint | undefined> {
  const inside = await listCheckpoints(path.join(dir, 'checkpoints'));
  const files = inside.length > 0 ? inside : await listCheckpoints(dir);
  const { found, damaged } = await firstValid(files.reverse());
  if (found) return { ...found, damaged };
  if (damaged.length === 0) return undefined;
  const reasons = damaged.map(({ reason }) => `\n  - ${reason}`).join('');
  throw new Error(
    `[trainer] resume: no checkpoint in ${dir} is valid:${reasons}\ndelete them to start from ` +
      'the beginning',
  );
}

/**
 * The best valid checkpoint of `dir/checkpoints` that the option `best` kept, else the newest valid
 * one; undefined when there is none.
 * @returns also `isBest`, whether it is a best one
 * @throws Error when there are checkpoints and none is valid
 * @example
 * const found = await bestCheckpoint('runs/resnet18');
 * if (found) restoreWeights(net, found.checkpoint, { ema: true });
 */
export async function bestCheckpoint(
  dir: string,
): Promise<(FoundCheckpoint & { readonly isBest: boolean }) | undefined> {
  const ranked = await listBestCheckpoints(path.join(dir, 'checkpoints'));
  const { found, damaged } = await firstValid(ranked.map(({ file }) => file));
  if (found) return { ...found, damaged, isBest: true };
  const newest = await newestCheckpoint(dir);
  return newest && { ...newest, damaged: [...damaged, ...newest.damaged], isBest: false };
}

/** Makes the folder, and removes what a killed process left incomplete. */
export async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await removeAbandonedIn(folder);
  } catch (cause) {
    throw new Error(
      `${WHERE}: cannot write into ${folder}: ${(cause as Error).message}; name another folder`,
      { cause },
    );
  }
}

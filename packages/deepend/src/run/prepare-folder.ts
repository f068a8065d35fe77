/** Decides whether a run may write into a folder, and removes the files of an earlier run. */
import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { removeAbandonedIn } from '@deepend/core';
import { RUN_FILES, runFile } from './layout';
import { isObject, parseObject } from './records';

export interface FolderUse {
  /** Whether an earlier run in the folder may be removed. @default false */
  readonly overwrite?: boolean;
  /** Whether the run resumes from a checkpoint, so that nothing is removed. @default false */
  readonly resumed?: boolean;
}

/** The weights of a model that replaces another one have a UUID in their name for a moment. */
const EXPORTED_TFJS =
  /^(model\.json|group1(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?-shard\d+of\d+(\.bin)?)$/;

/** The files that deepend writes into the folders of a run. All others belong to the user. */
const WRITTEN: Readonly<Record<string, RegExp>> = {
  [RUN_FILES.checkpoints]: /^\.?(step-\d{8,}|best-epoch-\d+-\w+-[\d.]+)\.ckpt/,
  [RUN_FILES.model]: /^(model\.json|weights(-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?\.bin)$/,
  [RUN_FILES.tensorBoard]: /^events\.out\.tfevents\./,
  'exports/tensorboard': /^events\.out\.tfevents\.\d+\.deepend$/,
  'exports/tfjs': EXPORTED_TFJS,
  'exports/tfjs-graph': EXPORTED_TFJS,
  [RUN_FILES.exports]: /^(model\.(onnx|safetensors|keras)|history\.(csv|json)|predictions\.csv)$/,
  '.': /^((architecture|result)\.json|(history|steps)\.jsonl|curves\.(svg|png)|report\.html)$/,
};

/** Removed last, since it marks the folder as a run's. */
const MARK = RUN_FILES.config;

/**
 * Checks that a run may write into `dir`. The folder may be missing, empty, or the folder of a run
 * that saved nothing. (Hidden files do not count.) `overwrite` also allows that of any other run.
 * @param where the beginning of each error
 * @throws Error with the ways out, when the folder holds an earlier run or files of another origin
 */
export async function checkRunFolder(
  where: string,
  dir: string,
  { overwrite = false, resumed = false }: FolderUse = {},
): Promise<void> {
  const names = (await listNames(where, dir)).filter((name) => !name.startsWith('.'));
  if (names.length === 0) return;
  const config = await readFile(runFile(dir, 'config'), 'utf8').catch(() => undefined);
  const hasCheckpoints = (await listWritten(dir, RUN_FILES.checkpoints)).length > 0;
  if (isConfig(config)) {
    if (overwrite || resumed || !(hasCheckpoints || (await hasResults(dir)))) return;
    throw new Error(
      `${where}: ${dir} already holds a run; there are three ways out: resume it ` +
        `(deepend resume ${dir}, or train(..., { resume: '${dir}' })), name another folder, or ` +
        'overwrite it (--overwrite, or saveRun(dir, config, { overwrite: true }))',
    );
  }
  // A run that wrote only `checkpoints(dir)` and is resumed with `saveRun(dir)`.
  if (resumed && hasCheckpoints && config === undefined) return;
  throw new Error(
    `${where}: ${dir} is not empty, and it is not the folder of a run: expected a config.json ` +
      `that deepend wrote, found ` +
      `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', ...' : ''}; ` +
      `name another folder, such as ${path.join(dir, 'run')}, or move these files away`,
  );
}

/** Removes the files of an earlier run and no file that deepend did not write. */
export async function removeRunFiles(dir: string): Promise<void> {
  for (const folder of Object.keys(WRITTEN)) {
    for (const file of await listWritten(dir, folder)) await rm(file, { force: true });
    if (folder !== '.') await rmdir(path.join(dir, folder)).catch(() => {}); // not empty, or absent
  }
  await rm(path.join(dir, MARK), { force: true });
}

/** Removes what a killed process was writing into a run's folder when it ended. */
export async function removeLeftovers(dir: string): Promise<void> {
  for (const folder of Object.keys(WRITTEN)) await removeAbandonedIn(path.join(dir, folder));
}

function isConfig(text: string | undefined): boolean {
  const versions = parseObject(text)?.versions;
  return isObject(versions) && typeof versions.deepend === 'string';
}

/** Whether a run has completed an epoch or saved its model. */
async function hasResults(dir: string): Promise<boolean> {
  const size = async (file: string) => (await stat(file).catch(() => undefined))?.size ?? 0;
  const model = path.join(runFile(dir, 'model'), 'model.json');
  return (await size(runFile(dir, 'history'))) > 0 || (await size(model)) > 0;
}

async function listWritten(dir: string, folder: string): Promise<string[]> {
  const names = await readdir(path.join(dir, folder)).catch(() => []);
  return names
    .filter((name) => WRITTEN[folder]?.test(name))
    .map((name) => path.join(dir, folder, name));
}

async function listNames(where: string, dir: string): Promise<string[]> {
  return readdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new Error(`${where}: cannot read ${dir}: ${error.message}; name another folder`, {
      cause: error,
    });
  });
}

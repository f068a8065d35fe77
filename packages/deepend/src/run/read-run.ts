/** Reading a run's folder as a whole, without its model or data. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { closest, type EpochRecord } from '@deepend/core';
import { type Settings, settingsFrom } from '../settings';
import { parseJsonLines } from './json-lines';
import { runFile } from './layout';
import {
  parseConfig,
  parseEpoch,
  parseObject,
  parseResult,
  parseStep,
  type RunConfig,
  type RunResult,
} from './records';

/** Why something cannot be had, and what the user can do about it. */
export interface Unavailable {
  readonly reason: string;
  readonly hint: string;
}

export const isUnavailable = (value: object): value is Unavailable =>
  'reason' in value && 'hint' in value;

export interface Run {
  readonly dir: string;
  readonly config: RunConfig;
  /** The settings of `deepend train`. */
  readonly settings: Settings | Unavailable;
  readonly history: readonly EpochRecord[];
  /** Set if the run has ended; `model/` holds its final model then. */
  readonly result: RunResult | undefined;
  /** How an unfinished run was interrupted, if it could still record that. */
  readonly interruption: { readonly ended: string; readonly reason?: string } | undefined;
}

/**
 * Reads a run's folder. A part that is missing is empty or undefined.
 * @param where the beginning of each error
 * @throws Error when the folder is not a run's, or a file in it is damaged
 */
export async function readRun(dir: string, where = '[deepend] readRun'): Promise<Run> {
  const { config, settings } = await readRunConfig(dir, where);
  const history = await readHistory(dir, where);
  const result = await readRunResult(dir, where);
  const final = isFinal(result, { config, history }) ? result : undefined;
  const interruption = final ? undefined : await readInterruption(dir);
  return { dir, config, settings, history, result: final, interruption };
}

/**
 * Reads `config.json`.
 * @throws Error when it cannot be read or is not a JSON object
 */
export async function readRunConfig(
  dir: string,
  where: string,
): Promise<Pick<Run, 'config' | 'settings'>> {
  const file = runFile(dir, 'config');
  const text = await readFile(file, 'utf8').catch(async (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') throw await noRun(where, dir);
    const expected = 'expected the folder of a run, as deepend train or saveRun writes it';
    throw new Error(`${where}: ${file}: cannot be read (${cause.message}); ${expected}`, { cause });
  });
  const fields = parseObject(text);
  if (!fields) throw damaged(`${where}: ${file}`, "a run's config");
  const config = parseConfig(fields);
  return { config, settings: parseSettings(config, where) };
}

/** The error for a folder without a run; it names a run nearby with a similar name. */
async function noRun(where: string, dir: string): Promise<Error> {
  const isFolder = await stat(dir).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const parent = path.dirname(dir);
  const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  const near = closest(
    path.basename(dir),
    folders.filter((name) => name !== path.basename(dir)),
  );
  const hint = near ? `did you mean '${path.join(parent, near)}'?` : 'check the path';
  const missing = isFolder ? `${dir} has no config.json` : `there is no folder ${dir}`;
  const expected = 'expected the folder of a run, as deepend train or saveRun writes it';
  return new Error(`${where}: ${missing}; ${expected}; ${hint}`);
}

function parseSettings({ settings }: RunConfig, where: string): Settings | Unavailable {
  if (settings === undefined) {
    return {
      reason: 'a script started this run, so config.json has no settings of deepend train',
      hint: 'run the script again',
    };
  }
  try {
    return settingsFrom(`${where}: config.json`, settings as object);
  } catch (error) {
    return { reason: (error as Error).message, hint: 'use the version of deepend that wrote them' };
  }
}

/**
 * Reads `history.jsonl`; without that file the history is empty.
 * @throws Error that names the first damaged line
 */
export async function readHistory(dir: string, where: string): Promise<EpochRecord[]> {
  const file = runFile(dir, 'history');
  const content = await readIfPresent(file, where);
  return parseJsonLines(content ?? '', parseEpoch).map(({ line, record }) => {
    if (record) return record;
    throw damaged(`${where}: ${file}, line ${line}`, 'a record of an epoch with its "epoch"');
  });
}

/** Reads `result.json`; undefined while the run has not ended. */
export async function readRunResult(dir: string, where: string): Promise<RunResult | undefined> {
  const file = runFile(dir, 'result');
  const content = await readIfPresent(file, where);
  if (content === undefined) return undefined;
  const fields = parseObject(content);
  if (!fields) throw damaged(`${where}: ${file}`, "a run's result");
  return parseResult(fields);
}

async function readIfPresent(file: string, where: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new Error(`${where}: ${file}: cannot be read (${cause.message})`, { cause });
  });
}

const damaged = (place: string, expected: string) =>
  new Error(`${place}: expected ${expected}, JSON, got something else; fix or remove it`);

/** The last line of `steps.jsonl`, if it says how the run ended. */
async function readInterruption(dir: string): Promise<Run['interruption']> {
  const content = await readFile(runFile(dir, 'steps'), 'utf8').catch(() => '');
  const last = parseJsonLines(content, parseStep).at(-1)?.record;
  if (!last || !('ended' in last)) return undefined;
  const { ended, reason } = last;
  return { ended, ...(reason !== null && { reason }) };
}

/** A run that was resumed after its end and then interrupted still has its first result. */
function isFinal(
  result: RunResult | undefined,
  { config, history }: Pick<Run, 'config' | 'history'>,
): boolean {
  if (!result || result.epochs !== history.length) return false;
  return result.stopped !== undefined || result.epochs >= (config.numEpochs ?? 0);
}

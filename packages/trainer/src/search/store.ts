/** The folder of a search: what is searched, and a line for each job that has ended. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { appendToFile, formatValue, lockFolder, writeFileAtomic } from '@deepend/core';
import type { SearchResult } from './types';

const WRITING = { where: '[trainer] search' };
/** The files of a search's folder. */
export const SEARCH_FILES = { settings: 'search.json', results: 'results.jsonl' } as const;
const { settings: SETTINGS, results: RESULTS } = SEARCH_FILES;

/** What must be the same when a search is resumed. */
export type SearchSettings = Readonly<Record<string, unknown>>;

/** Numbers that may be larger when a search is resumed: they only add trials. */
const GROWING = ['numTrials', 'rounds'];

export class SearchFolder {
  readonly #dir: string;
  /** Lets other searches have the folder. */
  readonly close: () => Promise<void>;

  private constructor(dir: string, close: () => Promise<void>) {
    this.#dir = dir;
    this.close = close;
  }

  /**
   * Begins a search in a folder, or continues the one that is there.
   * @returns the folder, and the results that it has
   * @throws Error when another search is there or runs there, a file is damaged, or the folder has
   *   other files and no search
   */
  static async open(
    dir: string,
    settings: SearchSettings,
  ): Promise<[folder: SearchFolder, results: SearchResult[]]> {
    await mkdir(dir, { recursive: true });
    await requireOwn(dir);
    const folder = new SearchFolder(dir, await lockFolder('[trainer] search', dir));
    try {
      return [folder, await readResults(dir, settings)];
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  append(result: SearchResult): Promise<void> {
    return appendToFile(path.join(this.#dir, RESULTS), `${JSON.stringify(result)}\n`, WRITING);
  }

  /** The folder of a trial, for what its objective writes. */
  trial(trial: number): string {
    return path.join(this.#dir, 'trials', String(trial));
  }
}

/** @throws Error for a folder with files that are not of a search */
async function requireOwn(dir: string): Promise<void> {
  const names = (await readdir(dir)).filter((name) => !name.startsWith('.')); // such as a lock
  if (names.length === 0 || names.includes(SETTINGS)) return;
  throw new Error(
    `[trainer] search: ${dir} is not empty, and it is not the folder of a search: expected a ` +
      `${SETTINGS}, got ${formatValue(names[0])}; give another folder as "out"`,
  );
}

/** Checks or writes the settings. @returns the results that the folder has */
async function readResults(dir: string, settings: SearchSettings): Promise<SearchResult[]> {
  const before = await readIfThere(path.join(dir, SETTINGS));
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  if (before !== undefined) checkSame(dir, parseSettings(dir, before), JSON.parse(text));
  if (before !== text) await writeFileAtomic(path.join(dir, SETTINGS), text, WRITING);
  const content = (await readIfThere(path.join(dir, RESULTS))) ?? '';
  const complete = content.slice(0, content.lastIndexOf('\n') + 1);
  // A crash during an append leaves a part of a line.
  if (complete !== content) await writeFileAtomic(path.join(dir, RESULTS), complete, WRITING);
  return complete.split('\n').flatMap((line, i) => parse(line, { dir, line: i + 1 }));
}

/** @throws Error when it is no JSON of an object */
function parseSettings(dir: string, text: string): SearchSettings {
  try {
    const settings = JSON.parse(text) as SearchSettings | null;
    if (typeof settings === 'object' && settings !== null) return settings;
  } catch {} // the same error as for anything else that is not an object
  throw new Error(
    `[trainer] search: expected the settings of a search in ${path.join(dir, SETTINGS)}, got ` +
      `${formatValue(text)}; give another folder as "out"`,
  );
}

async function readIfThere(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

function parse(text: string, { dir, line }: { dir: string; line: number }): SearchResult[] {
  if (text === '') return [];
  try {
    const result = JSON.parse(text) as SearchResult | null;
    if (isResult(result)) return [result];
  } catch {} // the same error as for JSON that is no result
  throw new Error(
    `[trainer] search: line ${line} of ${path.join(dir, RESULTS)} is damaged: ` +
      `${formatValue(text)}; remove the line, and its job runs again`,
  );
}

/** Whether a line of the file has what schedulers and the dashboard read. */
function isResult(value: SearchResult | null): value is SearchResult {
  const { trial, budget, bracket, rung, error, config } = value ?? ({} as Partial<SearchResult>);
  return (
    [trial, budget, bracket, rung].every((count) => Number.isInteger(count)) &&
    (error === null || Number.isFinite(error)) &&
    typeof config === 'object' &&
    config !== null
  );
}

/** @throws Error naming the first setting that differs */
function checkSame(dir: string, before: SearchSettings, now: SearchSettings): void {
  const flat = (settings: SearchSettings): Map<string, string> => {
    const { scheduler, ...rest } = settings as { scheduler: object };
    const entries = Object.entries({ ...rest, ...scheduler });
    return new Map(entries.map(([key, value]) => [key, JSON.stringify(value)]));
  };
  const [old, fresh] = [flat(before), flat(now)];
  for (const key of new Set([...old.keys(), ...fresh.keys()])) {
    if (old.get(key) === fresh.get(key)) continue;
    if (GROWING.includes(key) && Number(fresh.get(key)) > Number(old.get(key))) continue;
    throw new Error(
      `[trainer] search: expected the settings of the search in ${dir} to resume it, got ` +
        `"${key}" ${fresh.get(key) ?? 'none'} instead of ${old.get(key) ?? 'none'}; give another ` +
        'folder as "out"',
    );
  }
}

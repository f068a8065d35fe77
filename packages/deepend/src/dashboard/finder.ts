/**
 * Finds the folders of runs (those with a `config.json` or a `history.jsonl`) and of searches
 * (those with a `search.json`).
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { SEARCH_FILES } from '@deepend/trainer';
import { RUN_FILES } from '../run/layout';

const MAX_DEPTH = 4; // folders below the root
const MAX_FOLDERS = 20_000;
const MAX_RUNS = 2000;
const MAX_SEARCHES = 50;
/** A write within one tick of the file system's clock does not change a folder's time. */
const TICK_MS = 2000;
const MARKERS: readonly string[] = [RUN_FILES.config, RUN_FILES.history];
/** Folders that cannot contain runs. */
const SKIPPED = [
  RUN_FILES.checkpoints,
  RUN_FILES.model,
  RUN_FILES.tensorBoard,
  RUN_FILES.exports,
  'node_modules',
];

interface Folder {
  readonly time: number;
  readonly folders: readonly string[];
  readonly isRun: boolean;
  readonly isSearch: boolean;
}

export interface Found {
  /** The id of each run, and when its folder was last written. */
  readonly runs: ReadonlyMap<string, number>;
  /** The id of each search. */
  readonly searches: readonly string[];
  /** Whether a limit was reached, so that runs may be missing. */
  readonly cut: boolean;
}

/**
 * Searches folders. A folder that was not written since the last search is not read again. Links to
 * folders are not followed.
 */
export class Finder {
  #known = new Map<string, Folder>();

  readonly #root: string;

  /** @param root a real path */
  constructor(root: string) {
    this.#root = root;
  }

  async find(): Promise<Found> {
    const known = new Map<string, Folder>();
    const runs = new Map<string, number>();
    const searches: string[] = [];
    let waiting = ['.'];
    let cut = false;
    for (let depth = 0; depth <= MAX_DEPTH && waiting.length > 0; depth++) {
      const below: string[] = [];
      for (const id of waiting) {
        const folder = await this.#readFolder(id);
        if (!folder) continue;
        known.set(id, folder);
        if (folder.isRun) runs.set(id, folder.time);
        if (folder.isSearch) searches.push(id);
        for (const name of folder.folders) below.push(id === '.' ? name : `${id}/${name}`);
      }
      const room = MAX_FOLDERS - known.size;
      cut ||= below.length > room;
      waiting = below.slice(0, Math.max(0, room));
    }
    this.#known = known;
    cut ||= searches.length > MAX_SEARCHES;
    searches.splice(MAX_SEARCHES);
    if (runs.size <= MAX_RUNS) return { runs, searches, cut };
    const newest = [...runs].sort(([, a], [, b]) => b - a).slice(0, MAX_RUNS);
    return { runs: new Map(newest), searches, cut: true };
  }

  async #readFolder(id: string): Promise<Folder | undefined> {
    const folder = path.join(this.#root, id);
    const before = this.#known.get(id);
    try {
      const { mtimeMs: time } = await stat(folder);
      if (before?.time === time && Date.now() - time > TICK_MS) return before;
      const entries = await readdir(folder, { withFileTypes: true });
      const has = (names: readonly string[]) =>
        entries.some((entry) => names.includes(entry.name) && !entry.isDirectory());
      const folders = entries
        .filter(
          (entry) =>
            entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.includes(entry.name),
        )
        .map(({ name }) => name);
      return {
        time,
        folders,
        isRun: has(MARKERS),
        isSearch: has([SEARCH_FILES.settings]),
      };
    } catch {
      return undefined; // deleted, or not readable
    }
  }
}

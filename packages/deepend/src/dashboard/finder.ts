/**
 * Which folders below the dashboard's are runs: those with a `config.json` or a `history.jsonl`.
 */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';

const DEEPEST = 4; // folders below the root
const MOST_FOLDERS = 20_000;
const MOST_RUNS = 2000;
/** A clock's tick: what is written within the same one as a look leaves the time as it is. */
const TICK_MS = 2000;
const MARKS = ['config.json', 'history.jsonl'];
/** What runs keep beside their own files, and what is no place for runs. */
const SKIPPED = ['checkpoints', 'net', 'tensorboard', 'node_modules'];

interface Folder {
  readonly time: number;
  readonly folders: readonly string[];
  readonly isRun: boolean;
}

export interface Found {
  /** Each run's id and the time that its folder was last written. */
  readonly runs: ReadonlyMap<string, number>;
  /** Whether there was more than is looked through. */
  readonly cut: boolean;
}

/**
 * Looks through folders; those that were not written since the last look are not read again. Links
 * to folders are not followed.
 */
export class Finder {
  #known = new Map<string, Folder>();

  /** @param root a real path */
  constructor(private readonly root: string) {}

  async find(): Promise<Found> {
    const known = new Map<string, Folder>();
    const runs = new Map<string, number>();
    let waiting = ['.'];
    let cut = false;
    for (let depth = 0; depth <= DEEPEST && waiting.length > 0; depth++) {
      const below: string[] = [];
      for (const id of waiting) {
        const folder = await this.#look(id);
        if (!folder) continue;
        known.set(id, folder);
        if (folder.isRun) runs.set(id, folder.time);
        for (const name of folder.folders) below.push(id === '.' ? name : `${id}/${name}`);
      }
      const room = MOST_FOLDERS - known.size;
      cut ||= below.length > room;
      waiting = below.slice(0, Math.max(0, room));
    }
    this.#known = known;
    if (runs.size <= MOST_RUNS) return { runs, cut };
    const newest = [...runs].sort(([, a], [, b]) => b - a).slice(0, MOST_RUNS);
    return { runs: new Map(newest), cut: true };
  }

  async #look(id: string): Promise<Folder | undefined> {
    const place = path.join(this.root, id);
    const before = this.#known.get(id);
    try {
      const { mtimeMs: time } = await stat(place);
      if (before?.time === time && Date.now() - time > TICK_MS) return before;
      const entries = await readdir(place, { withFileTypes: true });
      const folders = entries
        .filter(
          (entry) =>
            entry.isDirectory() && !entry.name.startsWith('.') && !SKIPPED.includes(entry.name),
        )
        .map(({ name }) => name);
      return {
        time,
        folders,
        isRun: entries.some((entry) => MARKS.includes(entry.name) && !entry.isDirectory()),
      };
    } catch {
      return undefined; // gone, or not ours to read
    }
  }
}

/** Watches runs and searches below a folder: reads them once a second while there is a listener. */
import path from 'node:path';
import { Finder } from './finder';
import { LiveRun } from './live-run';
import { LiveSearch } from './live-search';
import type { News, RunSummary } from './types';

const INTERVAL_MS = 1000;
const PAUSE_FACTOR = 4; // a pause is at least this many times as long as the last refresh

type Listener = (news: News) => void;

export class Watcher {
  readonly #finder: Finder;
  readonly #runs = new Map<string, LiveRun>();
  readonly #searches = new Map<string, LiveSearch>();
  /** The searches as they were last sent, as JSON. */
  #sentSearches = '[]';
  /** Each summary as it was last sent, as JSON; a different one is news. */
  readonly #sent = new Map<string, string>();
  readonly #listeners = new Set<Listener>();
  #cut = false;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  readonly #root: string;

  /** @param root a real path */
  constructor(root: string) {
    this.#root = root;
    this.#finder = new Finder(root);
  }

  /** A run by its id, or undefined. */
  run(id: string): LiveRun | undefined {
    return this.#runs.get(id);
  }

  /** A search by its id, or undefined. */
  search(id: string): LiveSearch | undefined {
    return this.#searches.get(id);
  }

  /** Reads all runs, unless that was done within the last second. */
  async refreshIfOld(): Promise<void> {
    if (performance.now() - this.#refreshedAt >= INTERVAL_MS) await this.refresh();
  }

  /** All runs, as of the last refresh. */
  get all(): News {
    const runs = [...this.#runs.values()].flatMap(({ summary }) => summary ?? []);
    return { runs, searches: this.#summaries(), gone: [], whole: true, cut: this.#cut };
  }

  /** Calls `listener` with each change. @returns removes the listener */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#schedule(INTERVAL_MS);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearTimeout(this.#timer);
    };
  }

  /** Reads all runs now; concurrent calls share one refresh. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  close(): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const startedAt = performance.now();
      await this.refresh().catch(() => {}); // the folder cannot be read now: try again later
      if (this.#listeners.size > 0)
        this.#schedule(Math.max(INTERVAL_MS, PAUSE_FACTOR * (performance.now() - startedAt)));
    }, ms);
  }

  async #refresh(): Promise<void> {
    const { runs, searches, cut } = await this.#finder.find();
    this.#cut = cut;
    const gone = [...this.#runs.keys()].filter((id) => !runs.has(id));
    for (const id of gone) {
      this.#runs.delete(id);
      this.#sent.delete(id);
    }
    const changed: RunSummary[] = [];
    for (const [id, time] of runs) {
      const run = this.#runs.get(id) ?? new LiveRun(this.#root, this.#placeOf(id));
      this.#runs.set(id, run);
      // The files of one run never stop the server or hide the other runs.
      await run.refresh(time).catch((error: unknown) => run.fail(error));
      const text = JSON.stringify(run.summary);
      if (run.summary && this.#sent.get(id) !== text) changed.push(run.summary);
      this.#sent.set(id, text);
    }
    const haveSearches = await this.#refreshSearches(searches);
    this.#refreshedAt = performance.now();
    if (changed.length === 0 && gone.length === 0 && !haveSearches) return;
    const found = haveSearches && { searches: this.#summaries() };
    for (const listener of this.#listeners)
      listener({ runs: changed, ...found, gone, whole: false, cut });
  }

  #placeOf(id: string) {
    return { id, name: id === '.' ? path.basename(this.#root) : id };
  }

  #summaries() {
    return [...this.#searches.values()].map(({ summary }) => summary);
  }

  /** @returns whether something changed */
  async #refreshSearches(ids: readonly string[]): Promise<boolean> {
    for (const id of this.#searches.keys()) if (!ids.includes(id)) this.#searches.delete(id);
    for (const id of ids) {
      const search = this.#searches.get(id) ?? new LiveSearch(this.#root, this.#placeOf(id));
      this.#searches.set(id, search);
      await search.refresh().catch(() => {}); // the others are shown
    }
    const text = JSON.stringify(this.#summaries());
    const isNew = text !== this.#sentSearches;
    this.#sentSearches = text;
    return isNew;
  }
}

/**
 * All runs below a folder, looked at once a second while anyone listens, and not at all otherwise.
 */
import path from 'node:path';
import { Finder } from './finder';
import { RunFolder } from './run-folder';
import type { News, RunSummary } from './types';

const EVERY_MS = 1000;
const SHARE = 4; // a look that takes long is followed by so many times as long a rest

type Listener = (news: News) => void;

export class Watcher {
  readonly #finder: Finder;
  readonly #runs = new Map<string, RunFolder>();
  /** As it was last told, as text: what differs is news. */
  readonly #told = new Map<string, string>();
  readonly #listeners = new Set<Listener>();
  #cut = false;
  #looked = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param root a real path */
  constructor(private readonly root: string) {
    this.#finder = new Finder(root);
  }

  /** A run by its id; undefined where there is none. */
  run(id: string): RunFolder | undefined {
    return this.#runs.get(id);
  }

  /** Looks, unless that was within the last second. */
  async refresh(): Promise<void> {
    if (performance.now() - this.#looked >= EVERY_MS) await this.look();
  }

  /** All runs, as they were last seen. */
  get all(): News {
    const runs = [...this.#runs.values()].flatMap(({ summary }) => summary ?? []);
    return { runs, gone: [], whole: true, cut: this.#cut };
  }

  /** Calls `listener` with each change. @returns ends it */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#wait(EVERY_MS);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) clearTimeout(this.#timer);
    };
  }

  /** Looks now; two who ask at once share a look. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  close(): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(async () => {
      const began = performance.now();
      await this.look();
      if (this.#listeners.size > 0)
        this.#wait(Math.max(EVERY_MS, SHARE * (performance.now() - began)));
    }, ms);
  }

  async #look(): Promise<void> {
    const { runs, cut } = await this.#finder.find();
    this.#cut = cut;
    const gone = [...this.#runs.keys()].filter((id) => !runs.has(id));
    for (const id of gone) {
      this.#runs.delete(id);
      this.#told.delete(id);
    }
    const changed: RunSummary[] = [];
    for (const [id, time] of runs) {
      const run =
        this.#runs.get(id) ??
        new RunFolder(this.root, { id, name: id === '.' ? path.basename(this.root) : id });
      this.#runs.set(id, run);
      await run.refresh(time);
      const text = JSON.stringify(run.summary);
      if (run.summary && this.#told.get(id) !== text) changed.push(run.summary);
      this.#told.set(id, text);
    }
    this.#looked = performance.now();
    if (changed.length === 0 && gone.length === 0) return;
    for (const listener of this.#listeners) listener({ runs: changed, gone, whole: false, cut });
  }
}

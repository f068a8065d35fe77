/**
 * Which runs are compared: kept in the address, so that a page that is loaded again or sent on
 * shows the same.
 */
import { MOST_CHOSEN, type RunSummary } from '../src/dashboard/types';

const FIRST = 3; // runs that are shown when nobody has chosen

export class Choice {
  #ids: string[];
  /** Whether a person has chosen; until then the page follows what is new. */
  #own: boolean;

  constructor(private readonly changed: () => void) {
    this.#ids = read();
    this.#own = this.#ids.length > 0 || location.hash === '#none';
    window.addEventListener('hashchange', () => {
      this.#ids = read();
      this.#own = true;
      changed();
    });
  }

  /** In the order of choosing, which is that of the charts' colours. */
  get ids(): readonly string[] {
    return this.#ids;
  }

  has(id: string): boolean {
    return this.#ids.includes(id);
  }

  get full(): boolean {
    return this.#ids.length >= MOST_CHOSEN;
  }

  set(id: string, chosen: boolean): void {
    this.#own = true;
    this.#ids =
      chosen && !this.full
        ? [...this.#ids.filter((other) => other !== id), id]
        : this.#ids.filter((other) => other !== id);
    this.#write();
    this.changed();
  }

  /** Drops what is gone; where nobody has chosen, takes what runs, or the newest. */
  follow(runs: ReadonlyMap<string, RunSummary>): void {
    const before = this.#ids.join('\n');
    if (this.#own) this.#ids = this.#ids.filter((id) => runs.has(id));
    else {
      const newest = [...runs.values()].sort((a, b) => b.started - a.started);
      const running = newest.filter(({ state }) => state === 'running');
      // A run that has just ended stays in view.
      const kept = this.#ids.filter((id) => runs.has(id));
      const fresh = (running.length > 0 ? running : newest.slice(0, FIRST)).map(({ id }) => id);
      this.#ids = [
        ...new Set(kept.length > 0 ? [...kept, ...running.map(({ id }) => id)] : fresh),
      ].slice(-8);
    }
    if (this.#ids.join('\n') !== before) this.changed();
  }

  #write(): void {
    const query = new URLSearchParams(this.#ids.map((id) => ['run', id]));
    history.replaceState(null, '', `#${this.#ids.length > 0 ? query : 'none'}`);
  }
}

const read = (): string[] =>
  [...new Set(new URLSearchParams(location.hash.slice(1)).getAll('run'))].slice(0, MOST_CHOSEN);

/** The chosen runs as a query for the server. */
export const query = (
  ids: readonly string[],
  more: Readonly<Record<string, string>> = {},
): string =>
  new URLSearchParams([...Object.entries(more), ...ids.map((id) => ['run', id])]).toString();

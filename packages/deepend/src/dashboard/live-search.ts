/** One search that is being watched: its files are read again as they change. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { bestResult, SEARCH_FILES, type SearchResult } from '@deepend/trainer';
import { plotSearch } from '../figures/search';
import { JsonLines } from '../run/json-lines';
import { isObject, parseObject, toNumber, toText } from '../run/records';
import { openInside, readInside } from './confine';
import { SEARCH_CHARTS, type SearchChart, type SearchSummary } from './types';

const LARGEST_JSON = 1024 * 1024; // bytes
const MAX_RESULTS = 5000; // the newest ones
const SETTLE_MS = 2000; // a file may be written twice within one tick of the file system's clock
const ASPECT = 0.62; // height over width

/** The dashboard's view of a search. Files outside the dashboard's folder are never read. */
export class LiveSearch {
  summary: SearchSummary;
  readonly #results = new JsonLines<SearchResult>(parseResult, { keep: MAX_RESULTS });
  readonly #root: string;
  /** Inode, size and time of the files when they were last read. */
  #mark = '';

  /**
   * @param root the dashboard's folder, a real path
   * @param place the search's folder relative to it, and the name to show
   */
  constructor(root: string, place: { readonly id: string; readonly name: string }) {
    this.#root = root;
    this.summary = {
      ...place,
      ...{ scheduler: null, trials: 0, results: 0, failures: 0, cut: false },
      ...{ lastResult: null, best: null },
    };
  }

  /** Reads what changed; a file that cannot be read counts as empty. */
  async refresh(): Promise<void> {
    const found = await Promise.all(Object.values(SEARCH_FILES).map((name) => this.#stat(name)));
    const mark = found.map((file) => file && `${file.ino} ${file.size} ${file.mtimeMs}`).join();
    const newest = Math.max(...found.map((file) => file?.mtimeMs ?? 0));
    if (mark === this.#mark && Date.now() - newest > SETTLE_MS) return;
    this.#mark = mark;
    const settings = parseObject(
      await readInside(this.#root, this.#place(SEARCH_FILES.settings), LARGEST_JSON),
    );
    const lastResult = await this.#readResults();
    const { records, cut } = this.#results;
    const scheduler = isObject(settings?.scheduler) ? settings.scheduler.name : undefined;
    this.summary = {
      ...this.summary,
      scheduler: toText(scheduler),
      trials: new Set(records.map(({ trial }) => trial)).size,
      results: records.length,
      failures: records.filter(({ error }) => error === null).length,
      ...{ cut, lastResult, best: bestOf(records) },
    };
  }

  /** A chart as a `<figure>` element; an empty string when there is nothing to draw. */
  draw(kind: SearchChart, width: number): string {
    const valid = this.#results.records.filter(({ error }) => error !== null);
    const options = { kind, width, height: Math.round(width * ASPECT) };
    if (kind !== 'configurations')
      return valid.length === 0 ? '' : plotSearch(valid, options).toHtmlFragment();
    // Lines of other programs may lack a hyperparameter.
    const [first] = valid;
    const isNumber = (result: SearchResult, name: string) =>
      Object.hasOwn(result.config, name) &&
      Number.isFinite((result.config as Record<string, unknown>)[name]);
    const parameter = Object.keys(first?.config ?? {}).find((name) =>
      valid.every((result) => isNumber(result, name)),
    );
    if (parameter === undefined) return '';
    return plotSearch(valid, { ...options, parameter }).toHtmlFragment();
  }

  #place(name: string): string {
    const { id } = this.summary;
    return id === '.' ? name : `${id}/${name}`;
  }

  #stat(name: string) {
    return stat(path.join(this.#root, this.#place(name))).catch(() => undefined);
  }

  /** @returns when a result was last written, in milliseconds since 1970; null without results */
  async #readResults(): Promise<number | null> {
    const handle = await openInside(this.#root, this.#place(SEARCH_FILES.results));
    try {
      if (handle) await this.#results.read(handle);
      else this.#results.clear();
      return handle ? (await handle.stat()).mtimeMs : null;
    } catch {
      this.#results.clear(); // the disk is gone; the next refresh reads everything again
      this.#mark = '';
      return null;
    } finally {
      await handle?.close();
    }
  }
}

/** Whether `name` is a chart of a search. */
export const isSearchChart = (name: unknown): name is SearchChart =>
  typeof name === 'string' && Object.hasOwn(SEARCH_CHARTS, name);

function bestOf(results: readonly SearchResult[]): SearchSummary['best'] {
  const best = bestResult(results);
  if (!best) return null;
  const values = Object.entries(best.config).map(([name, value]) => `${name} ${short(value)}`);
  return { error: best.error as number, budget: best.budget, config: toText(values.join(', ')) };
}

/** A value as people read it: integers whole, other numbers with four digits. */
function short(value: unknown): string {
  if (typeof value === 'boolean' || Number.isInteger(value)) return String(value);
  if (typeof value === 'number') return String(Number(value.toPrecision(4)));
  return toText(value) ?? '–';
}

/** A result from a line; undefined for anything else. */
function parseResult(value: unknown): SearchResult | undefined {
  if (!isObject(value) || !isObject(value.config)) return undefined;
  const [trial, budget, error] = [value.trial, value.budget, value.error].map(toNumber);
  const isValid = Number.isSafeInteger(trial) && (budget ?? 0) > 0;
  if (!isValid || (error === null && value.error !== null)) return undefined;
  const count = (name: string) => toNumber(value[name]) ?? 0;
  return {
    ...{ trial: trial as number, budget: budget as number, error: error ?? null },
    ...{ bracket: count('bracket'), rung: count('rung'), seconds: count('seconds') },
    config: value.config as SearchResult['config'],
  };
}

/** One search that is being watched: its files are read again as they change. */
import { bestResult, SEARCH_FILES, type SearchResult } from '@deepend/trainer';
import { plotSearch } from '../figures/search';
import { JsonLines } from '../run/json-lines';
import { isObject, parseObject, toNumber, toText } from '../run/records';
import { openInside, readInside } from './confine';
import { SEARCH_CHARTS, type SearchChart, type SearchSummary } from './types';

const LARGEST_JSON = 1024 * 1024; // bytes
const MAX_RESULTS = 5000;
const ASPECT = 0.62; // height over width

/** The dashboard's view of a search. Files outside the dashboard's folder are never read. */
export class LiveSearch {
  summary: SearchSummary;
  readonly #results = new JsonLines<SearchResult>(parseResult, { keep: MAX_RESULTS });
  readonly #root: string;

  /**
   * @param root the dashboard's folder, a real path
   * @param place the search's folder relative to it, and the name to show
   */
  constructor(root: string, place: { readonly id: string; readonly name: string }) {
    this.#root = root;
    this.summary = {
      ...place,
      ...{ scheduler: null, trials: 0, results: 0, failures: 0, best: null },
    };
  }

  /** Reads what changed; a file that cannot be read counts as empty. */
  async refresh(): Promise<void> {
    const { id } = this.summary;
    const place = (name: string) => (id === '.' ? name : `${id}/${name}`);
    const settings = parseObject(
      await readInside(this.#root, place(SEARCH_FILES.settings), LARGEST_JSON),
    );
    const handle = await openInside(this.#root, place(SEARCH_FILES.results));
    try {
      if (handle) await this.#results.read(handle);
      else this.#results.clear();
    } catch {
      this.#results.clear(); // the disk is gone; the next refresh reads everything again
    } finally {
      await handle?.close();
    }
    const { records } = this.#results;
    const scheduler = isObject(settings?.scheduler) ? settings.scheduler.name : undefined;
    this.summary = {
      ...this.summary,
      scheduler: toText(scheduler),
      trials: new Set(records.map(({ trial }) => trial)).size,
      results: records.length,
      failures: records.filter(({ error }) => error === null).length,
      best: bestOf(records),
    };
  }

  /** A chart as a `<figure>` element; an empty string when there is nothing to draw. */
  draw(kind: SearchChart, width: number): string {
    const { records } = this.#results;
    const valid = records.filter(({ error }) => error !== null);
    const isNumber = (value: unknown) => typeof value === 'number';
    const hasAxis =
      kind !== 'configurations' || valid.some(({ config }) => Object.values(config).some(isNumber));
    if (valid.length === 0 || !hasAxis) return '';
    const height = Math.round(width * ASPECT);
    return plotSearch(valid, { kind, width, height }).toHtmlFragment();
  }
}

/** Whether `name` is a chart of a search. */
export const isSearchChart = (name: unknown): name is SearchChart =>
  typeof name === 'string' && Object.hasOwn(SEARCH_CHARTS, name);

function bestOf(results: readonly SearchResult[]): SearchSummary['best'] {
  const best = bestResult(results);
  if (!best) return null;
  const values = Object.entries(best.config).map(([name, value]) => `${name} ${short(value)}`);
  return { error: best.error as number, budget: best.budget, config: values.join(', ') };
}

const short = (value: unknown) =>
  typeof value === 'number' ? String(Number(value.toPrecision(4))) : (toText(value) ?? '–');

/** A result from a line; undefined for anything else. */
function parseResult(value: unknown): SearchResult | undefined {
  if (!isObject(value) || !isObject(value.config)) return undefined;
  const [trial, budget] = [toNumber(value.trial), toNumber(value.budget)];
  if (trial === null || budget === null) return undefined;
  const count = (name: string) => toNumber(value[name]) ?? 0;
  return {
    ...{ trial, budget, bracket: count('bracket'), rung: count('rung') },
    ...{ error: toNumber(value.error), seconds: count('seconds') },
    config: value.config as SearchResult['config'],
  };
}

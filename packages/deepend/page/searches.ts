/** The searches of hyperparameters, each with its best configuration and three charts. */
import { SEARCH_CHARTS, type SearchChart, type SearchSummary } from '../src/dashboard/types';
import { availableWidth, ChartPlace, fetchText } from './chart-place';
import { byId, element, setText, throttled } from './dom';
import { moment } from './format';

interface Shown {
  readonly section: HTMLElement;
  readonly title: HTMLElement;
  readonly line: HTMLElement;
  readonly charts: ReadonlyMap<SearchChart, ChartPlace>;
  /** What the charts show, and their width. */
  drawn: string;
}

export class SearchesView {
  readonly #shown = new Map<string, Shown>();
  readonly #box = byId('searches');
  #searches: readonly SearchSummary[] = [];
  readonly #refresh = throttled(() => this.#draw(), 1000);

  constructor() {
    new ResizeObserver(() => this.#refresh()).observe(this.#box);
    document.addEventListener('visibilitychange', () => this.#refresh());
  }

  set(searches: readonly SearchSummary[]): void {
    this.#searches = searches;
    byId('search-section').hidden = searches.length === 0;
    for (const [id, { section }] of this.#shown) {
      if (searches.some((search) => search.id === id)) continue;
      section.remove();
      this.#shown.delete(id);
    }
    for (const search of searches) {
      const shown = this.#shown.get(search.id) ?? this.#add(search.id);
      setText(shown.title, search.name);
      setText(shown.line, lineOf(search));
    }
    this.#refresh();
  }

  #add(id: string): Shown {
    const [title, line] = [element('h3'), element('p')];
    const grid = element('div', { class: 'grid' });
    const charts = new Map<SearchChart, ChartPlace>();
    for (const [kind, name] of Object.entries(SEARCH_CHARTS) as [SearchChart, string][]) {
      const place = new ChartPlace('no results yet');
      grid.append(
        element(
          'section',
          { class: 'cell', 'aria-label': name },
          element('h4', {}, name),
          place.box,
        ),
      );
      charts.set(kind, place);
    }
    const section = element('section', {}, title, line, grid);
    this.#box.append(section);
    const shown = { section, title, line, charts, drawn: '' };
    this.#shown.set(id, shown);
    return shown;
  }

  async #draw(): Promise<void> {
    if (document.hidden) return; // drawn when it is looked at again
    for (const { id, results, lastResult } of this.#searches) {
      const shown = this.#shown.get(id);
      if (!shown) continue;
      const width = String(availableWidth(shown.section.querySelector('.grid')));
      const state = `${results} ${lastResult} ${width}`;
      if (shown.drawn === state) continue;
      for (const [kind, place] of shown.charts)
        place.put(await fetchText(`search?${new URLSearchParams({ search: id, kind, width })}`));
      shown.drawn = state;
    }
  }
}

const counted = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;

function lineOf({ scheduler, best, ...search }: SearchSummary): string {
  const { trials, results, failures, cut, lastResult } = search;
  const failed = failures > 0 ? [`${failures} failed`] : [];
  const last = lastResult === null ? [] : [`last result ${moment(lastResult)}`];
  const found = best
    ? [
        `least error ${Number(best.error.toPrecision(4))} with budget ${best.budget}: ${best.config}`,
      ]
    : [];
  return [
    scheduler ?? '–',
    counted(trials, 'trial'),
    cut ? `the newest ${results} results` : counted(results, 'result'),
    ...[...failed, ...last, ...found],
  ].join(' · ');
}

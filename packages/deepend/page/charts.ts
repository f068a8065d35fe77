/** The curves of the chosen runs, drawn by the server. */
import { METRICS, type Metric } from '../src/dashboard/types';
import { availableWidth, ChartPlace, fetchText } from './chart-place';
import { query } from './choice';
import { byId, element, throttled } from './dom';

export class Charts {
  readonly #places = new Map<Metric, ChartPlace>();
  readonly #grid = byId('charts');
  readonly refresh: () => void;

  /** @param chosen the runs to show */
  constructor(private readonly chosen: () => readonly string[]) {
    for (const [metric, title] of Object.entries(METRICS) as [Metric, string][]) {
      const place = new ChartPlace('no values yet');
      const heading = element('h3', {}, title);
      this.#grid.append(element('section', { 'aria-label': title }, heading, place.box));
      this.#places.set(metric, place);
    }
    this.refresh = throttled(() => this.#refresh(), 1000);
    let width = availableWidth(this.#grid);
    new ResizeObserver(() => {
      if (availableWidth(this.#grid) !== width) this.refresh();
      width = availableWidth(this.#grid);
    }).observe(this.#grid);
    document.addEventListener('visibilitychange', () => this.refresh());
  }

  async #refresh(): Promise<void> {
    if (document.hidden) return; // drawn when it is looked at again
    const ids = this.chosen();
    const width = String(availableWidth(this.#grid));
    for (const [metric, place] of this.#places) {
      const markup =
        ids.length === 0 ? '' : await fetchText(`chart?${query(ids, { metric, width })}`);
      if (ids.join('\n') !== this.chosen().join('\n')) return this.refresh();
      place.put(markup);
    }
  }
}

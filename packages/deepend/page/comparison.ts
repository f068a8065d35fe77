/** The settings of the chosen runs, side by side, and the pictures in their folders. */
import type { Comparison, RunSummary } from '../src/dashboard/types';
import { query } from './choice';
import { byId, element, throttled } from './dom';

export class ComparisonView {
  #shown = '';
  readonly refresh: () => void;

  constructor(
    private readonly chosen: () => readonly string[],
    private readonly runs: ReadonlyMap<string, RunSummary>,
  ) {
    this.refresh = throttled(() => this.#refresh(), 1000);
  }

  async #refresh(): Promise<void> {
    const ids = this.chosen();
    const response = ids.length === 0 ? undefined : await fetch(`compare?${query(ids)}`);
    const text = response?.ok ? await response.text() : '';
    if (ids.join('\n') !== this.chosen().join('\n')) return this.refresh();
    if (text === this.#shown) return;
    const before = this.#shown === '' ? empty : (JSON.parse(this.#shown) as Comparison);
    const now = text === '' ? empty : (JSON.parse(text) as Comparison);
    this.#shown = text;
    if (JSON.stringify({ ...before, pictures: [] }) !== JSON.stringify({ ...now, pictures: [] }))
      this.#drawSettings(now);
    this.#drawPictures(now);
  }

  #drawSettings({ ids, differences, shared }: Comparison): void {
    const names = ids.map((id) =>
      element('th', { scope: 'col' }, element('bdi', {}, this.#name(id))),
    );
    const rows = differences.map(({ setting, values }) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, setting),
        ...values.map((value) => element('td', {}, value ?? '–')),
      ),
    );
    const head = element(
      'thead',
      {},
      element('tr', {}, element('th', { scope: 'col' }, 'setting'), ...names),
    );
    const table = element('table', {}, head, element('tbody', {}, ...rows));
    const say =
      ids.length < 2
        ? 'Choose two or more runs to see their differences.'
        : 'These runs have the same settings.';
    byId('differences').replaceChildren(
      ids.length > 1 && rows.length > 0 ? table : element('p', { class: 'none' }, say),
    );
    const same = shared.map(({ setting, value }) =>
      element('tr', {}, element('th', { scope: 'row' }, setting), element('td', {}, value)),
    );
    byId('shared').replaceChildren(element('tbody', {}, ...same));
    byId('same').hidden = same.length === 0;
  }

  /**
   * An image that is there already gets its new address: the browser shows the old one until the
   * new one has come.
   */
  #drawPictures({ ids, pictures }: Comparison): void {
    const place = byId('pictures');
    const old = new Map(
      [...place.querySelectorAll('figure')].map((figure) => [figure.dataset.key, figure]),
    );
    const sections = ids.flatMap((id, i) => {
      const figures = (pictures[i] ?? []).map(({ name, url }) => {
        const key = `${id}/${name}`;
        const figure = old.get(key) ?? this.#figure(id, name, key);
        const image = figure.querySelector('img');
        if (image && image.getAttribute('src') !== url) image.setAttribute('src', url);
        figure.querySelector('a')?.setAttribute('href', url);
        return figure;
      });
      const head = element('h3', {}, element('bdi', {}, this.#name(id)));
      return figures.length > 0
        ? [element('section', {}, head, element('div', { class: 'figures' }, ...figures))]
        : [];
    });
    place.replaceChildren(
      ...(sections.length > 0 ? sections : [element('p', { class: 'none' }, 'no pictures yet')]),
    );
  }

  #figure(id: string, name: string, key: string): HTMLElement {
    const image = element('img', { alt: `${name} of ${this.#name(id)}`, loading: 'lazy' });
    const link = element('a', { target: '_blank', rel: 'noopener' }, image);
    return element(
      'figure',
      { class: 'picture', 'data-key': key },
      link,
      element('figcaption', {}, element('bdi', {}, name)),
    );
  }

  #name(id: string): string {
    return this.runs.get(id)?.name ?? id;
  }
}

const empty: Comparison = { ids: [], differences: [], shared: [], pictures: [] };

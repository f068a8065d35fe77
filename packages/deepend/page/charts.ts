/**
 * The curves of the chosen runs, drawn by the server, and put in place of the old ones without a
 * flicker.
 */
import { METRICS, type Metric } from '../src/dashboard/types';
import { query } from './choice';
import { byId, element, throttled } from './dom';

const STEP = 20; // pixels by which the available width must change before a chart is redrawn
const [NARROWEST, WIDEST] = [280, 900];

interface Place {
  readonly box: HTMLElement;
  readonly none: HTMLElement;
}

export class Charts {
  readonly #places = new Map<Metric, Place>();
  readonly #grid = byId('charts');
  #pointer: { x: number; y: number } | undefined;
  readonly refresh: () => void;

  /** @param chosen the runs to show */
  constructor(private readonly chosen: () => readonly string[]) {
    for (const [metric, title] of Object.entries(METRICS) as [Metric, string][]) {
      const none = element('p', { class: 'none' }, 'no values yet');
      const box = element('div', { class: 'chart' }, none);
      this.#grid.append(element('section', { 'aria-label': title }, element('h3', {}, title), box));
      this.#places.set(metric, { box, none });
    }
    this.refresh = throttled(() => this.#refresh(), 1000);
    let width = this.#width();
    new ResizeObserver(() => {
      if (this.#width() !== width) this.refresh();
      width = this.#width();
    }).observe(this.#grid);
    document.addEventListener('pointermove', ({ clientX: x, clientY: y, isTrusted }) => {
      if (isTrusted) this.#pointer = { x, y };
    });
    document.addEventListener('visibilitychange', () => this.refresh());
  }

  async #refresh(): Promise<void> {
    if (document.hidden) return; // drawn when it is looked at again
    const ids = this.chosen();
    const width = String(this.#width());
    for (const [metric, place] of this.#places) {
      const markup =
        ids.length === 0 ? '' : await fetchText(`chart?${query(ids, { metric, width })}`);
      if (ids.join('\n') !== this.chosen().join('\n')) return this.refresh();
      this.#put(place, markup);
    }
  }

  #put({ box, none }: Place, markup: string): void {
    const holder = element('template');
    holder.innerHTML = markup; // the server's own figure; the page's policy allows no script in it
    const fresh = holder.content.querySelector('figure');
    const old = box.querySelector('figure');
    none.hidden = fresh !== null;
    const [drawn, drawing] = [old?.querySelector('svg'), fresh?.querySelector('svg')];
    if (!old || !drawn || !fresh || !drawing) {
      old?.remove();
      if (fresh) box.append(fresh);
      return;
    }
    // The figure stays: it may have the focus, or the pointer above it.
    if (drawn.outerHTML !== drawing.outerHTML) drawn.replaceWith(drawing);
    old.dataset.points = fresh.dataset.points ?? '[]';
    if (old.matches(':hover') && this.#pointer) {
      const { x: clientX, y: clientY } = this.#pointer;
      drawing.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, bubbles: true }));
    }
  }

  #width(): number {
    const room = this.#grid.firstElementChild?.clientWidth ?? 560;
    return Math.min(WIDEST, Math.max(NARROWEST, Math.floor(room / STEP) * STEP));
  }
}

async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

/** A place for a chart that the server draws, put in place of the old one without a flicker. */
import { element } from './dom';

const STEP = 20; // pixels by which the available width must change before a chart is redrawn
const [NARROWEST, WIDEST] = [280, 900];

/** Where the pointer was last, for what is shown below it. */
let pointer: { x: number; y: number } | undefined;
document.addEventListener('pointermove', ({ clientX: x, clientY: y, isTrusted }) => {
  if (isTrusted) pointer = { x, y };
});

export class ChartPlace {
  readonly box: HTMLElement;
  readonly #none: HTMLElement;

  /** @param none what is said while there is no chart */
  constructor(none: string) {
    this.#none = element('p', { class: 'none' }, none);
    this.box = element('div', { class: 'chart' }, this.#none);
  }

  /** @param markup the server's figure; the page's policy allows no script in it */
  put(markup: string): void {
    const holder = element('template');
    holder.innerHTML = markup;
    const fresh = holder.content.querySelector('figure');
    const old = this.box.querySelector('figure');
    this.#none.hidden = fresh !== null;
    const [drawn, drawing] = [old?.querySelector('svg'), fresh?.querySelector('svg')];
    if (!old || !drawn || !fresh || !drawing) {
      old?.remove();
      if (fresh) this.box.append(fresh);
      return;
    }
    // The figure stays: it may have the focus, or the pointer above it.
    if (drawn.outerHTML !== drawing.outerHTML) drawn.replaceWith(drawing);
    old.dataset.points = fresh.dataset.points ?? '[]';
    if (old.matches(':hover') && pointer) {
      const { x: clientX, y: clientY } = pointer;
      drawing.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, bubbles: true }));
    }
  }
}

/** Pixels of a chart in the first column of a grid. */
export function availableWidth(grid: Element | null): number {
  const room = grid?.firstElementChild?.clientWidth ?? 560;
  return Math.min(WIDEST, Math.max(NARROWEST, Math.floor(room / STEP) * STEP));
}

export async function fetchText(url: string): Promise<string> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.text();
}

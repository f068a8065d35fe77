/** The list of runs: a row each, sorted by any column, changed in place as news come. */
import type { RunState, RunSummary } from '../src/dashboard/types';
import type { Choice } from './choice';
import { byId, element, setText } from './dom';
import * as format from './format';

type Key = keyof RunSummary;

interface Column {
  readonly key: Key;
  readonly title: string;
  readonly show: (run: RunSummary, now: number) => string;
  /** Numbers stand right, and are sorted from the largest on. */
  readonly number?: boolean;
}

const STATES: Record<RunState, string> = {
  running: '▶',
  finished: '✓',
  interrupted: '◼',
  failed: '✕',
  silent: '?',
};

const COLUMNS: readonly Column[] = [
  { key: 'state', title: 'state', show: stateText },
  {
    key: 'epoch',
    title: 'epoch',
    show: (run) => format.epochs(run.epoch, run.numEpochs),
    number: true,
  },
  {
    key: 'secondsLeft',
    title: 'time left',
    show: ({ secondsLeft }) => (secondsLeft === null ? '–' : format.duration(secondsLeft)),
    number: true,
  },
  { key: 'loss', title: 'loss', show: (run) => format.loss(run.loss), number: true },
  { key: 'trainAcc', title: 'train acc', show: (run) => format.share(run.trainAcc), number: true },
  { key: 'testAcc', title: 'test acc', show: (run) => format.share(run.testAcc), number: true },
  {
    key: 'samplesPerSecond',
    title: 'samples/s',
    show: (run) => format.rate(run.samplesPerSecond),
    number: true,
  },
  { key: 'model', title: 'model', show: (run) => format.text(run.model) },
  { key: 'data', title: 'data', show: (run) => format.text(run.data) },
  { key: 'device', title: 'device', show: (run) => format.text(run.device) },
  { key: 'started', title: 'started', show: (run) => format.moment(run.started), number: true },
];

/**
 * `silent for 12 min`: time without news by the server's clock. A reason that is cut off with `…`
 * is shown below the list when the run is chosen.
 */
function stateText({ state, reason, lastNews }: RunSummary, now: number): string {
  const word =
    state === 'silent' ? `silent for ${format.duration((now - lastNews) / 1000)}` : state;
  return `${STATES[state]} ${word}${reason ? ' …' : ''}`;
}

interface Row {
  readonly row: HTMLTableRowElement;
  readonly box: HTMLInputElement;
  readonly cells: readonly HTMLElement[];
}

export class Table {
  readonly #rows = new Map<string, Row>();
  readonly #body = byId<HTMLTableSectionElement>('rows');
  readonly #filter = byId<HTMLInputElement>('filter');
  readonly #heads = new Map<Key, HTMLTableCellElement>();
  #now = Date.now();
  #sort: { key: Key; down: boolean } = { key: 'started', down: true };

  constructor(
    private readonly runs: ReadonlyMap<string, RunSummary>,
    private readonly choice: Choice,
  ) {
    const head = byId('heads');
    this.#addHead(head, { key: 'name', title: 'run', show: ({ name }) => name });
    for (const column of COLUMNS) this.#addHead(head, column);
    this.#filter.addEventListener('input', () => this.draw(this.#now));
  }

  /** @param now milliseconds since 1970 by the server's clock */
  draw(now: number): void {
    this.#now = now;
    for (const [id, { row }] of this.#rows) {
      if (this.runs.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    const words = this.#filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [...this.runs.values()].filter((run) => {
      const text = [run.name, run.model, run.data, run.device, run.state].join(' ').toLowerCase();
      return words.every((word) => text.includes(word));
    });
    const sorted = shown
      .sort((a, b) => compare(a, b, this.#sort))
      .map((run) => this.#update(run, now));
    // What stands right already is not moved, so that the focus stays.
    sorted.forEach((row, i) => {
      if (this.#body.children[i] !== row)
        this.#body.insertBefore(row, this.#body.children[i] ?? null);
    });
    while (this.#body.children.length > sorted.length) this.#body.lastElementChild?.remove();
    for (const [key, head] of this.#heads) {
      const order =
        key === this.#sort.key ? (this.#sort.down ? 'descending' : 'ascending') : 'none';
      head.setAttribute('aria-sort', order);
    }
    const count =
      this.runs.size === shown.length ? `${shown.length}` : `${shown.length} of ${this.runs.size}`;
    this.#drawReasons();
    setText(
      byId('count'),
      `${count} ${this.runs.size === 1 ? 'run' : 'runs'}, ${this.choice.ids.length} chosen`,
    );
  }

  /** Why chosen runs ended: a cell has no room for it. */
  #drawReasons(): void {
    const items = this.choice.ids.flatMap((id) => {
      const { name, state, reason } = this.runs.get(id) ?? {};
      return name && reason
        ? [element('li', {}, element('bdi', {}, name), `: ${state}: ${reason}`)]
        : [];
    });
    const place = byId('reasons');
    const text = items.map(({ textContent }) => textContent).join('');
    if (place.textContent !== text) place.replaceChildren(...items);
    place.hidden = items.length === 0;
  }

  #addHead(head: HTMLElement, { key, title, number = false }: Column): void {
    const button = element('button', { type: 'button' }, title);
    button.addEventListener('click', () => {
      const again = this.#sort.key === key;
      this.#sort = { key, down: again ? !this.#sort.down : number };
      this.draw(this.#now);
    });
    const cell = element(
      'th',
      { scope: 'col', class: number ? 'number' : key === 'name' ? 'name' : null },
      button,
    );
    this.#heads.set(key, cell);
    head.append(cell);
  }

  #update(run: RunSummary, now: number): HTMLTableRowElement {
    const { row, box, cells } = this.#rows.get(run.id) ?? this.#add(run);
    box.checked = this.choice.has(run.id);
    box.disabled = !box.checked && this.choice.full;
    if (row.dataset.state !== run.state) row.dataset.state = run.state;
    COLUMNS.forEach(({ show }, i) => {
      setText(cells[i] as HTMLElement, show(run, now));
    });
    return row;
  }

  #add(run: RunSummary): Row {
    const box = element('input', { type: 'checkbox' });
    box.addEventListener('change', () => this.choice.set(run.id, box.checked));
    const name = element('label', {}, box, element('bdi', {}, run.name));
    const cells = COLUMNS.map(({ number = false, key }) =>
      element('td', { class: number ? 'number' : key }),
    );
    const row = element('tr', {}, element('th', { scope: 'row', class: 'name' }, name), ...cells);
    const made = { row, box, cells };
    this.#rows.set(run.id, made);
    return made;
  }
}

/** What is not known comes last, whichever way. */
function compare(a: RunSummary, b: RunSummary, { key, down }: { key: Key; down: boolean }): number {
  const [x, y] = [a[key], b[key]];
  if (x === null || y === null) return Number(x === null) - Number(y === null);
  const order =
    typeof x === 'number' && typeof y === 'number'
      ? x - y
      : String(x).localeCompare(String(y), 'en', { numeric: true });
  return (down ? -order : order) || a.name.localeCompare(b.name, 'en', { numeric: true });
}

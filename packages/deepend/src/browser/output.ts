/** What a script in a worker prints and draws appears on the page that started it. */

/** What a page that shows a worker's output sends it first. */
export const CONNECT = { deepend: 'connect' } as const;

/** Messages of a worker to its page. */
export type Message =
  | { readonly deepend: 'line'; readonly level: Level; readonly text: string }
  /** A figure or progress, in several MIME types; `id` is the place that it takes or replaces. */
  | { readonly deepend: 'show'; readonly id: string; readonly bundle: object }
  | { readonly deepend: 'file'; readonly name: string; readonly data: Uint8Array<ArrayBuffer> };

export type Level = (typeof LEVELS)[number];

const LEVELS = ['log', 'warn', 'error'] as const;

interface Display {
  data: object;
  transient: { display_id: string };
}

interface Received {
  readonly data?: Partial<typeof CONNECT>;
  stopImmediatePropagation(): void;
}

/** The worker's global scope. */
interface Scope {
  readonly location: { readonly href: string };
  postMessage(message: Message): void;
  addEventListener(type: 'message', listener: (event: Received) => void, options: object): void;
}

export const scope = globalThis as unknown as Scope;

/** Messages of before the page's first one; undefined once it is known whether a page listens. */
let pending: Message[] | undefined;
let isShown = false;

/** As many messages as are kept for a page that has not said that it listens. */
const MAX_PENDING = 1000;

/** Sends a message to the page, if `startWorker` listens there. */
export function post(message: Message): void {
  if (pending && pending.length < MAX_PENDING) pending.push(message);
  else if (isShown) scope.postMessage(message);
}

/** Whether `startWorker` listens, or may still say so. */
export const mayHavePage = (): boolean => isShown || pending !== undefined;

/** In a worker that `startWorker` starts or is given: prints and draws on the page. */
export function connectPage(): void {
  if (!('WorkerGlobalScope' in globalThis)) return;
  pending = [];
  scope.addEventListener('message', onFirstMessage, { once: true });
  for (const level of LEVELS) {
    const print = console[level].bind(console);
    console[level] = (...values: unknown[]) => {
      print(...values);
      post({ deepend: 'line', level, text: values.map(toText).join(' ') });
    };
  }
  const send = ({ data, transient: { display_id: id } }: Display): void =>
    post({ deepend: 'show', id, bundle: data });
  (globalThis as Record<symbol, unknown>)[Symbol.for('deepend.page')] = { send };
}

/** The page's first message says whether it shows the output. The script does not see that one. */
function onFirstMessage(event: Received): void {
  const waiting = pending ?? [];
  pending = undefined;
  isShown = event.data?.deepend === CONNECT.deepend;
  if (!isShown) return;
  event.stopImmediatePropagation();
  for (const message of waiting) post(message);
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack ?? value.message;
  return JSON.stringify(value) ?? String(value);
}

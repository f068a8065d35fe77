/** What a script in a worker prints and draws appears on the page that started it. */

/** The name of the workers whose page shows their output. */
export const WORKER_NAME = 'deepend';

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

/** The worker's global scope. */
interface Scope {
  readonly name?: string;
  readonly location: { readonly href: string };
  postMessage(message: Message): void;
}

export const scope = globalThis as unknown as Scope;

export const post = (message: Message): void => scope.postMessage(message);

/** In a worker that `startWorker` started: prints and draws on the page. */
export function connectPage(): void {
  if (!('WorkerGlobalScope' in globalThis) || scope.name !== WORKER_NAME) return;
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

function toText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return value.stack ?? value.message;
  return JSON.stringify(value) ?? String(value);
}

/**
 * The page's side of training in a browser: starts a worker and shows what it prints and draws. It
 * loads nothing else, so that the page is there at once.
 */
import { CONNECT, type Level, type Message } from './output';

/** Where output goes: any element of the page. */
export interface OutputElement {
  append(...nodes: unknown[]): void;
}

/** What deepend uses of the browser's `Worker`. */
export interface PageWorker {
  postMessage(message: unknown, transfer?: unknown[]): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  terminate(): void;
}

export interface StartOptions {
  /**
   * Where the output of the worker's script appears, below what is there.
   * @default nowhere
   * @example document.querySelector('#output')
   */
  readonly output?: OutputElement | null;
  /** Called with each message that the script posts by itself. @default none */
  readonly onMessage?: (data: unknown) => void;
}

/** A worker, and the way to end it. */
export interface Session {
  readonly worker: PageWorker;
  /** Ends the worker, which frees its memory and its threads. What it has shown stays. */
  stop(): void;
}

interface PageElement extends OutputElement {
  className: string;
  textContent: string | null;
  replaceChildren(...nodes: unknown[]): void;
}

/** What this module uses of a page. It has no types of the DOM, which Node's programs lack. */
interface Page {
  readonly document: {
    createElement(name: 'pre' | 'div'): PageElement;
    createElement(name: 'img'): { alt: string; src: string };
    createElement(name: 'a'): { href: string; download: string; click(): void };
  };
  readonly Worker: new (script: URL | string, options: object) => PageWorker;
}

const page = globalThis as unknown as Page;

interface Failure {
  readonly message?: string;
  readonly filename?: string;
  readonly lineno?: number;
}

/**
 * Starts a module as a worker whose figures, progress and printed lines appear on the page. The
 * worker ends with the page.
 * @param script the address of the worker's module; or a worker that has just been made, as
 *   bundlers want it, which look for `new Worker(new URL(...))`
 * @example
 * startWorker(new URL('./train.js', import.meta.url), { output: document.body });
 * const worker = new Worker(new URL('./train.ts', import.meta.url), { type: 'module' });
 * startWorker(worker, { output: document.body });
 */
export function startWorker(
  script: URL | string | PageWorker,
  options: StartOptions = {},
): Session {
  const { output, onMessage } = options;
  const isAddress = typeof script === 'string' || script instanceof URL;
  const worker = isAddress ? new page.Worker(script, { type: 'module' }) : script;
  worker.postMessage(CONNECT);
  const places = new Map<string, PageElement>();
  worker.addEventListener('message', ({ data }: { data: Message }) => {
    if (data?.deepend === 'file') save(data);
    else if (data?.deepend === 'line') output?.append(toLine(data.level, data.text));
    else if (data?.deepend === 'show') {
      const place = places.get(data.id) ?? addPlace(output);
      places.set(data.id, place);
      fill(place, data.bundle as Record<string, string>);
    } else onMessage?.(data);
  });
  worker.addEventListener('error', ({ message, filename, lineno }: Failure) => {
    const where = filename ? ` (${filename}:${lineno})` : '';
    output?.append(toLine('error', `${message || 'the worker did not load'}${where}`));
  });
  return { worker, stop: () => worker.terminate() };
}

function toLine(level: Level, text: string): PageElement {
  const line = page.document.createElement('pre');
  line.className = `deepend-line deepend-${level}`;
  line.textContent = text;
  return line;
}

function addPlace(output: OutputElement | null | undefined): PageElement {
  const place = page.document.createElement('div');
  place.className = 'deepend-output';
  output?.append(place);
  return place;
}

/** Shows the richest form: a figure, or text. */
function fill(place: PageElement, bundle: Record<string, string>): void {
  const { 'image/svg+xml': svg, 'text/plain': text } = bundle;
  if (!svg) {
    place.replaceChildren(toLine('log', text ?? ''));
    return;
  }
  // The browser reads it as a picture, in which no script runs.
  const image = page.document.createElement('img');
  image.alt = text ?? 'a figure';
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  place.replaceChildren(image);
}

/** Gives the user a file, as a download. */
function save({ name, data }: { name: string; data: Uint8Array<ArrayBuffer> }): void {
  const link = page.document.createElement('a');
  link.href = URL.createObjectURL(new Blob([data]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

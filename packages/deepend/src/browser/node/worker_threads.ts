/** Node's `Worker` on a browser's: what `@deepend/backend-simd` needs of it. */

type Listener = (value: unknown) => void;

/** Runs in the browser's worker: waits for its data, then runs the script as Node does. */
const BOOTSTRAP = `
self.onmessage = ({ data: { script, workerData } }) => {
  const require = () => ({ workerData });
  const Buffer = { from: (text) => new TextEncoder().encode(text) };
  new Function('require', 'Buffer', script)(require, Buffer);
};`;

export const isMainThread = true;
export const threadId = 0;
export const parentPort = null;
export const workerData = undefined;

export class Worker {
  readonly #worker: globalThis.Worker;
  readonly #listeners = new Map<string, Listener[]>();

  /**
   * @param script the program itself
   * @throws Error on a page that may not share memory
   */
  constructor(script: string, { workerData: data }: { workerData?: unknown } = {}) {
    if (!globalThis.crossOriginIsolated)
      throw new Error(
        'the page is not cross-origin isolated: its server must send the headers ' +
          'Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp',
      );
    const address = URL.createObjectURL(new Blob([BOOTSTRAP], { type: 'text/javascript' }));
    this.#worker = new globalThis.Worker(address);
    URL.revokeObjectURL(address);
    this.#worker.onerror = (event) => {
      this.#emit('error', new Error(event.message));
      this.#emit('exit', 1);
    };
    try {
      this.#worker.postMessage({ script, workerData: data });
    } catch (error) {
      this.#worker.terminate();
      throw error;
    }
  }

  on(event: string, listener: Listener): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  unref(): void {}

  /** The threads of `simd` receive no messages; those of a data loader do. */
  postMessage(): never {
    this.#worker.terminate();
    throw new Error('[data] worker threads of a DataLoader need Node.js; set workers: 0');
  }

  /** A browser says nothing about the end of a worker, which is immediate. */
  async terminate(): Promise<number> {
    this.#worker.terminate();
    await Promise.resolve();
    this.#emit('exit', 1);
    return 1;
  }

  #emit(event: string, value: unknown): void {
    for (const listener of this.#listeners.get(event) ?? []) listener(value);
  }
}

export const MessageChannel = globalThis.MessageChannel;
export function receiveMessageOnPort(): never {
  throw new Error('needs Node.js');
}

/** A browser emits none of Node's events, such as signals. */
const NO_EVENTS = { on() {}, once() {}, off() {}, removeListener() {} };

const stream = (print: (text: string) => void) => ({
  ...NO_EVENTS,
  isTTY: false,
  write(text: string) {
    print(text.replace(/\n$/, ''));
    return true;
  },
});

/** Node's globals, as far as deepend reads them. */
export const process = {
  ...NO_EVENTS,
  env: {} as Record<string, string | undefined>,
  argv: [] as string[],
  execPath: '/browser',
  platform: 'browser',
  arch: 'wasm32',
  version: '',
  versions: { node: '99.0.0' }, // new enough that no flag of V8 has to be set
  pid: 1,
  stdout: stream((text) => console.log(text)),
  stderr: stream((text) => console.error(text)),
  cwd: () => '/',
  hrtime: { bigint: () => BigInt(Math.round(performance.now() * 1e6)) },
  memoryUsage: () => ({ rss: 0, heapUsed: 0 }),
  listeners: () => [],
  emitWarning: (text: string) => console.warn(text),
  nextTick: (work: () => void) => queueMicrotask(work),
};

const decode = (text: string): Uint8Array =>
  Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
export const Buffer = {
  from(data: string | Uint8Array | ArrayBuffer, encoding?: string): Uint8Array {
    if (typeof data !== 'string') return new Uint8Array(data as ArrayBuffer);
    return encoding === 'base64' ? decode(data) : new TextEncoder().encode(data);
  },
  isBuffer: () => false,
};

/** A turn of the event loop, without the 4 ms that a browser's nested timers wait. */
export function setImmediate(work: (...values: unknown[]) => void, ...values: unknown[]): object {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    work(...values);
  };
  port2.postMessage(undefined);
  return {
    unref: () => {},
    cancel: () => {
      port1.onmessage = null;
    },
  };
}
export const clearImmediate = (handle?: { cancel?(): void }): void => handle?.cancel?.();

/** A timer as Node gives it, which can be unreferenced. */
class Timer {
  readonly #id: number;

  constructor(id: number) {
    this.#id = id;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  /** `clearTimeout` of the browser takes it too. */
  [Symbol.toPrimitive](): number {
    return this.#id;
  }
}

type Work = (...values: unknown[]) => void;

export const setTimeout = (work: Work, delay = 0, ...values: unknown[]): Timer =>
  new Timer(globalThis.setTimeout(work, delay, ...values));
export const setInterval = (work: Work, delay = 0, ...values: unknown[]): Timer =>
  new Timer(globalThis.setInterval(work, delay, ...values));
export const clearTimeout = (timer?: Timer): void =>
  globalThis.clearTimeout(timer === undefined ? undefined : Number(timer));
export const clearInterval = clearTimeout;

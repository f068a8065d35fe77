/** A device's worker, as the training thread sees it. */
import { deserializeError, type SerializedError } from '@deepend/core';
import type { Reply, Request, RequestName, Requests, Responses } from './protocol';
import type { StartTransport, Transport } from './transport';

export interface WorkerHandleOptions {
  /** The device and its place, for error messages. */
  readonly name: string;
  readonly start: StartTransport;
  readonly env: NodeJS.ProcessEnv;
}

type Outcome = { readonly response: Responses[RequestName] } | { readonly error: Error };

/** Sends one request at a time, and gives up when the worker ends or stays silent. */
export class WorkerHandle {
  readonly #transport: Transport;
  readonly #name: string;
  #outcome: Outcome | undefined;
  /** The id of the last request. */
  #lastId = 0;
  #death: Error | undefined;
  #wake: (() => void) | undefined;
  #ending: Promise<void> | undefined;
  /** Requests that wait until the worker has loaded. */
  #waiting: Request[] | undefined = [];

  constructor({ name, start, env }: WorkerHandleOptions) {
    this.#name = name;
    this.#transport = start({
      name,
      env,
      onReply: (reply) => this.#onReply(reply),
      onEnd: (reason) => this.#onEnd(reason),
    });
  }

  /** Sends a request and does not wait for its response. */
  send<N extends RequestName>(name: N, body: Requests[N]): void {
    this.#outcome = undefined;
    const request = { request: name, id: ++this.#lastId, ...body } as Request;
    if (this.#waiting) this.#waiting.push(request);
    else this.#transport.send(request);
  }

  /**
   * The response to the last request, `N`.
   * @param timeout milliseconds from now
   * @throws Error that names the device, when it failed there, has ended, or stays silent
   */
  async receive<N extends RequestName>(timeout: number): Promise<Responses[N]> {
    if (!this.#isSettled) await this.#settle(timeout);
    const outcome = this.#outcome;
    if (outcome && 'response' in outcome) return outcome.response as Responses[N];
    throw outcome?.error ?? this.#death ?? this.#silence(timeout);
  }

  /** Ends the worker, even in the middle of a request. */
  end(): Promise<void> {
    this.#ending ??= this.#transport.end();
    return this.#ending;
  }

  get #isSettled(): boolean {
    return this.#outcome !== undefined || this.#death !== undefined;
  }

  #onReply(reply: Reply): void {
    if ('loaded' in reply) {
      for (const request of this.#waiting ?? []) this.#transport.send(request);
      this.#waiting = undefined;
      return;
    }
    if (reply.id !== this.#lastId) return; // the response to a request that was given up
    this.#outcome = 'response' in reply ? reply : { error: this.#toError(reply.error) };
    this.#wake?.();
  }

  #onEnd(reason: string): void {
    const next = 'if memory is short, use fewer devices or a smaller batch size';
    this.#death = new Error(`${this.#name}: ${reason}; ${next}`);
    this.#wake?.();
  }

  #toError(error: SerializedError): Error {
    const cause = deserializeError(error);
    const message = `${this.#name}: ${cause.message}`;
    return Object.assign(new Error(message, { cause }), { name: cause.name });
  }

  #silence(timeout: number): Error {
    const seconds = Math.round(timeout / 1000);
    return new Error(
      `${this.#name}: no answer for ${seconds} s; check what else computes there, or leave this ` +
        'device out',
    );
  }

  /** Waits for a response, the worker's end, or the timeout. The timer keeps the process alive. */
  async #settle(timeout: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      // A thread that was busy runs its due timers before it reads messages that have arrived
      // meanwhile: wait two more turns for those.
      timer = setTimeout(() => setImmediate(() => setImmediate(resolve)), timeout);
    });
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

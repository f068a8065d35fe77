/**
 * A device's worker as the thread sees it that trains: asked one thing at a time, and given up when
 * it dies or stays silent.
 */
import { deserializeError, type SerializedError } from '@deepend/core';
import type { Link, StartLink } from './link';
import type { Answers, Question, Reply, Task, Tasks } from './messages';

export interface PeerOptions {
  /** Which device of how many it is, for messages. */
  readonly name: string;
  readonly start: StartLink;
  readonly env: NodeJS.ProcessEnv;
}

type Outcome = { readonly answer: Answers[Question] } | { readonly error: Error };

export class Peer {
  private readonly link: Link;
  private readonly name: string;
  private outcome: Outcome | undefined;
  private asked = 0;
  private dead: Error | undefined;
  private wake: (() => void) | undefined;
  private ending: Promise<void> | undefined;
  /** Tasks that wait until it has loaded. */
  private waiting: Task[] | undefined = [];

  constructor({ name, start, env }: PeerOptions) {
    this.name = name;
    this.link = start({
      name,
      env,
      onReply: (reply) => this.onReply(reply),
      onEnd: (reason) => this.onEnd(reason),
    });
  }

  /** Asks without waiting: it computes while this thread does other things. */
  post<Q extends Question>(question: Q, task: Tasks[Q]): void {
    this.outcome = undefined;
    const whole = { question, id: ++this.asked, ...task } as Task;
    if (this.waiting) this.waiting.push(whole);
    else this.link.post(whole);
  }

  /**
   * What it answers to what it was asked last.
   * @param patience milliseconds from now
   * @throws Error that names the device, when it failed there, has ended, or stays silent
   */
  async answer<Q extends Question>(_: Q, patience: number): Promise<Answers[Q]> {
    if (!this.settled) await this.arrival(patience);
    const { outcome, dead } = this;
    if (outcome && 'answer' in outcome) return outcome.answer as Answers[Q];
    throw outcome?.error ?? dead ?? this.silence(patience);
  }

  /** Ends it, whatever it does. */
  end(): Promise<void> {
    this.ending ??= this.link.end();
    return this.ending;
  }

  private get settled(): boolean {
    return this.outcome !== undefined || this.dead !== undefined;
  }

  private onReply(reply: Reply): void {
    if ('loaded' in reply) {
      for (const task of this.waiting ?? []) this.link.post(task);
      this.waiting = undefined;
      return;
    }
    if (reply.id !== this.asked) return; // of a step that was given up
    this.outcome = 'answer' in reply ? reply : { error: this.errorOf(reply.fault) };
    this.wake?.();
  }

  private onEnd(reason: string): void {
    const next = 'if memory is short, take fewer devices or a smaller batch';
    this.dead = new Error(`${this.name}: ${reason}; ${next}`);
    this.wake?.();
  }

  private errorOf(fault: SerializedError): Error {
    const cause = deserializeError(fault);
    return Object.assign(new Error(`${this.name}: ${cause.message}`, { cause }), {
      name: cause.name,
    });
  }

  private silence(patience: number): Error {
    const seconds = Math.round(patience / 1000);
    return new Error(
      `${this.name}: no answer for ${seconds} s; see what else computes there, or leave this device out`,
    );
  }

  /** The timer keeps the process while it waits. */
  private async arrival(patience: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.wake = resolve;
      // A thread that was busy finds its timers due before it reads the answers that came
      // meanwhile: they get a turn.
      timer = setTimeout(() => setImmediate(() => setImmediate(resolve)), patience);
    });
    clearTimeout(timer);
    this.wake = undefined;
  }
}

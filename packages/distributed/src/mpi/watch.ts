/**
 * Finds the rank that does not come to an operation for which the others wait. A rank that waits
 * answers questions from a timer; one that hangs does not.
 */
import { envRule, readEnv } from '@deepend/core';
import type { MpiLibrary } from './library';

/** Seconds that ranks wait for one another, at least. */
const SECONDS = 60;
/** A rank may take this many times as long as this one did between two operations. */
const SLOWDOWN = 20;
const POLL_MS = 500;
/** How long an answer may take. */
const ANSWER_MS = 5000;

const TAGS = { question: 7001, answer: 7002 } as const;
/** Room for an `MPI_Status` of any library. */
export const STATUS = new Uint8Array(64);

/** Which rank watches, and of how many. */
interface Place {
  readonly rank: number;
  readonly size: number;
}

/** Watches the operations of one rank. */
export class Watch {
  readonly #mpi: MpiLibrary;
  readonly #place: Place;
  readonly #onMissing: (why: string) => void;
  readonly #limit: number;
  /** Operations that this rank has begun. */
  #count = 0;
  #waitingSince: number | undefined;
  #workingSince = performance.now();
  /** The longest time between two operations of this rank, in milliseconds. */
  #longestWork = 0;
  #askedAt: number | undefined;
  #answers = new Map<number, number>();
  #timer: NodeJS.Timeout | undefined;
  #polledAt = 0;

  /** @param onMissing called once, with what is known of the rank that does not come */
  constructor(mpi: MpiLibrary, place: Place, onMissing: (why: string) => void) {
    this.#mpi = mpi;
    this.#place = place;
    this.#onMissing = onMissing;
    const rule = envRule.numberFrom(1, 'seconds');
    this.#limit = 1000 * (readEnv('distributed', 'DEEPEND_MPI_TIMEOUT', rule) ?? SECONDS);
    this.#timer = setInterval(() => this.#poll(), POLL_MS).unref();
  }

  /** This rank begins an operation, and waits for the others. */
  begin(): void {
    const now = performance.now();
    this.#longestWork = Math.max(this.#longestWork, now - this.#workingSince);
    this.#count++;
    this.#waitingSince = now;
  }

  /** All have come. */
  end(): void {
    this.#waitingSince = undefined;
    this.#askedAt = undefined;
    this.#workingSince = performance.now();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Polls when it is time, for a rank that waits where no timer runs. */
  pollWhenDue(): void {
    if (performance.now() - this.#polledAt >= POLL_MS) this.#poll();
  }

  #poll(): void {
    this.#polledAt = performance.now();
    this.#exchange();
    if (this.#waitingSince === undefined) return;
    const now = performance.now();
    const waited = now - this.#waitingSince;
    if (waited < Math.max(this.#limit, SLOWDOWN * this.#longestWork)) return;
    if (this.#askedAt === undefined) {
      this.#askedAt = now;
      this.#answers.clear();
      this.#others((other) => this.#send(other, 'question'));
    } else if (now - this.#askedAt > ANSWER_MS) this.#judge(waited);
  }

  /** Answers questions, and takes in answers. */
  #exchange(): void {
    this.#others((other) => {
      while (this.#receive(other, 'question') !== undefined) this.#send(other, 'answer');
      for (;;) {
        const count = this.#receive(other, 'answer');
        if (count === undefined) break;
        this.#answers.set(other, count);
      }
    });
  }

  #judge(waited: number): void {
    const seconds = Math.round(waited / 1000);
    const silent: number[] = [];
    const late: number[] = [];
    this.#others((other) => {
      const count = this.#answers.get(other);
      if (count === undefined) silent.push(other);
      else if (count < this.#count) late.push(other);
    });
    if (silent.length > 0) {
      this.stop();
      this.#onMissing(
        `waited ${seconds} s for rank ${silent.join(', ')}, which does not answer: it hangs, or ` +
          'its machine is gone',
      );
    } else if (late.length > 0) {
      this.stop();
      this.#onMissing(
        `waited ${seconds} s for rank ${late.join(', ')}, which computes or loads something ` +
          'else; every rank must call the same operations (DEEPEND_MPI_TIMEOUT sets the seconds)',
      );
    } else this.#askedAt = undefined; // all are here: the network is slow
  }

  #others(visit: (rank: number) => void): void {
    for (let rank = 0; rank < this.#place.size; rank++) if (rank !== this.#place.rank) visit(rank);
  }

  #send(to: number, tag: keyof typeof TAGS): void {
    const { world, types } = this.#mpi.handles;
    this.#mpi.send(Float64Array.of(this.#count), 1, types.float64, to, TAGS[tag], world);
  }

  #receive(from: number, tag: keyof typeof TAGS): number | undefined {
    const { world, types } = this.#mpi.handles;
    const found = new Int32Array(1);
    this.#mpi.probe(from, TAGS[tag], world, found, STATUS);
    if (found[0] === 0) return undefined;
    const into = new Float64Array(1);
    this.#mpi.receive(into, 1, types.float64, from, TAGS[tag], world, STATUS);
    return into[0];
  }
}

/** A loader's place in its epochs: a run resumes with the batches that it would have had. */
import { formatValue } from './options';

/**
 * The position of a loader, as plain JSON: the loop has taken `batch` batches of epoch `epoch`.
 * Epochs count from 1.
 */
export interface LoaderState {
  readonly epoch: number;
  readonly batch: number;
}

/** The position of one loop; `batch` grows as the loop receives batches. */
export interface LoopPosition {
  readonly epoch: number;
  batch: number;
}

export class Position {
  readonly #where: string;
  readonly #numBatches: number;
  #next: LoaderState = { epoch: 1, batch: 0 };
  #current: LoopPosition | undefined;

  constructor(where: string, numBatches: number) {
    this.#where = where;
    this.#numBatches = numBatches;
  }

  /** Number of the epoch that the next loop gets. */
  get nextEpoch(): number {
    return this.#next.epoch;
  }

  /** The position of the latest loop, or the start of the next one when that loop has ended. */
  state(): LoaderState {
    return { ...(this.#current ?? this.#next) };
  }

  /** @throws RangeError when there is no such position */
  restore(state: LoaderState): void {
    const { epoch, batch } = state ?? {};
    const isInteger = (value: unknown, least: number) =>
      Number.isInteger(value) && (value as number) >= least;
    if (!isInteger(epoch, 1) || !isInteger(batch, 0) || batch >= this.#numBatches) {
      const last = this.#numBatches - 1;
      const got = `{ epoch: ${formatValue(epoch)}, batch: ${formatValue(batch)} }`;
      throw new RangeError(
        `${this.#where}: restore: expected { epoch, batch } of integers, epoch from 1, ` +
          `batch from 0 to ${last}, got ${got}`,
      );
    }
    this.#next = { epoch, batch };
    this.#current = undefined;
  }

  /** Begins a loop: now, not at its first batch, so that two loops at once are two epochs. */
  begin(): LoopPosition {
    const at = { ...this.#next };
    this.#next = { epoch: at.epoch + 1, batch: 0 };
    this.#current = at;
    return at;
  }

  /** Counts a batch that a loop is about to receive. */
  advance(at: LoopPosition): void {
    at.batch++;
    if (at.batch === this.#numBatches && this.#current === at) this.#current = undefined;
  }
}

type Config = Readonly<Record<string, unknown>>;

/** What a loader computes its batches from. */
export interface EpochSpec<Batch, C extends Config = Config> {
  readonly numBatches: number;
  /** What decides the batches besides the data. */
  readonly config: C;
  /**
   * Prepares an epoch.
   * @param epoch its number, from 1
   * @returns what makes the batch of a number, from 0
   */
  readonly prepare: (epoch: number) => (batch: number) => Batch | Promise<Batch>;
}

/** The part of a loader that follows from its batches by epoch and number. */
export interface EpochLoops<Batch, C extends Config = Config> extends AsyncIterable<Batch> {
  state(): LoaderState;
  restore(state: LoaderState): void;
  config(): C;
}

/**
 * Makes each `for await` the next epoch, and keeps its position.
 * @param where who asks, for errors: `[text] sequenceLoader`
 */
export function epochLoops<Batch, C extends Config = Config>(
  where: string,
  { numBatches, config, prepare }: EpochSpec<Batch, C>,
): EpochLoops<Batch, C> {
  const position = new Position(where, numBatches);
  async function* batches(at: LoopPosition): AsyncGenerator<Batch, void, undefined> {
    const batchOf = prepare(at.epoch);
    while (at.batch < numBatches) {
      const batch = await batchOf(at.batch);
      position.advance(at);
      yield batch;
    }
  }
  return {
    state: () => position.state(),
    restore: (state) => position.restore(state),
    config: () => config,
    [Symbol.asyncIterator]: () => batches(position.begin()),
  };
}

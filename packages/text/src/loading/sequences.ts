/** Parts of a corpus for language models: the book's random and sequential partitions. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { permutation } from '@deepend/data';
import { type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { type LoaderSpec, makeLoader, randomAt, type TextBatch, type TextLoader } from './loader';

export interface SequenceLoaderOptions {
  /**
   * Sequences in a batch.
   * @example 32
   */
  batchSize: number;
  /**
   * Tokens in a sequence.
   * @example 35
   */
  numSteps: number;
  /**
   * `sequential`: each row of a batch continues the row of the batch before, so that a model can
   * pass its state on. `random`: parts of the corpus that do not overlap, in random order.
   * `windows`: every part, also those that overlap, in random order (the book's English edition
   * 1.0). @default 'sequential'
   */
  sampling?: 'sequential' | 'random' | 'windows';
  /** Seeds the offset and the order of each epoch: any safe integer. @default 0 */
  seed?: number;
  /**
   * Tokens at the start of the corpus that an epoch leaves out. Not for `windows`, which need none.
   * @default a random number for each epoch: up to numSteps, or one fewer for `random`
   */
  offset?: number;
}

/** A loader of tokens int32 `[batch, time]` and the tokens that follow them, likewise. */
export type SequenceLoader = TextLoader<Tensor2D, Tensor2D>;

type Plan = LoaderSpec<Tensor2D, Tensor2D>;

const WHERE = '[text] sequenceLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  numSteps: rule.positiveInteger(),
  sampling: rule.oneOf(['sequential', 'random', 'windows']).optional(),
  seed: rule.seed().optional(),
  offset: rule.nonNegativeInteger().optional(),
});

/** A kind of sampling: how many batches it has, and where the sequences of an epoch start. */
interface Sampling {
  /** The largest offset that an epoch may draw. */
  readonly maxOffset: number;
  readonly numBatches: (offset: number) => number;
  /** The start of a row of a batch in the corpus. */
  readonly starts: (
    epoch: number,
    offset: number,
  ) => (row: { batch: number; row: number }) => number;
  readonly isNewSequence: (batch: number) => boolean;
}

/**
 * Loads a corpus for a language model: features are int32 `[batch, time]`, labels the same shifted
 * by one token. Every epoch has the same number of batches, those that the largest offset leaves;
 * all batches are full. `isNewSequence` is true where rows do not continue those of the batch
 * before: `train` with `carryState` starts a state again there.
 *
 * @param corpus indices of tokens
 * @throws RangeError for a corpus that is too short for one batch, or that has anything but indices
 * @example
 * const corpus = toCorpus(tokens, vocab);
 * const trainIter = sequenceLoader(corpus, { batchSize: 32, numSteps: 35 });
 */
export function sequenceLoader(
  corpus: ArrayLike<number>,
  options: SequenceLoaderOptions,
): SequenceLoader {
  return makeLoader(WHERE, planSequences(corpus, options));
}

/**
 * The batches of the first epoch of `sequenceLoader`, for a loop without `await`.
 * @throws RangeError as `sequenceLoader` does, at the first batch
 */
export function* sequenceBatches(
  corpus: ArrayLike<number>,
  options: SequenceLoaderOptions,
): Generator<TextBatch<Tensor2D, Tensor2D>> {
  const { numBatches, prepare } = planSequences(corpus, options);
  const batchOf = prepare(1);
  for (let batch = 0; batch < numBatches; batch++) yield batchOf(batch);
}

function planSequences(corpus: ArrayLike<number>, options: SequenceLoaderOptions): Plan {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { batchSize, numSteps, sampling = 'sequential', seed = 0, offset } = checked;
  const tokens = checkCorpus(corpus);
  const sizes = { length: tokens.length, batchSize, numSteps, seed };
  const kind = SAMPLINGS[sampling](sizes);
  if (sampling === 'windows' && offset !== undefined) {
    throw new RangeError(
      `${WHERE}: expected no "offset" for sampling 'windows', got ${offset}: windows start at ` +
        'every token; cut the corpus instead: corpus.slice(offset)',
    );
  }
  const numBatches = kind.numBatches(offset ?? kind.maxOffset);
  if (numBatches < 1) throw tooShort(tokens.length, checked);
  return {
    numSamples: numBatches * batchSize,
    numBatches,
    batchSize,
    tokensPerSample: numSteps,
    config: { sampling, numSteps, seed, ...(offset !== undefined && { offset }) },
    prepare: (epoch) => {
      const drawn = offset ?? randomAt(seed, epoch, 1).below(kind.maxOffset + 1);
      const startOf = kind.starts(epoch, drawn);
      return (batch) => {
        const starts = Array.from({ length: batchSize }, (_, row) => startOf({ batch, row }));
        return {
          features: cut(tokens, starts, numSteps),
          labels: cut(
            tokens,
            starts.map((start) => start + 1),
            numSteps,
          ),
          isNewSequence: kind.isNewSequence(batch),
        };
      };
    },
  };
}

interface Sizes {
  length: number;
  batchSize: number;
  numSteps: number;
  seed: number;
}

const SAMPLINGS = {
  sequential: ({ length, batchSize, numSteps }): Sampling => ({
    maxOffset: numSteps,
    numBatches: (offset) => Math.floor(Math.floor((length - offset - 1) / batchSize) / numSteps),
    starts: (_, offset) => {
      const perRow = Math.floor((length - offset - 1) / batchSize);
      return ({ batch, row }) => offset + row * perRow + batch * numSteps;
    },
    isNewSequence: (batch) => batch === 0,
  }),
  random: ({ length, batchSize, numSteps, seed }): Sampling => ({
    maxOffset: numSteps - 1,
    numBatches: (offset) => Math.floor(Math.floor((length - offset - 1) / numSteps) / batchSize),
    starts: (epoch, offset) => {
      const order = permutation(Math.floor((length - offset - 1) / numSteps), seed, epoch);
      return ({ batch, row }) => offset + (order[batch * batchSize + row] as number) * numSteps;
    },
    isNewSequence: () => true,
  }),
  windows: ({ length, batchSize, numSteps, seed }): Sampling => ({
    maxOffset: 0,
    numBatches: () => Math.floor((length - numSteps) / batchSize),
    starts: (epoch) => {
      const order = permutation(length - numSteps, seed, epoch);
      return ({ batch, row }) => order[batch * batchSize + row] as number;
    },
    isNewSequence: () => true,
  }),
} as const satisfies Record<string, (sizes: Sizes) => Sampling>;

/** `[starts, numSteps]`, a row from each start. */
function cut(corpus: Int32Array, starts: readonly number[], numSteps: number): Tensor2D {
  const values = new Int32Array(starts.length * numSteps);
  starts.forEach((start, row) => {
    values.set(corpus.subarray(start, start + numSteps), row * numSteps);
  });
  return tensor2d(values, [starts.length, numSteps], 'int32');
}

/** @throws TypeError or RangeError for anything but indices */
function checkCorpus(corpus: ArrayLike<number>): Int32Array {
  if (typeof corpus === 'string' || typeof corpus?.length !== 'number') {
    throw new TypeError(
      `${WHERE}: expected a corpus of indices, got ${formatValue(corpus)}; make one from tokens ` +
        'with toCorpus(tokens, vocab)',
    );
  }
  if (corpus.length === 0)
    throw new RangeError(`${WHERE}: expected a corpus of at least one sequence, got an empty one`);
  const copy = Int32Array.from(corpus);
  const bad = copy.findIndex((index, i) => index !== corpus[i] || index < 0);
  if (bad < 0) return copy;
  throw new RangeError(
    `${WHERE}: expected indices of tokens, integers from 0, got ${formatValue(corpus[bad])} at ` +
      `position ${bad}; make them with toCorpus(tokens, vocab)`,
  );
}

function tooShort(length: number, { batchSize, numSteps }: SequenceLoaderOptions): RangeError {
  return new RangeError(
    `${WHERE}: expected a corpus that is long enough for a batch of ${batchSize} sequences of ` +
      `${numSteps} tokens, their labels and the offset, got ${length} tokens; lower "batchSize" ` +
      'or "numSteps"',
  );
}

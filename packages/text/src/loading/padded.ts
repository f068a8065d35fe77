/** Sequences of different lengths in batches: truncated, padded, with lengths and masks. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { permutation } from '@deepend/data';
import { type Tensor1D, type Tensor2D, tensor1d } from '@tensorflow/tfjs-core';
import { makeLoader, maskTensor, paddedTensor, type TextLoader } from './loader';

/**
 * The book's `truncate_pad`: brings a sequence to `numSteps` tokens. In the book: d2l 23.7, zh 9.5.
 * @throws RangeError for a length below 1
 * @example truncatePad([1, 2, 3], 5, 0) // [1, 2, 3, 0, 0]
 */
export function truncatePad<T>(line: readonly T[], numSteps: number, padding: T): T[] {
  if (!Number.isInteger(numSteps) || numSteps < 1) {
    throw new RangeError(
      `[text] truncatePad: expected at least 1 step, got ${formatValue(numSteps)}`,
    );
  }
  return Array.from({ length: numSteps }, (_, i) => (i < line.length ? (line[i] as T) : padding));
}

export interface PaddedLoaderOptions {
  /**
   * Sequences in a batch; the last batch of an epoch may have fewer.
   * @example 64
   */
  batchSize: number;
  /** Index of the token that fills the end of a short sequence. @default 0 */
  padding?: number;
  /**
   * Length of all sequences: longer ones are cut.
   * @default the longest sequence of the batch
   */
  numSteps?: number;
  /**
   * Whether sequences of similar lengths come into one batch, so that less is padded. The batches
   * stand in random order if `shuffle` is on. @default false
   */
  bucket?: boolean;
  /** Whether to shuffle the sequences in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/** Padded sequences. */
export interface PaddedFeatures {
  readonly [name: string]: Tensor1D | Tensor2D;
  /** int32 `[batch, time]`. */
  readonly tokens: Tensor2D;
  /** int32 `[batch]`: tokens of each sequence without the padding. */
  readonly lengths: Tensor1D;
  /** float32 `[batch, time]`: 1 for tokens, 0 for padding. */
  readonly mask: Tensor2D;
}

const WHERE = '[text] paddedLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  padding: rule.nonNegativeInteger().optional(),
  numSteps: rule.positiveInteger().optional(),
  bucket: rule.boolean().optional(),
  shuffle: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

/** Batches that are sorted by length together; more make less padding and a less random order. */
const BATCHES_IN_BUCKET = 50;

/**
 * Loads sequences of different lengths with their classes.
 * @param sequences indices of tokens, at least one in each
 * @param labels the class of each sequence
 * @throws TypeError or RangeError for empty sequences, another number of labels, and anything but
 *   indices
 * @example
 * const sequences = tokenize(reviews).map((tokens) => vocab.toIndices(tokens));
 * const trainIter = paddedLoader(sequences, labels, { batchSize: 64, bucket: true });
 */
export function paddedLoader(
  sequences: readonly ArrayLike<number>[],
  labels: ArrayLike<number>,
  options: PaddedLoaderOptions,
): TextLoader<PaddedFeatures, Tensor1D> {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { batchSize, padding = 0, numSteps, bucket = false, shuffle = true, seed = 0 } = checked;
  checkSequences(WHERE, 'sequences', sequences);
  checkLabels(labels, sequences.length);
  const lengths = sequences.map(({ length }) => Math.min(length, numSteps ?? length));
  return makeLoader(WHERE, {
    numSamples: sequences.length,
    numBatches: Math.ceil(sequences.length / batchSize),
    batchSize,
    config: { padding, bucket, shuffle, seed, ...(numSteps !== undefined && { numSteps }) },
    prepare: (epoch) => {
      const order = orderOf(sequences.length, { shuffle, seed, epoch });
      const rows = bucket
        ? bucketed(order, lengths, { batchSize, shuffle, seed, epoch })
        : cutInto(order, batchSize);
      return (batch) => {
        const chosen = Array.from(rows[batch] as Uint32Array);
        const picked = chosen.map((i) => sequences[i] as ArrayLike<number>);
        const sizes = chosen.map((i) => lengths[i] as number);
        const width = numSteps ?? Math.max(...sizes);
        return {
          features: {
            tokens: paddedTensor(picked, width, padding),
            lengths: tensor1d(sizes, 'int32'),
            mask: maskTensor(sizes, width),
          },
          labels: tensor1d(
            chosen.map((i) => labels[i] as number),
            'int32',
          ),
        };
      };
    },
  });
}

interface OrderOptions {
  shuffle: boolean;
  seed: number;
  /** From 1. */
  epoch: number;
}

/** The order of the samples in an epoch. */
export const orderOf = (length: number, { shuffle, seed, epoch }: OrderOptions): Uint32Array =>
  shuffle ? permutation(length, seed, epoch) : Uint32Array.from({ length }, (_, i) => i);

/** The parts of an order, one for each batch. */
function cutInto(order: Uint32Array, size: number): Uint32Array[] {
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) =>
    order.subarray(i * size, (i + 1) * size),
  );
}

/** Sorts parts of an order by length, cuts them into batches, and shuffles the full batches. */
function bucketed(
  order: Uint32Array,
  lengths: readonly number[],
  { batchSize, ...options }: OrderOptions & { batchSize: number },
): Uint32Array[] {
  const batches = cutInto(order, batchSize * BATCHES_IN_BUCKET).flatMap((part) => {
    const sorted = part.slice().sort((a, b) => (lengths[a] as number) - (lengths[b] as number));
    return cutInto(sorted, batchSize);
  });
  const full = batches.filter(({ length }) => length === batchSize);
  const rest = batches.filter(({ length }) => length < batchSize);
  const shuffled = orderOf(full.length, { ...options, seed: options.seed });
  return [...Array.from(shuffled, (i) => full[i] as Uint32Array), ...rest];
}

/** @throws TypeError or RangeError for anything but lists of at least one index each */
export function checkSequences(
  where: string,
  what: string,
  sequences: readonly ArrayLike<number>[],
): void {
  if (!Array.isArray(sequences) || sequences.length === 0) {
    throw new TypeError(
      `${where}: expected ${what}, at least one list of indices, got ${formatValue(sequences)}`,
    );
  }
  sequences.forEach((sequence, i) => {
    const indices = Array.from((sequence ?? []) as ArrayLike<number>);
    if (indices.length === 0)
      throw new RangeError(
        `${where}: expected ${what} of at least one token, got an empty one at ${i}; leave it ` +
          'out',
      );
    const bad = indices.find((index) => !(Number.isInteger(index) && index >= 0));
    if (bad !== undefined)
      throw new RangeError(
        `${where}: expected ${what} of indices, integers from 0, got ${formatValue(bad)} at ` +
          `${i}; make them with vocab.toIndices(tokens)`,
      );
  });
}

function checkLabels(labels: ArrayLike<number>, count: number): void {
  if (labels?.length !== count) {
    throw new RangeError(
      `${WHERE}: expected a label for each of the ${count} sequences, got ` +
        `${labels?.length ?? 'none'}`,
    );
  }
  const bad = Array.from(labels).find((label) => !(Number.isInteger(label) && label >= 0));
  if (bad !== undefined)
    throw new RangeError(`${WHERE}: expected labels from 0, got ${formatValue(bad)}`);
}

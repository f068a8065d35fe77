/** Pairs of sentences with a class, such as a premise and a hypothesis. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type Tensor1D, type Tensor2D, tensor1d } from '@tensorflow/tfjs-core';
import { makeLoader, paddedTensor, type TextLoader } from './loader';
import { checkSequences, orderOf } from './padded';

export interface SentencePairOptions {
  /**
   * Pairs in a batch; the last batch of an epoch may have fewer.
   * @example 128
   */
  batchSize: number;
  /**
   * Length of all sentences in tokens: longer ones are cut, shorter ones padded.
   * @example 50
   */
  numSteps: number;
  /** Index of the token that fills the end of a short sentence. @default 0 */
  padding?: number;
  /** Whether to shuffle the pairs in each epoch. @default true */
  shuffle?: boolean;
  /** Seeds the order of each epoch: any safe integer. @default 0 */
  seed?: number;
}

/** Pairs of sentences as indices. */
export interface SentencePairs {
  readonly premises: readonly (readonly number[])[];
  readonly hypotheses: readonly (readonly number[])[];
  /** The class of each pair. */
  readonly labels: readonly number[];
}

/** int32 `[batch, numSteps]` each. */
export interface SentencePairFeatures {
  readonly [name: string]: Tensor2D;
  readonly premises: Tensor2D;
  readonly hypotheses: Tensor2D;
}

const WHERE = '[text] sentencePairLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  numSteps: rule.positiveInteger(),
  padding: rule.nonNegativeInteger().optional(),
  shuffle: rule.boolean().optional(),
  seed: rule.seed().optional(),
});

/**
 * Loads pairs of sentences with their classes, int32 `[batch]`.
 * @throws TypeError or RangeError for empty sentences, lists of different lengths and anything but
 *   indices
 * @example
 * const pairs = { premises: [[5, 2]], hypotheses: [[5, 3, 2]], labels: [0] };
 * const trainIter = sentencePairLoader(pairs, { batchSize: 1, numSteps: 4 });
 */
export function sentencePairLoader(
  pairs: SentencePairs,
  options: SentencePairOptions,
): TextLoader<SentencePairFeatures, Tensor1D> {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { batchSize, numSteps, padding = 0, shuffle = true, seed = 0 } = checked;
  const { premises, hypotheses, labels } = pairs;
  checkSequences(WHERE, 'premises', premises);
  checkSequences(WHERE, 'hypotheses', hypotheses);
  const numSamples = premises.length;
  if (hypotheses.length !== numSamples || labels?.length !== numSamples) {
    throw new RangeError(
      `${WHERE}: expected a hypothesis and a label for each of the ${numSamples} premises, got ` +
        `${hypotheses.length} and ${formatValue(labels?.length)}`,
    );
  }
  return makeLoader(WHERE, {
    numSamples,
    numBatches: Math.ceil(numSamples / batchSize),
    batchSize,
    config: { numSteps, padding, shuffle, seed },
    prepare: (epoch) => {
      const order = orderOf(numSamples, { shuffle, seed, epoch });
      return (batch) => {
        const chosen = Array.from(order.subarray(batch * batchSize, (batch + 1) * batchSize));
        const pick = <T>(list: readonly T[]) => chosen.map((i) => list[i] as T);
        return {
          features: {
            premises: paddedTensor(pick(premises), numSteps, padding),
            hypotheses: paddedTensor(pick(hypotheses), numSteps, padding),
          },
          labels: tensor1d(pick(labels), 'int32'),
        };
      };
    },
  });
}

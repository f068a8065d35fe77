/** Samples of the skip-gram model with negative sampling. Mikolov et al. 2013, arXiv:1310.4546 */
import { checkOptions, formatValue, mixSeed, rule } from '@deepend/core';
import { type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { countCorpus, type Vocab } from '../vocab';
import {
  makeLoader,
  maskTensor,
  paddedTensor,
  type Random,
  randomAt,
  type TextLoader,
} from './loader';
import { orderOf } from './padded';

/** Places of random numbers, so that each purpose draws its own. */
const SUBSAMPLING = 1;
const BATCHES = 2;
const WINDOWS = 3;

/**
 * The book's `subsample`: leaves out unknown tokens, and frequent ones by chance: a token of the
 * frequency f stays with the probability √(threshold / f).
 * @param options.threshold @default 1e-4
 * @param options.seed any safe integer @default 0
 * @returns the sentences, and the counts of the known tokens before frequent ones were left out
 */
export function subsample(
  sentences: readonly (readonly string[])[],
  vocab: Vocab,
  options: SubsampleOptions = {},
): { sentences: string[][]; counts: Map<string, number> } {
  const { threshold = 1e-4, seed = 0 } = checkOptions('[text] subsample', SUBSAMPLE, options);
  const known = sentences.map((line) =>
    line.filter((token) => vocab.toIndices(token) !== vocab.unk),
  );
  const counts = countCorpus(known);
  const numTokens = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const { real } = randomAt(seed, SUBSAMPLING);
  const keep = (token: string) =>
    real() < Math.sqrt((threshold / (counts.get(token) as number)) * numTokens);
  return { sentences: known.map((line) => line.filter(keep)), counts };
}

export interface SubsampleOptions {
  /** The frequency above which tokens are left out by chance. @default 1e-4 */
  threshold?: number;
  /** Seeds the choice: any safe integer. @default 0 */
  seed?: number;
}

const SUBSAMPLE = rule.object({
  threshold: rule.positiveNumber().optional(),
  seed: rule.seed().optional(),
});

/** The context of the token at `center`: the tokens of a window of random size around it. */
export function contextOf(
  line: readonly number[],
  center: number,
  { maxWindowSize, random }: { maxWindowSize: number; random: Random },
): number[] {
  const size = 1 + random.below(maxWindowSize);
  return line.filter((_, i) => i !== center && Math.abs(i - center) <= size);
}

/**
 * Draws 1 … n with given weights: the book's `RandomGenerator`. By the alias method of Walker 1977,
 * https://doi.org/10.1145/355744.355749, each number takes the same short time.
 */
export class WeightedSampler {
  readonly #chance: Float64Array;
  readonly #alias: Uint32Array;

  /** @throws RangeError for weights that are negative, not finite or all 0 */
  constructor(weights: readonly number[]) {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const bad = weights.find((weight) => !(weight >= 0 && Number.isFinite(weight)));
    if (bad !== undefined || !(total > 0)) {
      throw new RangeError(
        '[text] WeightedSampler: expected weights of at least 0, one of them above, got ' +
          formatValue(bad ?? weights),
      );
    }
    const n = weights.length;
    this.#chance = Float64Array.from(weights, (weight) => (weight * n) / total);
    this.#alias = Uint32Array.from({ length: n }, (_, i) => i);
    this.#pair();
  }

  /** Gives each entry of less than average weight an alias among those of more. */
  #pair(): void {
    const [chance, alias] = [this.#chance, this.#alias];
    const low: number[] = [];
    const high: number[] = [];
    chance.forEach((value, i) => {
      (value < 1 ? low : high).push(i);
    });
    while (low.length > 0 && high.length > 0) {
      const poor = low.pop() as number;
      const rich = high[high.length - 1] as number;
      alias[poor] = rich;
      chance[rich] = (chance[rich] as number) - (1 - (chance[poor] as number));
      if ((chance[rich] as number) < 1) low.push(high.pop() as number);
    }
    for (const rest of [...low, ...high]) chance[rest] = 1; // what rounding left
  }

  /** @param random numbers in [0, 1) @returns an integer from 1 to the number of weights */
  draw(random: () => number): number {
    const at = random() * this.#chance.length;
    const i = Math.floor(at);
    return 1 + (at - i < (this.#chance[i] as number) ? i : (this.#alias[i] as number));
  }
}

/**
 * The book's `get_centers_and_contexts`: each token of each sentence with at least two, and its
 * context in a window of random size.
 * @param options.maxWindowSize largest distance of a context token from its center @default 5
 * @param options.seed any safe integer @default 0
 */
export function skipGramContexts(
  sentences: readonly (readonly number[])[],
  options: ContextOptions = {},
): { center: number; context: number[] }[] {
  const where = '[text] skipGramContexts';
  const { maxWindowSize = 5, seed = 0 } = checkOptions(where, CONTEXTS, options);
  const random = randomAt(seed, WINDOWS);
  return sentences
    .filter(({ length }) => length > 1)
    .flatMap((line) =>
      line.map((center, at) => ({
        center,
        context: contextOf(line, at, { maxWindowSize, random }),
      })),
    );
}

export interface ContextOptions {
  /** Largest distance of a context token from its center. @default 5 */
  maxWindowSize?: number;
  /** Seeds the sizes of the windows: any safe integer. @default 0 */
  seed?: number;
}

const CONTEXTS = rule.object({
  maxWindowSize: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
});

/** Weights of the noise: the counts of the tokens 1, 2, … to the power 0.75; 0 for absent ones. */
export const noiseWeights = (vocab: Vocab, counts: ReadonlyMap<string, number>): number[] =>
  vocab.idxToToken.slice(1).map((token) => (counts.get(token) ?? 0) ** 0.75);

/** `count` noise tokens, none of which is in the context. */
export function drawNoise(
  context: readonly number[],
  count: number,
  { sampler, random }: { sampler: WeightedSampler; random: Random },
): number[] {
  const noise: number[] = [];
  while (noise.length < count) {
    const token = sampler.draw(random.real);
    if (!context.includes(token)) noise.push(token);
  }
  return noise;
}

/** A center, its context, and noise. */
export type SkipGramSample = readonly [
  center: number,
  context: readonly number[],
  noise: readonly number[],
];

/** What a skip-gram model gets. */
export interface SkipGramFeatures {
  readonly [name: string]: Tensor2D;
  /** int32 `[batch, 1]`. */
  readonly centers: Tensor2D;
  /** int32 `[batch, length]`: context, then noise, then 0. */
  readonly contextsNegatives: Tensor2D;
}

/** What its loss gets. */
export interface SkipGramLabels {
  readonly [name: string]: Tensor2D;
  /** float32 `[batch, length]`: 1 for context, 0 for noise and padding. */
  readonly labels: Tensor2D;
  /** float32 `[batch, length]`: 1 for context and noise, 0 for padding. */
  readonly masks: Tensor2D;
}

/**
 * The book's `batchify`: the tensors of a batch of skip-gram samples.
 * @throws RangeError for an empty batch
 */
export function batchifySkipGram(samples: readonly SkipGramSample[]): {
  features: SkipGramFeatures;
  labels: SkipGramLabels;
} {
  if (samples.length === 0)
    throw new RangeError('[text] batchifySkipGram: expected at least one sample, got none');
  const rows = samples.map(([, context, noise]) => [...context, ...noise]);
  const lengths = rows.map(({ length }) => length);
  const width = Math.max(...lengths);
  const centers = samples.map(([center]) => center);
  const positives = samples.map(([, context]) => context.length);
  return {
    features: {
      centers: tensor2d(centers, [samples.length, 1], 'int32'),
      contextsNegatives: paddedTensor(rows, width, 0),
    },
    labels: { labels: maskTensor(positives, width), masks: maskTensor(lengths, width) },
  };
}

export interface SkipGramLoaderOptions {
  /**
   * Centers in a batch; the last batch of an epoch may have fewer.
   * @example 512
   */
  batchSize: number;
  /** Largest distance of a context token from its center. @default 5 */
  maxWindowSize?: number;
  /** Noise tokens for each context token. @default 5 */
  numNoiseWords?: number;
  /** The frequency above which tokens are left out by chance. @default 1e-4 */
  threshold?: number;
  /** Seeds what is left out, and each epoch's order, windows and noise. @default 0 */
  seed?: number;
}

const WHERE = '[text] skipGramLoader';
const OPTIONS = rule.object({
  batchSize: rule.positiveInteger(),
  maxWindowSize: rule.positiveInteger().optional(),
  numNoiseWords: rule.positiveInteger().optional(),
  threshold: rule.positiveNumber().optional(),
  seed: rule.seed().optional(),
});

/**
 * Loads samples of the skip-gram model: a center, the tokens of its context and noise. Frequent
 * tokens are left out by chance once; windows and noise are drawn for each batch, so that every
 * epoch has others (the book draws them once).
 *
 * @param sentences tokens of each sentence; those with fewer than two known tokens are left out
 * @param vocab has the unknown token at index 0, and no reserved tokens
 * @throws RangeError when no sentence has two tokens left, or too few other tokens for noise
 * @example
 * const sentences = tokenize(await readLines('ptb.train.txt'));
 * const vocab = new Vocab(sentences, { minFreq: 10 });
 * const trainIter = skipGramLoader(sentences, vocab, { batchSize: 512 });
 */
export function skipGramLoader(
  sentences: readonly (readonly string[])[],
  vocab: Vocab,
  options: SkipGramLoaderOptions,
): TextLoader<SkipGramFeatures, SkipGramLabels> {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { batchSize, maxWindowSize = 5, numNoiseWords = 5, threshold = 1e-4, seed = 0 } = checked;
  if (vocab.unk !== 0) {
    throw new RangeError(
      `${WHERE}: expected a vocabulary whose unknown token is at index 0, got ${vocab.unk}; make ` +
        "it with order 'frequency'",
    );
  }
  const { sentences: rest, counts } = subsample(sentences, vocab, { threshold, seed });
  const lines = rest.filter(({ length }) => length > 1).map((line) => vocab.toIndices(line));
  checkNoise(lines, counts, maxWindowSize);
  const sampler = new WeightedSampler(noiseWeights(vocab, counts));
  const places = lines.flatMap((line, i) => line.map((_, j) => [i, j] as const));
  return makeLoader(WHERE, {
    numSamples: places.length,
    numBatches: Math.ceil(places.length / batchSize),
    batchSize,
    config: { maxWindowSize, numNoiseWords, threshold, seed, vocabulary: vocab.fingerprint },
    prepare: (epoch) => {
      const order = orderOf(places.length, { shuffle: true, seed, epoch });
      return (batch) => {
        const random = randomAt(mixSeed(seed, BATCHES), epoch, batch);
        const chosen = order.subarray(batch * batchSize, (batch + 1) * batchSize);
        const samples = Array.from(chosen, (place): SkipGramSample => {
          const [row, at] = places[place] as readonly [number, number];
          const line = lines[row] as number[];
          const context = contextOf(line, at, { maxWindowSize, random });
          const count = context.length * numNoiseWords;
          return [line[at] as number, context, drawNoise(context, count, { sampler, random })];
        });
        return batchifySkipGram(samples);
      };
    },
  });
}

/** Noise must not be in a context: with too few tokens, drawing it would not end. */
function checkNoise(
  lines: readonly (readonly number[])[],
  counts: ReadonlyMap<string, number>,
  maxWindowSize: number,
): void {
  if (lines.length === 0) {
    throw new RangeError(
      `${WHERE}: expected a sentence with at least two tokens after rare and frequent ones were ` +
        'left out, got none; lower the vocabulary\'s "minFreq" or raise "threshold"',
    );
  }
  const needed = 2 * maxWindowSize + 1;
  if (counts.size >= needed) return;
  throw new RangeError(
    `${WHERE}: expected at least ${needed} different tokens, one more than a context may have, ` +
      `got ${counts.size}; lower "maxWindowSize"`,
  );
}

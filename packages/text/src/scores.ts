/** Scores of generated text. */
import { checkOptions, formatValue, rule } from '@deepend/core';

export interface BleuOptions {
  /** Longest n-gram that is compared, in tokens. @default 4 */
  maxGram?: number;
}

const WHERE = '[text] bleu';
const OPTIONS = rule.object({ maxGram: rule.positiveInteger().optional() });

/**
 * BLEU as in the book: the geometric mean of the n-grams' precisions, weighted by 1/2ⁿ, times a
 * penalty for predictions shorter than the label. A prediction shorter than `maxGram` is compared
 * by the n-grams that it has. Papineni et al. 2002, https://aclanthology.org/P02-1040/
 *
 * @param prediction tokens, or a string of tokens separated by single spaces
 * @param label likewise
 * @returns from 0 (nothing in common) to 1 (the same tokens); 0 for an empty prediction
 * @throws TypeError for anything but strings, RangeError for an empty label
 * @example bleu('il est calme .', 'il est calme .', { maxGram: 2 }) // 1
 */
export function bleu(
  prediction: string | readonly string[],
  label: string | readonly string[],
  options: BleuOptions = {},
): number {
  const { maxGram = 4 } = checkOptions(WHERE, OPTIONS, options);
  const predicted = toTokens('a prediction', prediction);
  const wanted = toTokens('a label', label);
  if (wanted.length === 0)
    throw new RangeError(`${WHERE}: expected a label of at least one token, got none`);
  if (predicted.length === 0) return 0;
  let score = Math.exp(Math.min(0, 1 - wanted.length / predicted.length));
  for (let n = 1; n <= Math.min(maxGram, predicted.length); n++)
    score *= gramPrecision(predicted, wanted, n) ** (0.5 ** n);
  return score;
}

function toTokens(what: string, tokens: string | readonly string[]): readonly string[] {
  if (typeof tokens === 'string') return tokens === '' ? [] : tokens.split(' ');
  if (Array.isArray(tokens) && tokens.every((token) => typeof token === 'string')) return tokens;
  throw new TypeError(
    `${WHERE}: expected ${what} that is a string or a list of tokens, got ${formatValue(tokens)}`,
  );
}

/** The share of the prediction's n-grams that the label has, each counted as often as there. */
function gramPrecision(predicted: readonly string[], wanted: readonly string[], n: number): number {
  const left = new Map<string, number>();
  for (const gram of grams(wanted, n)) left.set(gram, (left.get(gram) ?? 0) + 1);
  const all = grams(predicted, n);
  const matches = all.filter((gram) => {
    const count = left.get(gram) ?? 0;
    left.set(gram, count - 1);
    return count > 0;
  });
  return matches.length / all.length;
}

const grams = (tokens: readonly string[], n: number): string[] =>
  Array.from({ length: Math.max(0, tokens.length - n + 1) }, (_, i) =>
    JSON.stringify(tokens.slice(i, i + n)),
  );

/**
 * Perplexity of a language model: the exponential of its mean cross-entropy in nats per token. A
 * model that guesses among n tokens has n. Infinite for a loss above 709.
 * @throws TypeError for anything but a number of at least 0
 * @example perplexity(evaluation.loss)
 */
export function perplexity(meanLoss: number): number {
  if (typeof meanLoss === 'number' && meanLoss >= 0) return Math.exp(meanLoss);
  throw new TypeError(
    '[text] perplexity: expected the mean loss, a number of at least 0, got ' +
      formatValue(meanLoss),
  );
}

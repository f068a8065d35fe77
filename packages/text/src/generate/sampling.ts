/** Choosing the next token from logits. */
import { mixSeed } from '@deepend/core';

export interface SamplingOptions {
  /** Divides the logits: below 1 prefers likely tokens; 0 takes the most likely one. */
  readonly temperature: number;
  /** Only this many of the most likely tokens can be drawn; undefined for all. */
  readonly topK: number | undefined;
  /** Only the most likely tokens whose probabilities sum up to this; undefined for all. */
  readonly topP: number | undefined;
}

/** A number in [0, 1) that depends on the seed and on how many tokens were drawn before. */
export const randomAt = (seed: number, index: number): number => mixSeed(seed, index) / 2 ** 32;

/** The index of the largest number; the first of several. */
export function argMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++)
    if ((values[i] as number) > (values[best] as number)) best = i;
  return best;
}

/** The logarithms of the softmax. */
export function logSoftmax(logits: Float32Array): Float64Array {
  const largest = logits[argMax(logits)] as number;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from(logits, (value) => value - shift);
}

/** @throws RangeError for logits that are no numbers */
export function checkLogits(where: string, logits: Float32Array): void {
  const wrong = logits.find((value) => Number.isNaN(value));
  if (wrong === undefined) return;
  throw new RangeError(
    `${where}: expected logits that are numbers, got NaN; the model's weights are not finite: ` +
      'load a checkpoint from before its loss became NaN',
  );
}

/** Indices in falling order of their numbers; equal ones by index. */
const ranked = (values: ArrayLike<number>): number[] =>
  Array.from(values, (_, i) => i).sort(
    (a, b) => (values[b] as number) - (values[a] as number) || a - b,
  );

/** The `count` largest, in falling order. */
export const largest = (values: ArrayLike<number>, count: number): number[] =>
  ranked(values).slice(0, count);

/**
 * Draws the index of a token.
 * @param random in [0, 1)
 */
export function sampleToken(
  logits: Float32Array,
  { temperature, topK, topP }: SamplingOptions,
  random: number,
): number {
  if (temperature === 0) return argMax(logits);
  const scaled = logSoftmax(logits.map((value) => value / temperature));
  let candidates = ranked(scaled);
  if (topK !== undefined) candidates = candidates.slice(0, topK);
  if (topP !== undefined) candidates = nucleus(candidates, scaled, topP);
  const total = candidates.reduce((sum, i) => sum + Math.exp(scaled[i] as number), 0);
  let rest = random * total;
  for (const i of candidates) {
    rest -= Math.exp(scaled[i] as number);
    if (rest < 0) return i;
  }
  return candidates.at(-1) as number; // rounding
}

/** The fewest likely tokens with at least this probability (Holtzman et al. 2019). */
function nucleus(candidates: readonly number[], logP: Float64Array, topP: number): number[] {
  const kept: number[] = [];
  let sum = 0;
  for (const i of candidates) {
    kept.push(i);
    sum += Math.exp(logP[i] as number);
    if (sum >= topP) break;
  }
  return kept;
}

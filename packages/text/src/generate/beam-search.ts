/** Beam search: the sequences with the highest probability among those that were looked at. */
import { checkOptions, rule } from '@deepend/core';
import type { GenerationState } from '../models/autoregressive';
import { largest, logSoftmax } from './sampling';
import { Session, type Stepper } from './session';

export interface BeamSearchOptions {
  /**
   * The tokens at the start, such as the one that begins a sequence.
   * @example [1]
   */
  prompt: readonly number[];
  /** Number of sequences that are looked at in each step. @default 4 */
  beam?: number;
  /** The most tokens behind the prompt. @default 50 */
  maxTokens?: number;
  /** The token that ends a sequence. @default none: all have `maxTokens` */
  endToken?: number;
  /**
   * The score of a sequence of L tokens is its log-probability divided by L to the power of this,
   * so that short ones are not preferred. @default 0.75, as in the book
   */
  lengthPenalty?: number;
  /** The state before the prompt, such as a decoder's. It is disposed. @default none */
  state?: GenerationState;
  /** Whether the state passes from step to step. @default true */
  cache?: boolean;
}

const WHERE = '[text] beamSearch';

const beamRules = rule.object({
  prompt: rule.list(rule.nonNegativeInteger(), 'a list of ids of tokens'),
  beam: rule.positiveInteger().optional(),
  maxTokens: rule.positiveInteger().optional(),
  endToken: rule.nonNegativeInteger().optional(),
  lengthPenalty: rule.nonNegativeNumber().optional(),
  state: rule.custom<GenerationState>((value) => value !== null, 'a state').optional(),
  cache: rule.boolean().optional(),
});

export interface Beam {
  /** The tokens behind the prompt, with the one that ends the sequence. */
  readonly ids: readonly number[];
  /** The log-probability divided by the length's power. */
  readonly score: number;
}

interface Live {
  readonly ids: readonly number[];
  readonly logP: number;
}

interface Candidate extends Live {
  readonly parent: number;
}

/** The best continuations of all live beams, twice as many as can be kept: some may end. */
function candidates(live: readonly Live[], logits: readonly Float32Array[], count: number) {
  const all = live.flatMap(({ ids, logP }, parent): Candidate[] => {
    const step = logSoftmax(logits[parent] as Float32Array);
    return largest(step, count).map((token) => ({
      ids: [...ids, token],
      logP: logP + (step[token] as number),
      parent,
    }));
  });
  return all.sort((a, b) => b.logP - a.logP).slice(0, count);
}

/**
 * Searches the continuations with the highest scores (the book's 9.8, en 10.8).
 * @returns the best `beam` sequences, the best one first
 * @throws RangeError for an empty prompt, or a beam wider than the vocabulary
 * @example
 * const [best] = await beamSearch(model, { prompt: vocab.toIndices(['t']), beam: 5 });
 */
export async function beamSearch(model: Stepper, options: BeamSearchOptions): Promise<Beam[]> {
  const checked = checkOptions(WHERE, beamRules, options);
  const { prompt, beam = 4, maxTokens = 50, endToken, lengthPenalty = 0.75, state } = checked;
  if (prompt.length === 0)
    throw new RangeError(`${WHERE}: expected a prompt of at least one token, got none`);
  if (beam > model.vocabSize) {
    throw new RangeError(
      `${WHERE}: expected a beam of at most ${model.vocabSize}, the number of tokens, got ${beam}`,
    );
  }
  const scored = ({ ids, logP }: Live): Beam => ({
    ids,
    score: logP / ids.length ** lengthPenalty,
  });
  const session = new Session(model, { rows: [prompt], state, cache: checked.cache ?? true });
  const ended: Beam[] = [];
  let live: Live[] = [{ ids: [], logP: 0 }];
  try {
    for (let step = 0; step < maxTokens && live.length > 0 && ended.length < beam; step++) {
      const found = candidates(live, await session.logits(WHERE), 2 * beam);
      const isEnd = ({ ids }: Live) => ids.at(-1) === endToken;
      ended.push(...found.slice(0, beam).filter(isEnd).map(scored));
      const kept = found.filter((candidate) => !isEnd(candidate)).slice(0, beam);
      live = kept;
      if (kept.length === 0) break;
      session.append(
        kept.map(({ ids }) => ids.at(-1) as number),
        kept.map(({ parent }) => parent),
      );
    }
  } finally {
    session.dispose();
  }
  const all = [...ended, ...live.map(scored)];
  return all.sort((a, b) => b.score - a.score).slice(0, beam);
}

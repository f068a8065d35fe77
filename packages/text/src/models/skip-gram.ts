/** The skip-gram model of word vectors. Mikolov et al. 2013, https://arxiv.org/abs/1310.4546 */

import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import type { SkipGramFeatures, SkipGramLabels } from '../loading/skip-gram';
import { checkIds } from './autoregressive';

export interface SkipGramOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 6719
   */
  vocabSize: number;
  /**
   * Features of a token's vector.
   * @example 100
   */
  embedSize: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const skipGramRules = rule.object({
  vocabSize: rule.positiveInteger(),
  embedSize: rule.positiveInteger(),
  seed: rule.seed().optional(),
});

/**
 * The book's skip-gram model (15.4, zh 14.4): a score is the dot product of a center's vector and
 * that of a token which may stand near it. Trained with `skipGramLoss` on `skipGramLoader`'s
 * batches. Parameters `center.weight`, the word vectors, and `context.weight`; both begin with
 * Xavier's uniform values.
 */
export class SkipGram extends nn.Module {
  readonly vocabSize: number;
  readonly center: nn.Embedding;
  readonly context: nn.Embedding;
  readonly #options: SkipGramOptions;

  constructor(options: SkipGramOptions) {
    super();
    const checked = checkOptions('[text] SkipGram', skipGramRules, options);
    const { vocabSize, embedSize, seed } = checked;
    this.#options = options;
    this.vocabSize = vocabSize;
    const made = withSeed(seed, () => ({
      center: new nn.Embedding(vocabSize, embedSize, { init: 'xavier-uniform' }),
      context: new nn.Embedding(vocabSize, embedSize, { init: 'xavier-uniform' }),
    }));
    this.center = made.center;
    this.context = made.context;
  }

  override config() {
    return [this.#options];
  }

  /** The features of `skipGramLoader` → a score for each token, float32 `[batch, length]`. */
  override forward({ centers, contextsNegatives }: SkipGramFeatures): tf.Tensor {
    for (const ids of [centers, contextsNegatives])
      checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    return tf.tidy(() => {
      const center = this.center.forward(centers); // [batch, 1, embedSize]
      const others = this.context.forward(contextsNegatives); // [batch, length, embedSize]
      return tf.squeeze(tf.matMul(center, others, false, true), [1]);
    });
  }
}

/**
 * The book's `SigmoidBCELoss` (15.4, zh 14.4): the cross-entropy of a sigmoid of each score, which
 * asks whether the token is of the context. It is the mean over the tokens of a row without its
 * padding, and then over the rows.
 * @param scores float32 `[batch, length]`
 */
export const skipGramLoss = (scores: tf.Tensor, { labels, masks }: SkipGramLabels): tf.Scalar =>
  tf.tidy(() => {
    const losses = tf.sub(tf.softplus(scores), tf.mul(scores, labels));
    const perRow = tf.div(tf.sum(tf.mul(losses, masks), 1), tf.sum(masks, 1));
    return tf.mean<tf.Scalar>(perRow);
  });

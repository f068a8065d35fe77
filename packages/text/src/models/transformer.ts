/** The book's Transformer for translation (10.7, en 11.7). Vaswani et al. 2017. */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { checkIds, type GenerationState } from './autoregressive';
import { Decoder, type Encoded, Encoder } from './encoder-decoder';
import {
  type BlockCache,
  type BlockOptions,
  TransformerDecoderBlock,
  TransformerEncoderBlock,
} from './transformer-blocks';

export interface TransformerOptions extends BlockOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 184
   */
  vocabSize: number;
  /** Number of blocks. @default 2 */
  layers?: number;
  /** The longest sequence. @default 1000 */
  maxLen?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

/** The options of the Transformer's stacks and of BERT. */
export const transformerRules = rule.object({
  vocabSize: rule.positiveInteger(),
  hidden: rule.positiveInteger(),
  ffnHidden: rule.positiveInteger(),
  heads: rule.positiveInteger(),
  layers: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  bias: rule.boolean().optional(),
  maxLen: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
});

/** Embedding, positions and blocks, which encoder and decoder have in common. */
function stack<B extends nn.Module>(
  where: string,
  given: TransformerOptions,
  Block: new (options: BlockOptions) => B,
) {
  const options = checkOptions(where, transformerRules, given);
  const { vocabSize, hidden, ffnHidden, heads, layers = 2, dropout = 0, bias = false } = options;
  const { maxLen = 1000, seed } = options;
  const make = () => ({
    vocabSize,
    hidden,
    embedding: new nn.Embedding(vocabSize, hidden),
    positions: new nn.PositionalEncoding(hidden, { dropout, maxLen }),
    blocks: Array.from(
      { length: layers },
      () => new Block({ hidden, ffnHidden, heads, dropout, bias }),
    ),
  });
  return withSeed(seed, make);
}

/**
 * The encoder: embedding times √hidden, positions, blocks. Parameters `embedding.weight`,
 * `blks.0.attention.in_proj_weight`, ....
 */
export class TransformerEncoder extends Encoder {
  readonly vocabSize: number;
  readonly hidden: number;
  readonly embedding: nn.Embedding;
  readonly pos_encoding: nn.PositionalEncoding;
  readonly blks: TransformerEncoderBlock[];
  readonly #options: TransformerOptions;

  constructor(options: TransformerOptions) {
    super();
    this.#options = options;
    const made = stack('[text] TransformerEncoder', options, TransformerEncoderBlock);
    this.vocabSize = made.vocabSize;
    this.hidden = made.hidden;
    this.embedding = made.embedding;
    this.pos_encoding = made.positions;
    this.blks = made.blocks;
  }

  override config() {
    return [this.#options];
  }

  override forward(ids: tf.Tensor, validLens?: tf.Tensor): Encoded {
    checkIds(`[text] ${this.name}`, ids, this.vocabSize);
    return tf.tidy(() => {
      const x = tf.mul(this.embedding.forward(ids), Math.sqrt(this.hidden));
      const outputs = this.blks.reduce(
        (y, block) => block.forward(y, validLens),
        this.pos_encoding.forward(x),
      );
      return { outputs };
    });
  }
}

type TransformerState = {
  readonly outputs: tf.Tensor;
  readonly validLens?: tf.Tensor;
  /** One for each block; empty before the first token. */
  readonly blocks: readonly BlockCache[];
};

/**
 * The decoder: embedding times √hidden, positions, blocks, a linear layer to the logits. In
 * training it takes the whole target and keeps nothing; in `eval()` it keeps the keys and values of
 * all tokens so far, and continues at their number. (The book's decoder keeps the blocks' inputs,
 * gives each predicted token the position 0, and sees the whole target in `eval`.) Parameters
 * `embedding.weight`, `blks.0.attention1.in_proj_weight`, ..., `dense.weight`.
 */
export class TransformerDecoder extends Decoder {
  readonly vocabSize: number;
  readonly hidden: number;
  readonly embedding: nn.Embedding;
  readonly pos_encoding: nn.PositionalEncoding;
  readonly blks: TransformerDecoderBlock[];
  readonly dense: nn.Linear;
  readonly #options: TransformerOptions;

  constructor(options: TransformerOptions) {
    super();
    this.#options = options;
    const made = stack('[text] TransformerDecoder', options, TransformerDecoderBlock);
    const { vocabSize, hidden } = made;
    const { seed } = options;
    const dense = () => new nn.Linear(hidden, vocabSize);
    this.vocabSize = vocabSize;
    this.hidden = hidden;
    this.embedding = made.embedding;
    this.pos_encoding = made.positions;
    this.blks = made.blocks;
    this.dense = withSeed(seed, dense);
  }

  /** Each block looks at the target, then at the source. */
  get attentions(): readonly ('source' | 'target')[] {
    return this.blks.flatMap(() => ['target', 'source'] as const);
  }

  override config() {
    return [this.#options];
  }

  override initState({ outputs }: Encoded, validLens?: tf.Tensor): TransformerState {
    return {
      outputs: tf.clone(outputs),
      ...(validLens && { validLens: tf.clone(validLens) }),
      blocks: [],
    };
  }

  override forward(ids: tf.Tensor, state: GenerationState): [tf.Tensor, TransformerState] {
    const where = `[text] ${this.name}`;
    checkIds(where, ids, this.vocabSize);
    const { outputs, validLens, blocks } = state as TransformerState;
    if (this.training && blocks.length > 0) {
      throw new Error(
        `${where}: expected the first tokens of a target in training, got a state with tokens ` +
          'before them; call eval() to predict token by token',
      );
    }
    const past = blocks[0]?.self.k.shape[2] ?? 0;
    const memory = { outputs, validLens };
    return tf.tidy(() => {
      const scaled = tf.mul(this.embedding.forward(ids), Math.sqrt(this.hidden));
      let x = this.pos_encoding.forward(scaled, past);
      const caches: BlockCache[] = [];
      this.blks.forEach((block, i) => {
        if (this.training) {
          x = block.forward(x, memory);
          return;
        }
        const [y, cache] = block.step(x, memory, blocks[i]);
        x = y;
        caches.push(cache);
      });
      const after = {
        outputs: tf.clone(outputs),
        ...(validLens && { validLens: tf.clone(validLens) }),
        blocks: caches,
      };
      return [this.dense.forward(x), after];
    }) as unknown as [tf.Tensor, TransformerState];
  }

  override selectRows(state: GenerationState, rows: tf.Tensor1D): TransformerState {
    const { outputs, validLens, blocks } = state as TransformerState;
    const select = ({ k, v }: nn.KeysAndValues) => ({
      k: tf.gather(k, rows),
      v: tf.gather(v, rows),
    });
    return {
      outputs: tf.gather(outputs, rows),
      ...(validLens && { validLens: tf.gather(validLens, rows) }),
      blocks: blocks.map(({ self, source }) => ({ self: select(self), source: select(source) })),
    };
  }
}

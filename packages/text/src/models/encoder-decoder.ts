/** Encoder and decoder: what models that turn one sequence into another have in common. */
import { isTensor } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import type { GenerationState } from './autoregressive';

/** What an encoder gives a decoder. */
export type Encoded = {
  /** `[batch, time, hidden]` */
  readonly outputs: tf.Tensor;
  /** The last state of a recurrent encoder, `[layers, batch, hidden]`. */
  readonly hidden?: tf.Tensor;
};

/** Reads the source sequence. The book's `Encoder`: d2l 10.6, zh 9.6. */
export abstract class Encoder extends nn.Module {
  /** Number of tokens in the source vocabulary. */
  abstract readonly vocabSize: number;
  /**
   * @param ids tokens of the source, int32 `[batch, time]`
   * @param validLens lengths without padding, int32 `[batch]` @default all tokens count
   */
  abstract override forward(ids: tf.Tensor, validLens?: tf.Tensor): Encoded;
}

/**
 * Writes the target sequence. The book's `Decoder` (d2l 10.6, zh 9.6) and `AttentionDecoder` (d2l
 * 11.4, zh 10.4).
 */
export abstract class Decoder extends nn.Module {
  /** Number of tokens in the target vocabulary. */
  abstract readonly vocabSize: number;
  /**
   * What each attention in the decoder looks at, in the order of computation: `'source'` or
   * `'target'`. Empty for a decoder without attention.
   */
  abstract readonly attentions: readonly ('source' | 'target')[];
  /** The state before the first token. Its tensors may be those of `encoded`. */
  abstract initState(encoded: Encoded, validLens?: tf.Tensor): GenerationState;
  /**
   * @param ids tokens of the target, int32 `[batch, time]`
   * @returns logits of the next tokens `[batch, time, vocabSize]`, and the state after them
   */
  abstract override forward(
    ids: tf.Tensor,
    state: GenerationState,
  ): [logits: tf.Tensor, state: GenerationState];
  /** Copies of the rows of a state. `rows`: int32 `[count]` */
  abstract selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState;
}

/** The features of `translationLoader`. */
export interface SequencePair {
  /** int32 `[batch, time]` */
  readonly source: tf.Tensor;
  /** int32 `[batch]` */
  readonly sourceLength?: tf.Tensor;
  /** int32 `[batch, steps]` */
  readonly target: tf.Tensor;
}

function partOf<T extends nn.Module>(what: string, given: unknown): T {
  if (nn.isDescription(given)) return nn.buildModule<T>('[text] EncoderDecoder', given);
  if (given instanceof nn.Module) return given as T;
  throw new TypeError(`[text] EncoderDecoder: expected ${what}, got ${formatValue(given)}`);
}

/**
 * An encoder and a decoder. In training the decoder sees the true target (teacher forcing): give
 * `forward` the target behind the token that begins a sequence, and the loss the target itself.
 * Parameters `encoder...` and `decoder...`. The book's `EncoderDecoder`: d2l 10.6, zh 9.6.
 * @example
 * const model = new EncoderDecoder(
 *   new Seq2SeqEncoder({ vocabSize: 184, embedSize: 32, hidden: 32, layers: 2 }),
 *   new Seq2SeqAttentionDecoder({ vocabSize: 201, embedSize: 32, hidden: 32, layers: 2 }),
 * );
 * const logits = model.forward(source, shiftRight(target, bos), sourceLens);
 * @example
 * const loss = crossEntropy({ ignoreIndex: targetVocab.indexOf('<pad>') });
 * await train(model, trainIter, null, { numEpochs: 250, lr: 0.005, optimizer: 'adam', loss });
 */
export class EncoderDecoder extends nn.Module {
  readonly encoder: Encoder;
  readonly decoder: Decoder;

  constructor(encoder: Encoder, decoder: Decoder) {
    super();
    this.encoder = partOf<Encoder>('an encoder', encoder);
    this.decoder = partOf<Decoder>('a decoder', decoder);
  }

  override config(): readonly unknown[] | undefined {
    return nn.describeModules([this.encoder, this.decoder]);
  }

  /**
   * @param first int32 `[batch, time]`: the source; or the features of `translationLoader`, with
   *   which the other arguments are left out
   * @param second int32 `[batch, steps]`: the target's tokens before those that are predicted
   * @param third lengths of the sources without padding, int32 `[batch]` @default all tokens count
   * @returns logits `[batch, steps, vocabSize]`
   * @throws TypeError when there is no target
   */
  override forward(
    first: tf.Tensor | SequencePair,
    second?: tf.Tensor,
    third?: tf.Tensor,
  ): tf.Tensor {
    const [source, target, sourceLens] = isTensor(first)
      ? [first, second, third]
      : [first.source, first.target, first.sourceLength];
    if (!target) {
      throw new TypeError(
        `[text] ${this.name}: expected the target behind the token that begins a sequence, got ` +
          'none; give forward(source, target), or use translate to predict',
      );
    }
    return tf.tidy(() => {
      const encoded = this.encoder.forward(source, sourceLens);
      const [logits] = this.decoder.forward(target, this.decoder.initState(encoded, sourceLens));
      return logits;
    });
  }
}

/**
 * A decoder's inputs for teacher forcing: the target moved by one step, behind the token that
 * begins a sequence.
 * @param target int32 `[batch, time]`
 * @param bos id of the first token
 * @returns int32 `[batch, time]`
 * @example
 * shiftRight(tf.tensor2d([[5, 6, 7]], undefined, 'int32'), 1); // [[1, 5, 6]]
 */
export function shiftRight(target: tf.Tensor2D, bos: number): tf.Tensor2D {
  const [batch, time] = target.shape;
  return tf.tidy(() =>
    tf.concat(
      [
        tf.fill([batch, 1], bos, 'int32'),
        tf.slice(target, [0, 0], [batch, time - 1]),
      ] as tf.Tensor2D[],
      1,
    ),
  );
}

/**
 * The book's models of text and what trains them: chapters 8, 9, 10, 14 and 15 of the Chinese
 * edition (9, 10, 11, 15 and 16 of the English one), each a line or two over `nn` and `text`.
 * Constructors take the book's arguments. Tensors have the batch in front, as `train` has them,
 * also where the book has the time in front; sizes that the book infers at the first call are
 * given.
 */
import { inMode } from '@deepend/compiler';
import type { Device } from '@deepend/device';
import * as nn from '@deepend/nn';
import { crossEntropy } from '@deepend/optim';
import * as text from '@deepend/text';
import { type AnyLoader, type TrainOptions, type TrainResult, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';

export {
  Decoder as AttentionDecoder,
  Decoder,
  Encoder,
  EncoderDecoder,
  MaskLM,
  NextSentencePred,
  RNNLMScratch,
  RNNScratch,
} from '@deepend/text';

/**
 * A constructor over a function. A subclass would load the package when deepend is imported.
 */
function constructorOf<A extends unknown[], T extends object>(make: (...given: A) => T) {
  return function construct(...given: A) {
    return make(...given);
  } as unknown as new (
    ...given: A
  ) => T;
}

/** Section 9.5: throws when a list has another length. */
export function checkLen(list: ArrayLike<unknown>, n: number): void {
  if (list.length === n) return;
  throw new RangeError(`[deepend] d2l.checkLen: expected the length ${n}, got ${list.length}`);
}

/** Section 9.5: throws when a tensor has another shape. */
export function checkShape(x: tf.Tensor, shape: readonly number[]): void {
  if (tf.util.arraysEqual(x.shape, [...shape])) return;
  throw new RangeError(
    `[deepend] d2l.checkShape: expected the shape [${shape.join(', ')}], got ` +
      `[${x.shape.join(', ')}]`,
  );
}

/** Section 9.6: an RNN over `[time, batch, numInputs]`. */
export const RNN = constructorOf(
  (numInputs: number, numHiddens: number) => new nn.RNN(numInputs, numHiddens),
);

/** Section 10.3: layers of GRU over `[time, batch, numInputs]`. */
export const GRU = constructorOf(
  (
    numInputs: number,
    numHiddens: number,
    ...[numLayers = 1, dropout = 0]: [numLayers?: number, dropout?: number]
  ) => new nn.GRU(numInputs, numHiddens, { numLayers, dropout }),
);

/** A language model around given recurrent layers. */
function languageModel(rnn: nn.RNN | nn.GRU | nn.LSTM, vocabSize: number): text.LanguageModel {
  const { hiddenSize: hidden, numLayers: layers, bidirectional } = rnn;
  if (rnn.inputSize !== vocabSize || rnn.batchFirst) {
    throw new RangeError(
      `[deepend] d2l.RNNModel: expected layers over [time, batch, ${vocabSize}], one-hot tokens, ` +
        `got ones of ${rnn.inputSize} inputs${rnn.batchFirst ? ', batch first' : ''}`,
    );
  }
  const cell = rnn instanceof nn.LSTM ? 'lstm' : rnn instanceof nn.GRU ? 'gru' : 'rnn';
  const model = new text.LanguageModel({ vocabSize, hidden, layers, bidirectional, cell });
  model.rnn.dispose();
  model.rnn = rnn;
  return model;
}

/**
 * Chinese edition, section 8.6: a language model around recurrent layers. `forward(ids, state)`
 * gives logits `[batch, time, vocabSize]` and the state.
 */
export const RNNModel = constructorOf(languageModel);

/** Section 9.6: the same. */
export const RNNLM = constructorOf(languageModel);

/** Chinese edition, section 8.5: a language model of your own functions. */
export const RNNModelScratch = constructorOf(
  (
    vocabSize: number,
    numHiddens: number,
    ...[getParams, initState, forwardFn]: [
      getParams: text.ScratchFunctions<tf.Tensor[]>['getParams'],
      initState: text.ScratchFunctions<tf.Tensor[]>['initState'],
      forwardFn: text.ScratchFunctions<tf.Tensor[]>['forwardFn'],
    ]
  ) => new text.RNNModelScratch(vocabSize, numHiddens, { getParams, initState, forwardFn }),
);

/** Chinese edition, section 8.5: the prefix and `numPreds` characters behind it. */
export const predictCh8 = async (
  prefix: string,
  numPreds: number,
  ...[net, vocab]: [net: text.Autoregressive, vocab: text.Vocab]
): Promise<string> => (await text.generate(net, prefix, { vocab, maxTokens: numPreds })).text;

const recurrentOptions = (lr: number, device: Device | undefined): Partial<TrainOptions> => ({
  ...{ lr, clipNorm: 1, carryState: true },
  ...(device && { device }),
});

/** Chinese edition, section 8.5: one epoch. @returns perplexity, and tokens per second */
export async function trainEpochCh8(
  net: text.Autoregressive,
  trainIter: AnyLoader,
  ...[lr, device]: [lr: number, device?: Device]
): Promise<[perplexity: number, tokensPerSecond: number]> {
  const options = { ...recurrentOptions(lr, device), lr, numEpochs: 1, progress: false };
  return speedOf(await train(net, trainIter, null, options), trainIter);
}

/** Perplexity of the last epoch, and tokens per second. */
function speedOf({ history, samplesPerSecond }: TrainResult, loader: AnyLoader): [number, number] {
  const { numSteps = 1 } = loader as { numSteps?: number };
  return [Math.exp(history.at(-1)?.loss ?? Number.NaN), samplesPerSecond * numSteps];
}

/**
 * Chinese edition, section 8.5: trains a language model with clipped gradients, and prints the
 * perplexity and two continuations.
 */
export async function trainCh8(
  net: text.Autoregressive,
  trainIter: AnyLoader,
  ...[vocab, lr, numEpochs, device]: [
    vocab: text.Vocab,
    lr: number,
    numEpochs: number,
    device?: Device,
  ]
): Promise<TrainResult & { perplexity: number }> {
  const options = { ...recurrentOptions(lr, device), lr, numEpochs };
  const result = await train(net, trainIter, null, options);
  const perplexity = Math.exp(result.history.at(-1)?.loss ?? Number.NaN);
  console.log(`perplexity ${perplexity.toFixed(1)}`);
  for (const prefix of ['time traveller', 'traveller'])
    console.log(await predictCh8(prefix, 50, net, vocab));
  return { ...result, perplexity };
}

type Sizes = [vocabSize: number, embedSize: number, ...Depth];
type Depth = [numHiddens: number, numLayers: number, dropout?: number];

const recurrentSizes = ([vocabSize, embedSize, hidden, layers, dropout = 0]: Sizes) => ({
  ...{ vocabSize, embedSize, hidden, layers, dropout },
});

/** Section 10.7. */
export const Seq2SeqEncoder = constructorOf(
  (...sizes: Sizes) => new text.Seq2SeqEncoder(recurrentSizes(sizes)),
);

/** Section 10.7. */
export const Seq2SeqDecoder = constructorOf(
  (...sizes: Sizes) => new text.Seq2SeqDecoder(recurrentSizes(sizes)),
);

/** Section 11.4: Bahdanau's decoder. */
export const Seq2SeqAttentionDecoder = constructorOf(
  (...sizes: Sizes) => new text.Seq2SeqAttentionDecoder(recurrentSizes(sizes)),
);

/** Section 10.7: an encoder and a decoder; `trainSeq2seq` gets padding and learning rate. */
export const Seq2Seq = constructorOf(
  (encoder: text.Encoder, decoder: text.Decoder) => new text.EncoderDecoder(encoder, decoder),
);

/** Section 10.7: draws the weights of a linear or GRU layer again, for `net.apply`. */
export function initSeq2seq(module: nn.Module): void {
  if (!(module instanceof nn.Linear || module instanceof nn.GRU)) return;
  for (const [name, variable] of module.namedParameters())
    if (name.startsWith('weight')) nn.init.fill(variable, 'xavier-uniform');
}

/** Section 23.8: zeros, or `value`, behind the end of each sequence. `x` stays as it is. */
export const sequenceMask = <T extends tf.Tensor>(x: T, validLen: tf.Tensor, value = 0): T =>
  nn.functional.sequenceMask(x, validLen, { value });

/**
 * Section 23.8: the cross-entropy of each sequence, the mean over all steps of which padding has
 * the loss 0: logits `[batch, time, vocab]`, labels `[batch, time]`, lengths `[batch]` → `[batch]`.
 */
export const MaskedSoftmaxCELoss = constructorOf(() => ({
  forward: (pred: tf.Tensor, label: tf.Tensor, validLen: tf.Tensor): tf.Tensor1D =>
    tf.tidy(() => {
      const { loss } = crossEntropy({ reduction: 'none' })(pred, label);
      return tf.mean(nn.functional.sequenceMask(loss, validLen), 1);
    }),
}));

/**
 * Section 23.8: trains an encoder–decoder by Adam with clipped gradients; padding does not count.
 * The loader is that of `loadDataNmt`.
 */
export const trainSeq2seq = (
  net: text.EncoderDecoder | nn.CompiledModule,
  dataIter: AnyLoader,
  ...[lr, numEpochs, tgtVocab, device]: [
    lr: number,
    numEpochs: number,
    tgtVocab: text.Vocab,
    device?: Device,
  ]
): Promise<TrainResult> =>
  train(net, dataIter, null, {
    ...{ lr, numEpochs, optimizer: 'adam', clipNorm: 1 },
    loss: crossEntropy({ ignoreIndex: tgtVocab.indexOf('<pad>') }),
    ...(device && { device }),
  });

/**
 * Section 23.8: translates a sentence.
 * @returns the translation, and the weights of each attention where asked for
 */
export async function predictSeq2seq(
  net: text.EncoderDecoder,
  srcSentence: string,
  ...[srcVocab, tgtVocab, numSteps, saveAttentionWeights = false]: [
    srcVocab: text.Vocab,
    tgtVocab: text.Vocab,
    numSteps: number,
    saveAttentionWeights?: boolean,
  ]
): Promise<[translation: string, attention: readonly text.TranslationAttention[]]> {
  const { text: translation, attention } = await text.translate(net, srcSentence, {
    ...{ sourceVocab: srcVocab, targetVocab: tgtVocab, numSteps },
    ...{ attention: saveAttentionWeights, allowUnknown: true },
  });
  return [translation, attention];
}

/** Section 11.3: softmax over the keys that count. */
export const maskedSoftmax = <T extends tf.Tensor>(x: T, validLens?: tf.Tensor): T =>
  nn.functional.maskedSoftmax(x, validLens);

/** Section 11.3. */
export const DotProductAttention = constructorOf(
  (dropout?: number) => new nn.DotProductAttention(dropout),
);

/** Section 11.3, with the arguments of the Chinese edition. */
export const AdditiveAttention = constructorOf(
  (
    keySize: number,
    querySize: number,
    ...[numHiddens, dropout = 0]: [numHiddens: number, dropout?: number]
  ) => new nn.AdditiveAttention(numHiddens, { keySize, querySize, dropout }),
);

/**
 * Section 11.5: `forward(queries, keys, values, { validLens })` gives `[output, weights]`, batch
 * first.
 */
export const MultiHeadAttention = constructorOf(
  (
    numHiddens: number,
    numHeads: number,
    ...[dropout = 0, bias = false]: [dropout?: number, bias?: boolean]
  ) => new nn.MultiheadAttention(numHiddens, numHeads, { dropout, bias, batchFirst: true }),
);

/** Section 11.5: `[batch, n, hidden]` → `[batch · heads, n, hidden / heads]`. */
export const transposeQkv = (x: tf.Tensor, numHeads: number): tf.Tensor =>
  tf.tidy(() => {
    const [batch = 0, n = 0, hidden = 0] = x.shape;
    const split = tf.reshape(x, [batch, n, numHeads, hidden / numHeads]);
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [batch * numHeads, n, -1]);
  });

/** Section 11.5: the inverse of `transposeQkv`. */
export const transposeOutput = (x: tf.Tensor, numHeads: number): tf.Tensor =>
  tf.tidy(() => {
    const [rows = 0, n = 0, dim = 0] = x.shape;
    const split = tf.reshape(x, [rows / numHeads, numHeads, n, dim]);
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3]), [rows / numHeads, n, numHeads * dim]);
  });

/** Section 11.6. */
export const PositionalEncoding = constructorOf(
  (numHiddens: number, ...[dropout = 0, maxLen = 1000]: [dropout?: number, maxLen?: number]) =>
    new nn.PositionalEncoding(numHiddens, { dropout, maxLen }),
);

/** Section 11.7, with the arguments of the Chinese edition. */
export const PositionWiseFFN = constructorOf(
  (numInput: number, ...[numHiddens, numOutputs]: [numHiddens: number, numOutputs: number]) =>
    new text.PositionWiseFFN(numInput, numHiddens, numOutputs),
);

/** Section 11.7. */
export const AddNorm = constructorOf(
  (normShape: number, dropout?: number) => new text.AddNorm(normShape, dropout),
);

type BlockSizes = [numHiddens: number, ffnNumHiddens: number, numHeads: number, ...BlockRest];
type BlockRest = [dropout?: number, useBias?: boolean];

const blockSizes = ([hidden, ffnHidden, heads, dropout = 0, bias = false]: BlockSizes) => ({
  ...{ hidden, ffnHidden, heads, dropout, bias },
});

/** Section 11.7. */
export const TransformerEncoderBlock = constructorOf(
  (...sizes: BlockSizes) => new text.TransformerEncoderBlock(blockSizes(sizes)),
);

/** Its name in the Chinese edition, section 10.7. */
export const EncoderBlock = TransformerEncoderBlock;

type StackSizes = [
  vocabSize: number,
  numHiddens: number,
  ffnNumHiddens: number,
  ...[numHeads: number, numBlks: number, dropout?: number, useBias?: boolean],
];

const stackSizes = ([vocabSize, hidden, ffnHidden, heads, layers, dropout, bias]: StackSizes) => ({
  ...{ vocabSize, layers },
  ...blockSizes([hidden, ffnHidden, heads, dropout, bias]),
});

/** Section 11.7. */
export const TransformerEncoder = constructorOf(
  (...sizes: StackSizes) => new text.TransformerEncoder(stackSizes(sizes)),
);

/** Section 11.7. */
export const TransformerDecoder = constructorOf(
  (...sizes: StackSizes) => new text.TransformerDecoder(stackSizes(sizes)),
);

type BertSizes = [
  vocabSize: number,
  numHiddens: number,
  ffnNumHiddens: number,
  ...[numHeads: number, numBlks: number, dropout: number, maxLen?: number],
];

const bertSizes = ([vocabSize, hidden, ffnHidden, heads, layers, dropout, maxLen]: BertSizes) => ({
  ...{ vocabSize, hidden, ffnHidden, heads, layers, dropout },
  maxLen: maxLen ?? 1000,
});

/** Section 15.8. */
export const BERTEncoder = constructorOf(
  (...sizes: BertSizes) => new text.BERTEncoder(bertSizes(sizes)),
);

/** Section 15.8. */
export const BERTModel = constructorOf(
  (...sizes: BertSizes) => new text.BERTModel(bertSizes(sizes)),
);

/**
 * Section 15.10: BERT's two losses of a batch, and their sum. Padding does not count (the book
 * weights the mean over all positions).
 */
export function getBatchLossBert(
  net: text.BERTModel,
  features: text.BERTInputs,
  labels: text.BERTTargets,
): [mlm: tf.Scalar, nsp: tf.Scalar, total: tf.Scalar] {
  return tf.tidy(() => {
    const { mlm, nsp, total } = text.bertLosses(net.forward(features), labels);
    return [mlm, nsp, total];
  }) as [tf.Scalar, tf.Scalar, tf.Scalar];
}

/** The most likely class of a module in inference mode. */
async function classOf(net: nn.Module, ...inputs: (readonly number[])[]): Promise<number> {
  const label = inMode(net, false, () =>
    tf.tidy(() => {
      const ids = inputs.map((row) => tf.tensor2d([[...row]], undefined, 'int32'));
      return tf.argMax(net.forward(...ids) as tf.Tensor, 1);
    }),
  );
  const [found = 0] = await label.data();
  label.dispose();
  return found;
}

/** Section 16.2: whether a review, its words between blanks, is positive. */
export const predictSentiment = async (
  net: nn.Module,
  vocab: text.Vocab,
  sequence: string,
): Promise<'positive' | 'negative'> => {
  const words = sequence.split(/\s+/).filter((word) => word !== '');
  return (await classOf(net, vocab.toIndices(words))) === 1 ? 'positive' : 'negative';
};

/** Section 16.5: how a hypothesis relates to a premise, both as lists of words. */
export async function predictSnli(
  net: nn.Module,
  vocab: text.Vocab,
  ...[premise, hypothesis]: [premise: readonly string[], hypothesis: readonly string[]]
): Promise<'entailment' | 'contradiction' | 'neutral'> {
  const label = await classOf(net, vocab.toIndices(premise), vocab.toIndices(hypothesis));
  return (['entailment', 'contradiction', 'neutral'] as const)[label] ?? 'neutral';
}

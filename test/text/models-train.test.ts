/**
 * Each model trains by `train` with the loaders of its task, eagerly and compiled with the same
 * numbers, and learns a small task.
 */
import * as nn from '@deepend/nn';
import { crossEntropy } from '@deepend/optim';
import {
  BERT_TOKENS,
  BERTModel,
  BiRNN,
  bertLoader,
  bertLoss,
  DecomposableAttention,
  EncoderDecoder,
  GPT,
  generate,
  LanguageModel,
  Seq2SeqAttentionDecoder,
  Seq2SeqDecoder,
  Seq2SeqEncoder,
  SkipGram,
  sequenceLoader,
  skipGramLoader,
  skipGramLoss,
  TextCNN,
  TRANSLATION_TOKENS,
  TransformerDecoder,
  TransformerEncoder,
  toCorpus,
  translate,
  translationLoader,
  Vocab,
} from '@deepend/text';
import { type AnyLoader, type TrainOptions, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';

const TEXT = Array.from('the time traveller for so it will be convenient to speak of him ');
const vocab = new Vocab(TEXT);
const corpus = () => toCorpus([...TEXT, ...TEXT, ...TEXT, ...TEXT], vocab);

const SENTENCES: [source: string, target: string][] = [
  ['go .', 'va !'],
  ['i lost .', "j'ai perdu ."],
  ["he's calm .", 'il est calme .'],
  ["i'm home .", 'je suis chez moi .'],
];
const [source, target] = [0, 1].map((side) =>
  SENTENCES.map((pair) => (pair[side] as string).split(' ')),
) as [string[][], string[][]];
const reservedTokens = [...TRANSLATION_TOKENS];
const sourceVocab = new Vocab(source, { reservedTokens });
const targetVocab = new Vocab(target, { reservedTokens });
const pairs = () =>
  translationLoader(source, target, { batchSize: 4, numSteps: 7, sourceVocab, targetVocab });
const ignorePadding = crossEntropy({ ignoreIndex: targetVocab.indexOf('<pad>') });

const PARAGRAPHS = [
  ['the time machine', 'by h g wells', 'the time traveller'],
  ['for so it will be', 'convenient to speak of him', 'was expounding'],
].map((lines) => lines.map((line) => line.split(' ')));
const bertVocab = new Vocab(PARAGRAPHS.flat(), { reservedTokens: [...BERT_TOKENS] });

/** Sequences whose class is that of their first token. */
function classified(inputs: 1 | 2): AnyLoader {
  const batch = () => {
    const ids = Array.from({ length: 8 }, (_, i) => [i % 2, 2, 3 + (i % 3), 2, 5]);
    const one = tf.tensor2d(ids, undefined, 'int32');
    const labels = tf.tensor1d(
      ids.map(([first]) => first as number),
      'int32',
    );
    return { features: inputs === 1 ? one : [one, tf.clone(one)], labels };
  };
  return {
    ...{ numSamples: 8, numBatches: 1, batchSize: 8 },
    async *[Symbol.asyncIterator]() {
      yield batch();
    },
  } as AnyLoader;
}

const seed = 1;
const sizes = { embedSize: 16, hidden: 32, layers: 2, seed };
const block = { hidden: 16, ffnHidden: 32, heads: 2, layers: 1, seed };
const adam = (lr: number, numEpochs: number) => ({ optimizer: 'adam', lr, numEpochs }) as const;

interface Task {
  readonly model: () => nn.Module;
  readonly loader: () => AnyLoader;
  readonly options: Partial<TrainOptions> & Pick<TrainOptions, 'lr' | 'numEpochs'>;
  /** The loss at the end is below this share of the one of the first epoch. */
  readonly share: number;
}

const sequences = (sampling: 'sequential' | 'random') => () =>
  sequenceLoader(corpus(), { batchSize: 4, numSteps: 8, sampling, seed }) as AnyLoader;
const ofVocab = { vocabSize: vocab.size, seed };
const classes = { vocabSize: 6, embedSize: 4, seed };
const seq2seq = (Decoder: typeof Seq2SeqDecoder | typeof Seq2SeqAttentionDecoder) => () =>
  new EncoderDecoder(
    new Seq2SeqEncoder({ vocabSize: sourceVocab.size, ...sizes }),
    new Decoder({ vocabSize: targetVocab.size, ...sizes }),
  );
const transformer = () =>
  new EncoderDecoder(
    new TransformerEncoder({ vocabSize: sourceVocab.size, ...block }),
    new TransformerDecoder({ vocabSize: targetVocab.size, ...block }),
  );
const recurrent = { lr: 1, numEpochs: 12, clipNorm: 1, carryState: true };

const TASKS: Record<string, Task> = {
  rnn: {
    model: () => new LanguageModel({ ...ofVocab, hidden: 24, cell: 'rnn' }),
    ...{ loader: sequences('sequential'), options: recurrent, share: 0.6 },
  },
  gru: {
    model: () => new LanguageModel({ ...ofVocab, hidden: 24, cell: 'gru', layers: 2 }),
    ...{
      loader: sequences('random'),
      options: { ...adam(0.02, 12), carryState: true },
      share: 0.6,
    },
  },
  lstm: {
    model: () => new LanguageModel({ ...ofVocab, hidden: 24, cell: 'lstm', embedSize: 8 }),
    ...{
      loader: sequences('sequential'),
      options: { ...adam(0.02, 12), carryState: true },
      share: 0.6,
    },
  },
  gpt: {
    model: () => new GPT({ ...ofVocab, blockSize: 8, layers: 1, heads: 2, hidden: 16 }),
    ...{ loader: sequences('random'), options: adam(0.01, 12), share: 0.6 },
  },
  seq2seq: {
    model: seq2seq(Seq2SeqDecoder),
    ...{ loader: pairs, options: { ...adam(0.01, 30), loss: ignorePadding }, share: 0.2 },
  },
  bahdanau: {
    model: seq2seq(Seq2SeqAttentionDecoder),
    ...{ loader: pairs, options: { ...adam(0.01, 30), loss: ignorePadding }, share: 0.2 },
  },
  transformer: {
    model: transformer,
    ...{ loader: pairs, options: { ...adam(0.02, 30), loss: ignorePadding }, share: 0.2 },
  },
  bert: {
    model: () => new BERTModel({ vocabSize: bertVocab.size, ...block, maxLen: 20 }),
    loader: () => bertLoader(PARAGRAPHS, bertVocab, { batchSize: 4, maxLen: 16 }) as AnyLoader,
    options: { ...adam(0.01, 30), loss: bertLoss as unknown as TrainOptions['loss'] & object },
    share: 0.7,
  },
  textCnn: {
    model: () =>
      new TextCNN({ ...classes, kernelSizes: [2, 3], numChannels: [4, 4], dropout: 0.1 }),
    ...{ loader: () => classified(1), options: adam(0.05, 30), share: 0.3 },
  },
  biRnn: {
    model: () => new BiRNN({ ...classes, hidden: 4, layers: 1 }),
    ...{ loader: () => classified(1), options: adam(0.05, 30), share: 0.3 },
  },
  skipGram: {
    model: () => new SkipGram({ vocabSize: vocab.size, embedSize: 8, seed }),
    loader: () => {
      const options = { batchSize: 32, maxWindowSize: 2, threshold: 1, seed };
      return skipGramLoader([TEXT, TEXT, TEXT], vocab, options) as AnyLoader;
    },
    options: { ...adam(0.05, 8), loss: skipGramLoss as unknown as TrainOptions['loss'] & object },
    share: 0.8,
  },
  decomposable: {
    model: () => new DecomposableAttention({ ...classes, hidden: 8, numClasses: 2 }),
    ...{ loader: () => classified(2), options: adam(0.02, 80), share: 0.5 },
  },
};

/** Features of the first batch, to compile with. */
async function exampleOf(loader: AnyLoader) {
  for await (const { features, labels } of loader) {
    tf.dispose(labels as tf.TensorContainer);
    return features;
  }
  throw new Error('no batch');
}

describe('on simd', () => {
  const backend = backends.find(({ name }) => name === 'simd');
  const absent = backend?.absent;
  beforeAll(async () => {
    if (!absent) await use('simd');
  });

  it.skipIf(absent).each(Object.entries(TASKS))('%s learns', async (_, task) => {
    const model = task.model();
    const options = { ...task.options, progress: false, seed };
    const { history } = await train(model, task.loader(), null, options);
    const first = history[0]?.loss as number;
    expect((history.at(-1)?.loss as number) / first).toBeLessThan(task.share);
    model.dispose();
  });

  it.skipIf(absent).each(Object.entries(TASKS))('%s: compiled, the same', async (_, task) => {
    const options = { ...task.options, numEpochs: 2, progress: false, seed };
    const eager = task.model();
    const { history } = await train(eager, task.loader(), null, options);
    const example = await exampleOf(task.loader());
    const compiled = nn.compile(task.model(), example as tf.Tensor);
    tf.dispose(example as tf.TensorContainer);
    const { history: replayed } = await train(compiled, task.loader(), null, options);
    expect(replayed.map(({ loss }) => loss)).toEqual(history.map(({ loss }) => loss));
    eager.dispose();
    compiled.dispose();
  });

  it.skipIf(absent)('what was trained continues and translates', async () => {
    const quiet = { progress: false, seed };
    const model = new LanguageModel({ ...ofVocab, hidden: 48 });
    const options = { ...adam(0.02, 25), ...quiet, clipNorm: 1, carryState: true };
    await train(model, sequences('sequential')(), null, options);
    const { text } = await generate(model, 'the time', { vocab, maxTokens: 16 });
    expect(text).toBe('the time traveller for s');
    const pair = seq2seq(Seq2SeqAttentionDecoder)();
    await train(pair, pairs(), null, { ...adam(0.01, 80), loss: ignorePadding, ...quiet });
    for (const [sentence, expected] of SENTENCES) {
      const given = { sourceVocab, targetVocab, numSteps: 7 };
      expect((await translate(pair, sentence, given)).text).toBe(expected);
    }
    model.dispose();
    pair.dispose();
  });
});

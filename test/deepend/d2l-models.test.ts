/** The book's names for models of text, over `nn` and `text`. */
import * as nn from '@deepend/nn';
import { sequenceLoader, toCorpus, Vocab } from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import golden from '../golden/text-models.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const printed: string[] = [];

beforeAll(async () => {
  await use('cpu-js');
  vi.spyOn(console, 'log').mockImplementation((line) => void printed.push(String(line)));
});
afterAll(() => vi.restoreAllMocks());

const TEXT = Array.from('time traveller ');
const vocab = new Vocab(TEXT);
const loader = (sampling: 'sequential' | 'random' = 'sequential') =>
  sequenceLoader(toCorpus([...TEXT, ...TEXT, ...TEXT, ...TEXT], vocab), {
    ...{ batchSize: 2, numSteps: 5, sampling, seed: 1 },
  });
const ids = (values: number[][]) => tf.tensor2d(values, undefined, 'int32');

it('checks lengths and shapes', () => {
  d2l.checkLen([1, 2], 2);
  expect(() => d2l.checkLen([1], 2)).toThrow(/length 2, got 1/);
  tf.tidy(() => {
    d2l.checkShape(tf.zeros([2, 3]), [2, 3]);
    expect(() => d2l.checkShape(tf.zeros([2, 3]), [3, 2])).toThrow(/\[3, 2\], got \[2, 3\]/);
  });
});

it('trains and continues, with layers and with functions of your own', async () => {
  const size = vocab.size;
  const nets = [
    new d2l.RNNModel(new nn.GRU(size, 24), size),
    new d2l.RNNLM(new d2l.RNN(size, 24), size),
    new d2l.RNNModelScratch(
      size,
      24,
      (vocabSize, hidden) => {
        const gate = nn.parameter([vocabSize, hidden], { init: 'xavier-uniform' });
        const own = nn.parameter([hidden, hidden], { init: 'xavier-uniform' });
        const out = nn.parameter([hidden, vocabSize], { init: 'xavier-uniform' });
        return [gate, own, out];
      },
      (batchSize, hidden) => [tf.zeros([batchSize, hidden])],
      (inputs, [first], [wx, wh, out]) => {
        let h = first as tf.Tensor;
        const outputs = tf.unstack(inputs).map((x) => {
          h = tf.tanh(tf.add(tf.dot(x, wx as tf.Tensor), tf.dot(h, wh as tf.Tensor)));
          return tf.dot(h, out as tf.Tensor);
        });
        return [tf.concat(outputs, 0), [h]];
      },
    ),
  ];
  for (const net of nets) {
    const [before] = await d2l.trainEpochCh8(net, loader(), 0.5);
    printed.length = 0;
    const { perplexity } = await d2l.trainCh8(net, loader(), vocab, 1, 12);
    expect(perplexity).toBeLessThan(before * 0.8);
    expect(printed.at(-3)).toMatch(/^perplexity \d/);
    expect(printed.at(-1)).toMatch(/^traveller.{50}$/);
    expect(await d2l.predictCh8('time', 3, net, vocab)).toMatch(/^time.{3}$/);
    net.dispose();
  }
  expect(() => new d2l.RNNModel(new nn.GRU(3, 2), 5)).toThrow(/one-hot tokens/);
});

it('trains and uses an encoder and a decoder', async () => {
  const { TRANSLATION_TOKENS, translationLoader } = await import('@deepend/text');
  const reservedTokens = [...TRANSLATION_TOKENS];
  const sentences = [
    ['go', '.'],
    ['i', 'lost', '.'],
  ];
  const words = new Vocab(sentences, { reservedTokens });
  const pairs = () =>
    translationLoader(sentences, sentences, {
      ...{ batchSize: 2, numSteps: 5, sourceVocab: words, targetVocab: words },
    });
  const { size } = words;
  const nets = [
    new d2l.Seq2Seq(
      new d2l.Seq2SeqEncoder(size, 8, 16, 1),
      new d2l.Seq2SeqAttentionDecoder(size, 8, 16, 1),
    ),
    new d2l.EncoderDecoder(
      new d2l.TransformerEncoder(size, 16, 16, 2, 1),
      new d2l.TransformerDecoder(size, 16, 16, 2, 1),
    ),
  ];
  for (const net of nets) {
    net.apply(d2l.initSeq2seq);
    const { history } = await d2l.trainSeq2seq(net, pairs(), 0.02, 25, words);
    expect(history.at(-1)?.loss).toBeLessThan(0.5 * (history[0]?.loss as number));
    const [translation, attention] = await d2l.predictSeq2seq(net, 'go .', words, words, 5, true);
    expect(translation).toBe('go .');
    expect(attention[0]?.weights.length).toBeGreaterThan(0);
    net.dispose();
  }
});

it("has the book's masked loss, masked softmax, and turns of heads", async () => {
  const { shape, values } = golden.losses.masked;
  const [logits, labels] = golden.losses.inputs.map((given) =>
    tf.tensor(given.values, given.shape, given.dtype as 'float32'),
  ) as [tf.Tensor, tf.Tensor];
  const lengths = tf.tensor1d(golden.losses.lengths, 'int32');
  await expectNoLeak(() =>
    tf.tidy(() => {
      const loss = new d2l.MaskedSoftmaxCELoss().forward(logits, labels, lengths);
      expect(loss.shape).toEqual(shape);
      loss.dataSync().forEach((value, i) => {
        expect(value).toBeCloseTo(values[i] as number, 5);
      });
      const p = d2l.maskedSoftmax(logits, lengths).dataSync();
      expect(p[0]).toBeCloseTo(golden.losses.softmax.values[0] as number, 5);
      expect(d2l.sequenceMask(labels, lengths, -1).dataSync()[2]).toBe(-1);
      const x = tf.randomNormal([2, 3, 8]);
      const heads = d2l.transposeQkv(x, 4);
      expect(heads.shape).toEqual([8, 3, 2]);
      expect(d2l.transposeOutput(heads, 4).dataSync()).toEqual(x.dataSync());
    }),
  );
  tf.dispose([logits, labels, lengths]);
});

it('builds attention and blocks by the arguments of the book', () => {
  tf.tidy(() => {
    const x = tf.randomNormal([2, 4, 8]);
    const lens = tf.tensor1d([2, 3], 'int32');
    const shapes = [
      new d2l.DotProductAttention(0.5).eval().forward(x, x, x, lens),
      new d2l.AdditiveAttention(8, 8, 6, 0.1).forward(x, x, x, lens),
      new d2l.MultiHeadAttention(8, 2).forward(x, x, x, { validLens: lens })[0],
      new d2l.PositionalEncoding(8, 0.1).forward(x),
      new d2l.PositionWiseFFN(8, 16, 8).forward(x),
      new d2l.AddNorm(8, 0.5).forward(x, x),
      new d2l.TransformerEncoderBlock(8, 16, 2, 0.5).forward(x, lens),
      new d2l.BERTEncoder(9, 8, 16, 2, 1, 0.1).forward(ids([[1, 2, 3, 4]]), ids([[0, 0, 1, 1]])),
    ].map(({ shape }) => shape);
    expect(shapes.slice(0, 7)).toEqual(new Array(7).fill([2, 4, 8]));
    expect(shapes[7]).toEqual([1, 4, 8]);
    const bert = new d2l.BERTModel(9, 8, 16, 2, 1, 0);
    const features = {
      ...{ tokens: ids([[1, 2, 3, 4]]), segments: ids([[0, 0, 1, 1]]) },
      predPositions: ids([[1, 2]]),
    };
    const labels = {
      ...{ mlmLabels: ids([[2, 3]]), mlmWeights: tf.ones([1, 2]) },
      nspLabels: tf.tensor1d([1], 'int32'),
    };
    const [mlm, nsp, total] = d2l
      .getBatchLossBert(bert, features, labels)
      .map((loss) => loss.dataSync()[0] as number) as [number, number, number];
    expect(total).toBeCloseTo(mlm + nsp, 5);
  });
  tf.disposeVariables();
});

it('predicts sentiments and inferences', async () => {
  const { BiRNN, DecomposableAttention } = await import('@deepend/text');
  const words = new Vocab(['this', 'movie', 'is', 'great']);
  const sizes = { vocabSize: words.size, embedSize: 4, hidden: 4, seed: 1 };
  const net = new BiRNN(sizes);
  const wanted = tf.tensor1d([-9, 9]);
  net.decoder.bias?.assign(wanted);
  expect(await d2l.predictSentiment(net, words, ' this movie  is so great')).toBe('positive');
  expect(net.training).toBe(true);
  const pair = new DecomposableAttention(sizes);
  const third = tf.tensor1d([-9, -9, 9]);
  pair.aggregate.apply((module) => {
    if (module instanceof nn.Linear && module.outFeatures === 3) module.bias?.assign(third);
  });
  expect(await d2l.predictSnli(pair, words, ['this'], ['movie', 'is'])).toBe('neutral');
  tf.dispose([wanted, third]);
  net.dispose();
  pair.dispose();
});

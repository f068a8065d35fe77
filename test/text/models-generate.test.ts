/** Generation: caches, sampling, beams, translation, and what is refused. */
import * as nn from '@deepend/nn';
import {
  beamSearch,
  EncoderDecoder,
  GPT,
  generate,
  LanguageModel,
  type LanguageModelCell,
  Seq2SeqAttentionDecoder,
  Seq2SeqDecoder,
  Seq2SeqEncoder,
  TransformerDecoder,
  TransformerEncoder,
  translate,
  Vocab,
} from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleToken } from '../../packages/text/src/generate/sampling';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const vocab = new Vocab(Array.from('the time machine'));
const vocabSize = vocab.size;

const gpt = () => new GPT({ vocabSize, blockSize: 8, layers: 2, heads: 2, hidden: 8, seed: 3 });
const recurrent = (cell: LanguageModelCell) =>
  new LanguageModel({ vocabSize, hidden: 6, layers: 2, cell, seed: 5 });

/** Larger weights than the first ones, so that tokens differ in their probabilities. */
function sharpened<M extends nn.Module>(model: M): M {
  tf.tidy(() => {
    for (const variable of model.parameters())
      if (variable.rank > 1) variable.assign(tf.mul(variable, model instanceof GPT ? 12 : 3));
  });
  return model;
}

const MODELS = {
  gpt: () => sharpened(gpt()),
  rnn: () => sharpened(recurrent('rnn')),
  gru: () => sharpened(recurrent('gru')),
  lstm: () => sharpened(recurrent('lstm')),
};

const sourceVocab = new Vocab(['go', '.', 'i', 'lost', '!'], {
  reservedTokens: ['<pad>', '<bos>', '<eos>'],
});
const targetVocab = new Vocab(['va', '!', "j'ai", 'perdu', '.', 'vite'], {
  reservedTokens: ['<pad>', '<bos>', '<eos>'],
});

const sizes = { embedSize: 4, hidden: 6, layers: 2, seed: 2 };
const block = { hidden: 8, ffnHidden: 12, heads: 2, layers: 2, seed: 4 };
const PAIRS = {
  recurrent: () =>
    new EncoderDecoder(
      new Seq2SeqEncoder({ vocabSize: sourceVocab.size, ...sizes }),
      new Seq2SeqDecoder({ vocabSize: targetVocab.size, ...sizes }),
    ),
  bahdanau: () =>
    new EncoderDecoder(
      new Seq2SeqEncoder({ vocabSize: sourceVocab.size, ...sizes }),
      new Seq2SeqAttentionDecoder({ vocabSize: targetVocab.size, ...sizes }),
    ),
  transformer: () =>
    new EncoderDecoder(
      new TransformerEncoder({ vocabSize: sourceVocab.size, ...block }),
      new TransformerDecoder({ vocabSize: targetVocab.size, ...block }),
    ),
};

const present = backends.filter(({ name }) => name === 'cpu-js' || name === 'simd');

describe.each(present)('$title', ({ name, absent }) => {
  beforeAll(async () => {
    if (!absent) await use(name);
  });
  const test = it.skipIf(absent);

  test.each(Object.entries(MODELS))(
    '%s: the same tokens with and without a cache',
    async (_, make) => {
      const model = make();
      // 3 + 12 tokens: more than GPT's context of 8
      for (const options of [
        {},
        { temperature: 1, seed: 7 },
        { beam: 3 },
        { topK: 4, topP: 0.9 },
      ]) {
        const settings = { vocab, maxTokens: 12, ...options };
        const cached = await generate(model, 'the', settings);
        const plain = await generate(model, 'the', { ...settings, cache: false });
        expect(cached.ids).toHaveLength(12);
        expect(cached).toEqual(plain);
      }
      model.dispose();
    },
  );

  test.each(Object.entries(MODELS))('%s: the first token is that of forward', async (_, make) => {
    const model = make().eval();
    const ids = tf.tensor2d([vocab.toIndices(Array.from('the'))], undefined, 'int32');
    const expected = tf.tidy(() => {
      const given = model.forward(ids) as tf.Tensor | [tf.Tensor, unknown];
      const logits = given instanceof tf.Tensor ? given : given[0];
      return tf.argMax(tf.slice(logits, [0, 2, 0], [1, 1, vocabSize]), 2).dataSync()[0];
    });
    const { ids: found } = await generate(model, 'the', { vocab, maxTokens: 1 });
    expect(found).toEqual([expected]);
    ids.dispose();
    model.dispose();
  });

  test('tokens are reported as they come, and an end token stops', async () => {
    const model = MODELS.gru();
    const seen: string[] = [];
    const onToken = (token: string) => void seen.push(token);
    const { text, tokens } = await generate(model, 'the', { vocab, maxTokens: 5, onToken });
    expect(seen).toEqual(tokens);
    expect(text).toBe(`the${tokens.join('')}`);
    const endToken = tokens[2] as string;
    const ended = await generate(model, 'the', { vocab, maxTokens: 5, endToken });
    expect(ended.tokens).toEqual(tokens.slice(0, tokens.indexOf(endToken)));
    model.dispose();
  });

  test('beam search finds the best pair of tokens', async () => {
    const model = sharpened(recurrent('gru')).eval();
    const [first] = vocab.toIndices(['t']);
    const beams = await beamSearch(model, {
      ...{ prompt: [first as number], beam: vocabSize, maxTokens: 2, lengthPenalty: 0 },
    });
    const logP = (ids: number[]) =>
      tf.tidy(() => {
        const [logits] = model.forward(tf.tensor2d([ids], undefined, 'int32'));
        return tf.logSoftmax(logits).arraySync() as number[][][];
      });
    const all: { ids: number[]; score: number }[] = [];
    for (let a = 0; a < vocabSize; a++) {
      const [steps] = logP([first as number, a]) as [number[][]];
      for (let b = 0; b < vocabSize; b++)
        all.push({ ids: [a, b], score: (steps[0]?.[a] as number) + (steps[1]?.[b] as number) });
    }
    all.sort((one, two) => two.score - one.score);
    expect(beams.map(({ ids }) => ids)).toEqual(all.slice(0, vocabSize).map(({ ids }) => ids));
    expect(beams[0]?.score).toBeCloseTo(all[0]?.score as number, 4);
    model.dispose();
  });

  test.each(Object.entries(PAIRS))(
    '%s: translates, with attention that sums to 1',
    async (kind, make) => {
      const model = make();
      const options = { sourceVocab, targetVocab, numSteps: 6 };
      const greedy = await translate(model, 'I lost.', { ...options, attention: true });
      expect(greedy.sourceTokens).toEqual(['i', 'lost', '.', '<eos>']);
      expect(greedy.tokens.length).toBeLessThanOrEqual(6);
      const expected = { recurrent: 0, bahdanau: 1, transformer: 4 }[kind];
      expect(greedy.attention).toHaveLength(expected as number);
      for (const { of, weights } of greedy.attention) {
        for (const rows of weights) {
          for (const row of rows) {
            if (of === 'source') expect(row).toHaveLength(4);
            expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 4);
          }
        }
      }
      const wide = await translate(model, 'I lost.', { ...options, beam: 4, lengthPenalty: 0 });
      const one = await translate(model, 'I lost.', { ...options, beam: 1, lengthPenalty: 0 });
      expect(wide.score).toBeGreaterThanOrEqual(one.score - 1e-6);
      expect(model.training).toBe(true);
      model.dispose();
    },
  );

  test('a Transformer decodes token by token as all at once', async () => {
    const model = PAIRS.transformer().eval();
    tf.tidy(() => {
      const source = tf.tensor2d(
        [
          [5, 6, 3],
          [4, 3, 1],
        ],
        undefined,
        'int32',
      );
      const lengths = tf.tensor1d([3, 2], 'int32');
      const target = tf.tensor2d(
        [
          [2, 5, 6, 7],
          [2, 7, 4, 5],
        ],
        undefined,
        'int32',
      );
      const whole = model.forward(source, target, lengths);
      let state = model.decoder.initState(model.encoder.forward(source, lengths), lengths);
      const parts = [1, 2, 1].map((count, i) => {
        const ids = tf.slice(target, [0, [0, 1, 3][i] as number], [2, count]);
        const [logits, after] = model.decoder.forward(ids, state);
        state = after;
        return logits;
      });
      const difference = tf.max(tf.abs(tf.sub(tf.concat(parts, 1), whole)));
      expect(difference.dataSync()[0]).toBeLessThan(1e-5);
      model.train();
      const taught = model.forward(source, target, lengths);
      expect(tf.max(tf.abs(tf.sub(taught, whole))).dataSync()[0]).toBeLessThan(1e-5);
    });
    model.dispose();
  });

  test('nothing is left behind', async () => {
    const models = [MODELS.gpt(), MODELS.lstm()];
    const pair = PAIRS.transformer();
    await expectNoLeak(async () => {
      for (const model of models) {
        await generate(model, 'the', { vocab, maxTokens: 10 });
        await generate(model, 'the', { vocab, maxTokens: 4, beam: 3 });
        await expect(
          generate(model, 'the', { vocab, maxTokens: 4, onToken: fail }),
        ).rejects.toThrow('stop');
      }
      await translate(pair, 'go .', { sourceVocab, targetVocab, attention: true, beam: 2 });
    });
    for (const model of [...models, pair]) model.dispose();
  });
});

function fail(): never {
  throw new Error('stop');
}

describe('sampling', () => {
  const logits = Float32Array.from([1, 3, 2, -1]);
  const all = { temperature: 1, topK: undefined, topP: undefined };
  const draws = (options: typeof all | { temperature: number; topK?: number; topP?: number }) =>
    Array.from({ length: 1000 }, (_, i) =>
      sampleToken(logits, { ...all, ...options }, (i + 0.5) / 1000),
    );
  const share = (tokens: number[], token: number) =>
    tokens.filter((drawn) => drawn === token).length / tokens.length;

  it('draws by the probabilities, which the temperature divides', () => {
    const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);
    for (const [token, value] of logits.entries())
      expect(share(draws(all), token)).toBeCloseTo(Math.exp(value) / total, 2);
    expect(share(draws({ ...all, temperature: 0.5 }), 1)).toBeGreaterThan(share(draws(all), 1));
    expect(share(draws({ ...all, temperature: 0 }), 1)).toBe(1);
  });

  it('top-k and top-p leave out unlikely tokens', () => {
    expect(new Set(draws({ ...all, topK: 2 } as never))).toEqual(new Set([1, 2]));
    expect(new Set(draws({ ...all, topK: 1 } as never))).toEqual(new Set([1]));
    expect(new Set(draws({ ...all, topP: 0.6 } as never))).toEqual(new Set([1]));
    expect(new Set(draws({ ...all, topP: 0.7 } as never))).toEqual(new Set([1, 2]));
    expect(new Set(draws({ ...all, topP: 1 } as never)).size).toBe(4);
  });
});

describe('what is refused', () => {
  beforeAll(() => use('cpu-js'));
  const refused = (model: unknown, prompt: string, options: object = {}) =>
    expect(generate(model as GPT, prompt, { vocab, ...options } as never)).rejects;

  it('prompts, vocabularies and options that do not fit', async () => {
    const model = gpt();
    await refused(model, '').toThrow(/prompt of at least one token/);
    await refused(model, 'Zebra').toThrow(/got unknown ones: 'Z', 'b', 'r'; change the prompt/);
    await refused(model, 'the', { vocab: new Vocab(['a']) }).toThrow(
      new RegExp(`vocabulary of ${vocabSize} tokens that the model was built for, got one of 2`),
    );
    await refused(model, 'the', { endToken: '<eos>' }).toThrow(/<eos>/);
    await refused(model, 'the', { beam: 2, topK: 3 }).toThrow(/beam search draws nothing/);
    await refused(model, 'the', { temperature: 0, topK: 3 }).toThrow(/temperature 0/);
    await refused(model, 'the', { topk: 3 }).toThrow(/topk/);
    await refused(new nn.Linear(2, 2), 'the').toThrow(/expected a language model/);
    const { ids } = await generate(model, 'Zebra', { vocab, allowUnknown: true, maxTokens: 2 });
    expect(ids).toHaveLength(2);
    model.dispose();
  });

  it('a bidirectional model, and weights that are not finite', async () => {
    const both = new LanguageModel({ vocabSize, hidden: 2, bidirectional: true });
    await refused(both, 'the').toThrow(/bidirectional/);
    const broken = recurrent('gru');
    tf.tidy(() => broken.linear.weight.assign(tf.fill(broken.linear.weight.shape, Number.NaN)));
    await refused(broken, 'the').toThrow(/got NaN/);
    both.dispose();
    broken.dispose();
  });

  it('ids and lengths outside the vocabulary and the context', () => {
    const model = gpt();
    const ids = (values: number[]) => tf.tensor2d([values], undefined, 'int32');
    tf.tidy(() => {
      expect(() => model.forward(ids([vocabSize]))).toThrow(/from 0 to/);
      expect(() => model.forward(ids(new Array(9).fill(0)))).toThrow(/at most 8 tokens/);
      expect(() => model.forward(tf.zeros([1, 2]))).toThrow(/int32, got float32/);
      const lm = recurrent('gru');
      expect(() => lm.forward(ids([-1]))).toThrow(/from 0 to/);
      lm.dispose();
    });
    expect(() => new GPT({ vocabSize: 5, hidden: 10, heads: 3 })).toThrow(/must divide "hidden"/);
    model.dispose();
  });

  it('sentences that do not fit', async () => {
    const model = PAIRS.bahdanau();
    const options = { sourceVocab, targetVocab, numSteps: 4 };
    const translated = (sentence: string, more: object = {}) =>
      expect(translate(model, sentence, { ...options, ...more })).rejects;
    await translated('i lost .  !').toThrow(/1 to 3 tokens, got 4/);
    await translated('').toThrow(/got 0/);
    await translated('who lost').toThrow(/got unknown ones: 'who'/);
    await translated('go', { targetVocab: sourceVocab }).toThrow(/\(target\)/);
    model.dispose();
  });
});

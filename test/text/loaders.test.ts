/** What each loader of text gives: the book's batches where nothing is random, else its laws. */
import {
  BERT_TOKENS,
  batchifySkipGram,
  bertLoader,
  getTokensAndSegments,
  maskTokens,
  nextSentenceSamples,
  noiseWeights,
  paddedLoader,
  type SkipGramSample,
  sequenceLoader,
  skipGramLoader,
  subsample,
  TRANSLATION_TOKENS,
  translationLoader,
  Vocab,
  WeightedSampler,
} from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/text.json';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const corpus = Array.from({ length: 35 }, (_, i) => i);

const arrays = (tensor: tf.Tensor) => tensor.arraySync() as number[][];

describe('sequenceLoader', () => {
  it("gives the book's sequential batches at its offset", async () => {
    const batches: number[][][][] = [];
    const isNew: unknown[] = [];
    const options = { batchSize: 2, numSteps: 5, offset: 3 };
    for await (const { features, labels, isNewSequence } of sequenceLoader(corpus, options)) {
      batches.push([arrays(features), arrays(labels)]);
      isNew.push(isNewSequence);
      tf.dispose([features, labels]);
    }
    expect(batches).toEqual(golden.sequential);
    expect(isNew).toEqual([true, false, false]);
  });

  it('gives random parts that do not overlap, with the tokens that follow', async () => {
    const loader = sequenceLoader(corpus, {
      batchSize: 2,
      numSteps: 5,
      sampling: 'random',
      seed: 3,
    });
    expect(loader.numBatches).toBe(3);
    const offsets = new Set<number>();
    for (let epoch = 0; epoch < 12; epoch++) {
      const starts: number[] = [];
      for await (const { features, labels, isNewSequence } of loader) {
        const [xs, ys] = [arrays(features), arrays(labels)];
        xs.forEach((x, i) => {
          expect(ys[i]).toEqual(x.map((token) => token + 1));
          starts.push(x[0] as number);
        });
        expect(isNewSequence).toBe(true);
        tf.dispose([features, labels]);
      }
      expect(new Set(starts).size).toBe(6);
      expect(new Set(starts.map((start) => start % 5)).size).toBe(1);
      offsets.add((starts[0] as number) % 5);
    }
    expect(offsets.size).toBeGreaterThan(2);
  });

  it('gives every window once', async () => {
    const loader = sequenceLoader(corpus, { batchSize: 6, numSteps: 5, sampling: 'windows' });
    const starts: number[] = [];
    for await (const { features, labels } of loader) {
      starts.push(...arrays(features).map(([start]) => start as number));
      tf.dispose([features, labels]);
    }
    expect(starts.sort((a, b) => a - b)).toEqual(corpus.slice(0, 30));
  });

  it.each([
    ['an empty corpus', [], {}, 'got an empty one'],
    ['a short corpus', [1, 2, 3], {}, 'got 3 tokens; lower "batchSize" or "numSteps"'],
    ['tokens', ['a', 'b'] as never, {}, 'expected indices of tokens'],
    ['a string', 'abc' as never, {}, 'toCorpus(tokens, vocab)'],
    ['a negative index', [1, -1, 2], {}, 'got -1 at position 1'],
    ['a length of 0', corpus, { numSteps: 0 }, '"numSteps" must be an integer of at least 1'],
    ['an offset of windows', corpus, { sampling: 'windows', offset: 1 }, 'no "offset"'],
    ['an unknown option', corpus, { shuffle: true }, 'there is no option "shuffle"'],
  ] as const)('refuses %s', (_, tokens, options, message) => {
    const all = { batchSize: 2, numSteps: 5, ...options };
    expect(() => sequenceLoader(tokens, all)).toThrow(message);
  });
});

describe('paddedLoader', () => {
  const sequences = [[1, 2, 3], [4], [5, 6], [7, 8, 9, 10]];

  it('pads to the longest of the batch, with lengths and mask', async () => {
    const loader = paddedLoader(sequences, [0, 1, 1, 0], {
      batchSize: 3,
      shuffle: false,
      padding: 9,
    });
    const batches = [];
    for await (const batch of loader) batches.push(batch);
    const [{ features, labels }] = batches as [(typeof batches)[number]];
    expect(arrays(features.tokens)).toEqual([
      [1, 2, 3],
      [4, 9, 9],
      [5, 6, 9],
    ]);
    expect([...features.lengths.dataSync()]).toEqual([3, 1, 2]);
    expect(arrays(features.mask)).toEqual([
      [1, 1, 1],
      [1, 0, 0],
      [1, 1, 0],
    ]);
    expect([...labels.dataSync()]).toEqual([0, 1, 1]);
    expect(batches[1]?.features.tokens.shape).toEqual([1, 4]);
    for (const batch of batches) tf.dispose([batch.features, batch.labels]);
  });

  it('cuts long sequences', async () => {
    for await (const { features, labels } of paddedLoader(sequences, [0, 0, 0, 0], {
      batchSize: 4,
      numSteps: 2,
      shuffle: false,
    })) {
      expect(arrays(features.tokens)).toEqual([
        [1, 2],
        [4, 0],
        [5, 6],
        [7, 8],
      ]);
      expect([...features.lengths.dataSync()]).toEqual([2, 1, 2, 2]);
      tf.dispose([features, labels]);
    }
  });

  it('pads less with buckets, and loses no sequence', async () => {
    const many = Array.from({ length: 300 }, (_, i) => new Array(1 + ((i * 37) % 50)).fill(i + 1));
    const labels = many.map((_, i) => i);
    const count = async (bucket: boolean) => {
      const seen: number[] = [];
      let padded = 0;
      for await (const batch of paddedLoader(many, labels, { batchSize: 16, bucket })) {
        seen.push(...batch.labels.dataSync());
        padded += tf.tidy(() => tf.sum(tf.equal(batch.features.mask, 0)).dataSync()[0] as number);
        tf.dispose([batch.features, batch.labels]);
      }
      expect(seen.sort((a, b) => a - b)).toEqual(labels);
      return padded;
    };
    expect(await count(true)).toBeLessThan((await count(false)) / 4);
  });

  it.each([
    [[], [], 'at least one list of indices'],
    [[[1], []], [0, 0], 'got an empty one at 1'],
    [[[1.5]], [0], 'got 1.5 at 0'],
    [[[1]], [0, 1], 'a label for each of the 1 sequences, got 2'],
    [[[1]], [-1], 'labels from 0, got -1'],
  ])('refuses %j with labels %j', (bad, labels, message) => {
    expect(() => paddedLoader(bad, labels, { batchSize: 2 })).toThrow(message);
  });
});

describe('translationLoader', () => {
  const { source, target } = golden.nmt;
  const reservedTokens = TRANSLATION_TOKENS;
  const sourceVocab = new Vocab(source, { minFreq: 2, reservedTokens });
  const targetVocab = new Vocab(target, { reservedTokens });
  const options = { batchSize: 20, numSteps: 4, sourceVocab, targetVocab, shuffle: false };

  it("gives the book's arrays, and the labels behind <bos>", async () => {
    for await (const { features, labels } of translationLoader(source, target, options)) {
      expect(arrays(features.source)).toEqual(golden.nmt.array);
      expect([...features.sourceLength.dataSync()]).toEqual(golden.nmt.lengths);
      const [wanted] = arrays(labels);
      expect(targetVocab.toTokens(wanted as number[])).toEqual(['va', '!', '<eos>', '<pad>']);
      const [input] = arrays(features.target);
      expect(targetVocab.toTokens(input as number[])).toEqual(['<bos>', 'va', '!', '<eos>']);
      tf.dispose([features, labels]);
    }
  });

  it('refuses pairs and vocabularies that do not fit', () => {
    expect(() => translationLoader(source, target.slice(1), options)).toThrow('as many target');
    expect(() => translationLoader([[]], [['a']], options)).toThrow('an empty one in pair 0');
    const without = { ...options, targetVocab: new Vocab(target) };
    expect(() => translationLoader(source, target, without)).toThrow("that has '<eos>'");
    expect(() => translationLoader(source, target, { ...options, numSteps: 0 })).toThrow(
      'numSteps',
    );
  });
});

describe('skip-gram', () => {
  const words = Array.from({ length: 30 }, (_, i) => `w${i}`);
  const sentences = Array.from({ length: 50 }, (_, i) =>
    Array.from({ length: 6 }, (_, j) => (j < 3 ? 'often' : (words[(i * 7 + j) % 30] as string))),
  );
  const vocab = new Vocab(sentences);

  it("makes the book's batches", () => {
    const samples = [
      [1, [2, 2], [3, 3, 3, 3]],
      [1, [2, 2, 2], [3, 3]],
    ] as SkipGramSample[];
    const { features, labels } = batchifySkipGram(samples);
    const tensors = [features.centers, features.contextsNegatives, labels.masks, labels.labels];
    expect(tensors.map((tensor) => tensor.arraySync())).toEqual(golden.batchify);
    tf.dispose([features, labels]);
  });

  it('leaves out frequent tokens by their frequency', () => {
    const threshold = 0.02;
    const { sentences: rest, counts } = subsample(sentences, vocab, { threshold });
    expect(counts.get('often')).toBe(150);
    const kept = rest.flat().filter((token) => token === 'often').length / 150;
    expect(Math.abs(kept - Math.sqrt(threshold / 0.5))).toBeLessThan(0.1);
    expect(rest.flat().filter((token) => token === 'w3')).toHaveLength(counts.get('w3') as number);
  });

  it('draws by weights', () => {
    const sampler = new WeightedSampler([2, 0, 3, 5]);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 10_000; i++) {
      const drawn = sampler.draw(() => (i + 0.5) / 10_000);
      counts[drawn] = (counts[drawn] as number) + 1;
    }
    expect(counts).toEqual([0, 2000, 0, 3000, 5000]);
    expect(() => new WeightedSampler([0, 0])).toThrow('one of them above');
    expect(() => new WeightedSampler([1, -1])).toThrow('got -1');
    const weights = noiseWeights(vocab, new Map([['often', 16]]));
    expect(weights[vocab.indexOf('often') - 1]).toBe(8);
  });

  it('gives contexts from the window, and noise from outside the context', async () => {
    const loader = skipGramLoader(sentences, vocab, {
      batchSize: 32,
      maxWindowSize: 2,
      numNoiseWords: 3,
      threshold: 1,
    });
    for await (const { features, labels } of loader) {
      const rows = arrays(features.contextsNegatives);
      const [ones, masks] = [arrays(labels.labels), arrays(labels.masks)];
      rows.forEach((row, i) => {
        const positives = ones[i]?.filter((one) => one === 1).length as number;
        const all = masks[i]?.filter((one) => one === 1).length as number;
        expect(all).toBe(4 * positives);
        expect(positives).toBeGreaterThan(0);
        expect(positives).toBeLessThanOrEqual(4);
        const context = row.slice(0, positives);
        const noise = row.slice(positives, all);
        expect(noise.every((token) => token > 0 && !context.includes(token))).toBe(true);
        expect(row.slice(all).every((token) => token === 0)).toBe(true);
      });
      tf.dispose([features, labels]);
    }
  });

  it('refuses what it cannot draw from', () => {
    const options = { batchSize: 4 };
    expect(() => skipGramLoader([['a'], []], new Vocab(['a']), options)).toThrow(
      'at least two tokens',
    );
    const few = [['a', 'b', 'a']];
    expect(() => skipGramLoader(few, new Vocab(few), { ...options, threshold: 1 })).toThrow(
      'at least 11 different tokens',
    );
    const sorted = new Vocab(sentences, { order: 'codePoint', unk: 'zzz' });
    expect(() => skipGramLoader(sentences, sorted, options)).toThrow('unknown token is at index 0');
  });
});

describe('BERT', () => {
  const words = Array.from({ length: 40 }, (_, i) => `w${i}`);
  const paragraphs = Array.from({ length: 20 }, (_, i) =>
    Array.from({ length: 4 }, (_, j) => words.slice((i + j) % 30, ((i + j) % 30) + 8)),
  );
  const vocab = new Vocab(paragraphs.flat(), { reservedTokens: BERT_TOKENS });

  it("has the book's tokens, segments and numbers of predictions", () => {
    const [one, two] = golden.segments;
    const first = getTokensAndSegments(['a', 'b']);
    expect([first.tokens, first.segments]).toEqual(one);
    const both = getTokensAndSegments(['a'], ['b', 'c']);
    expect([both.tokens, both.segments]).toEqual(two);
    const random = { real: () => 0.9, below: (n: number) => n - 1 };
    const counts = golden.rounded.map((_, length) => {
      const tokens = new Array<string>(length).fill('w1');
      return maskTokens(tokens, vocab, random).positions.length;
    });
    expect(counts).toEqual(golden.rounded.map((n, i) => Math.min(i, Math.max(1, n))));
  });

  it('masks 80 %, leaves 10 % and replaces 10 %, never special tokens', async () => {
    const loader = bertLoader(paragraphs, vocab, { batchSize: 10, maxLen: 24 });
    const [mask, cls, sep] = ['<mask>', '<cls>', '<sep>'].map((token) => vocab.indexOf(token));
    const seen = { all: 0, masked: 0, kept: 0, next: 0, samples: 0 };
    for (let epoch = 0; epoch < 10; epoch++) {
      for await (const { features, labels } of loader) {
        const tokens = arrays(features.tokens);
        const weights = arrays(labels.mlmWeights);
        const originals = arrays(labels.mlmLabels);
        arrays(features.predPositions).forEach((positions, i) => {
          positions.forEach((position, j) => {
            if (weights[i]?.[j] !== 1) return;
            const now = tokens[i]?.[position];
            expect([cls, sep]).not.toContain(originals[i]?.[j]);
            seen.all++;
            if (now === mask) seen.masked++;
            if (now === originals[i]?.[j]) seen.kept++;
          });
        });
        seen.samples += tokens.length;
        for (const isNext of labels.nspLabels.dataSync()) seen.next += isNext;
        tf.dispose([features, labels]);
      }
    }
    expect(Math.abs(seen.masked / seen.all - 0.8)).toBeLessThan(0.05);
    expect(Math.abs(seen.kept / seen.all - 0.1)).toBeLessThan(0.04);
    expect(Math.abs(seen.next / seen.samples - 0.5)).toBeLessThan(0.25);
  });

  it('leaves out pairs that are too long', () => {
    const random = { real: () => 0.1, below: () => 0 };
    expect(nextSentenceSamples(paragraphs, 19, random)).toHaveLength(60);
    expect(nextSentenceSamples(paragraphs, 18, random)).toHaveLength(0);
    expect(() => bertLoader(paragraphs, vocab, { batchSize: 4, maxLen: 18 })).toThrow(
      'fit 18 tokens',
    );
    expect(() => bertLoader(paragraphs, new Vocab(['a']), { batchSize: 4, maxLen: 64 })).toThrow(
      "that has '<pad>'",
    );
  });
});

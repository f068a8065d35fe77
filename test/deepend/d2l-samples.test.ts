/** The book's steps for BERT's samples, and the folders of Kaggle's images. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { d2l } from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

describe("BERT's samples (15.9)", () => {
  const words = (start: number, count: number) =>
    Array.from({ length: count }, (_, i) => `w${(start + 3 * i) % 11}`);
  const paragraphs = Array.from({ length: 40 }, (_, i) => [
    words(i, 4),
    words(i + 1, 5),
    words(i, 3),
  ]);

  it('half of the sentences are followed by the next one', () => {
    const drawn = Array.from({ length: 400 }, (_, seed) =>
      d2l.getNextSentence(['a'], ['b'], paragraphs, seed),
    );
    const next = drawn.filter(([, , isNext]) => isNext);
    expect(next.length / 400).toBeCloseTo(0.5, 1);
    expect(next.every(([, sentence]) => sentence[0] === 'b')).toBe(true);
    expect(drawn.every(([, sentence, isNext]) => isNext || sentence[0] !== 'b')).toBe(true);
  });

  it('80 % of the replaced tokens are masks, and every position is a candidate', () => {
    const vocab = new d2l.Vocab(paragraphs.flat(), 0, ['<pad>', '<mask>', '<cls>', '<sep>']);
    const tokens = ['<cls>', ...words(0, 8), '<sep>'];
    const candidates = [1, 2, 3, 4, 5, 6, 7, 8];
    let masks = 0;
    for (let seed = 0; seed < 300; seed++) {
      const [masked, predicted] = d2l.replaceMlmTokens(tokens, candidates, 2, vocab, seed);
      expect(predicted).toHaveLength(2);
      expect(new Set(predicted.map(([at]) => at)).size).toBe(2);
      for (const [at, label] of predicted) {
        expect(candidates).toContain(at);
        expect(label).toBe(tokens[at]);
        if (masked[at] === '<mask>') masks++;
      }
      const changed = masked.filter((token, i) => token !== tokens[i]).length;
      expect(changed).toBeLessThanOrEqual(2);
    }
    expect(masks / 600).toBeCloseTo(0.8, 1);
  });

  it('are padded as in the book, and make a dataset', () => {
    const data = new d2l.WikiTextDataset(paragraphs, 20, { minFreq: 1 });
    expect(data.length).toBe(80); // two pairs of each paragraph
    const [ids, segments, validLen, positions, weights, labels, isNext] = data.at(0);
    expect([ids, segments].map(({ length }) => length)).toEqual([20, 20]);
    expect([positions, weights, labels].map(({ length }) => length)).toEqual([3, 3, 3]);
    expect(ids.slice(validLen).every((id) => id === data.vocab.indexOf('<pad>'))).toBe(true);
    expect(weights.filter((weight) => weight === 1)).toHaveLength(Math.round(validLen * 0.15));
    expect([0, 1]).toContain(isNext);
    expect(() => data.at(80)).toThrow('expected an index from 0 to 79, got 80');
    const long = [[1, 2, 3], [], [], [0, 0, 0], true] as d2l.BertExample;
    expect(() => d2l.padBertInputs([long], 2, data.vocab)).toThrow(
      'at most 2 tokens with maxLen 2, got 3',
    );
  });
});

describe("Kaggle's images (14.13)", () => {
  let dir: string;
  beforeAll(async () => {
    dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    for (let i = 1; i <= 7; i++) await fs.outputFile(path.join(dir, `train/${i}.png`), `${i}`);
    for (const name of ['1', '2']) await fs.outputFile(path.join(dir, `test/${name}.png`), name);
    const labels = ['cat', 'cat', 'cat', 'cat', 'dog', 'dog', 'dog'];
    const lines = labels.map((label, i) => `${i + 1},${label}`);
    await fs.outputFile(path.join(dir, 'trainLabels.csv'), ['id,label', ...lines].join('\n'));
  });
  afterAll(() => fs.remove(dir));
  const list = async (folder: string) =>
    (await fs.readdir(path.join(dir, 'train_valid_test', folder))).sort();

  it('are sorted into folders of classes', async () => {
    const labels = await d2l.readCsvLabels(path.join(dir, 'trainLabels.csv'));
    expect([labels.size, labels.get('1'), labels.get('7')]).toEqual([7, 'cat', 'dog']);
    expect(await d2l.reorgTrainValid(dir, labels, 0.4)).toBe(1); // of three dogs
    await d2l.reorgTest(dir);
    expect(await list('train_valid/cat')).toEqual(['1.png', '2.png', '3.png', '4.png']);
    expect(await list('valid/cat')).toEqual(['1.png']);
    expect(await list('train/cat')).toEqual(['2.png', '3.png', '4.png']);
    expect(await list('valid/dog')).toEqual(['5.png']);
    expect(await list('test/unknown')).toEqual(['1.png', '2.png']);
    labels.delete('7');
    await expect(d2l.reorgTrainValid(dir, labels, 0.4)).rejects.toThrow(
      'train/7.png: expected a label of each image, got none',
    );
  });
});

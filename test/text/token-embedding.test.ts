/** Word vectors: reading them, similar tokens, analogies, embeddings. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { TokenEmbedding, Vocab } from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
beforeAll(() => use('cpu-js'));
afterAll(() => fs.remove(dir));

let written = 0;
async function write(content: string | Uint8Array): Promise<string> {
  const file = path.join(dir, `${written++}.txt`);
  await fs.writeFile(file, content);
  return file;
}

const GLOVE = [
  'man 1 0 0 0.5',
  'woman 1 1 0 0.5',
  'king 1 0 1 0.5',
  'queen 1 1 1 0.5',
  'apple -1 0.1 0 -2',
  '世界 -1 0.2 0 -2',
].join('\n');

describe('TokenEmbedding', () => {
  it("reads GloVe's and fastText's files", async () => {
    for (const text of [GLOVE, `${GLOVE}\n`, `6 4\n${GLOVE.replaceAll('\n', ' \n')}\n`]) {
      const embedding = await TokenEmbedding.load(await write(text));
      expect([embedding.size, embedding.dim]).toEqual([7, 4]);
      expect(embedding.idxToToken.slice(0, 2)).toEqual(['<unk>', 'man']);
      const vectors = embedding.vectors(['queen', 'nowhere', '世界']);
      expect(vectors.shape).toEqual([3, 4]);
      const expected = [1, 1, 1, 0.5, 0, 0, 0, 0, -1, 0.2, 0, -2];
      expect([...vectors.dataSync()]).toEqual([...Float32Array.from(expected)]);
      vectors.dispose();
    }
  });

  it('reads a file that is larger than a piece of it', async () => {
    const row = (i: number) =>
      `token${i} ${Array.from({ length: 40 }, (_, j) => i + j / 8).join(' ')}`;
    const text = Array.from({ length: 6000 }, (_, i) => row(i)).join('\n');
    expect(text.length).toBeGreaterThan(2 ** 20);
    const embedding = await TokenEmbedding.load(await write(text));
    expect(embedding.size).toBe(6001);
    const last = embedding.vectors(['token5999']);
    expect([...last.dataSync().slice(0, 3)]).toEqual([5999, 5999.125, 5999.25]);
    last.dispose();
  });

  it('finds similar tokens and analogies', async () => {
    const embedding = await TokenEmbedding.load(await write(GLOVE));
    const [first, second] = embedding.similar('apple', 2);
    expect(first?.token).toBe('世界');
    const cosine = (1 + 0.02 + 4) / (Math.sqrt(5.01) * Math.sqrt(5.04));
    expect(first?.similarity).toBeCloseTo(cosine, 6);
    expect(second?.similarity).toBeLessThan(cosine);
    expect(embedding.similar('king', 20)).toHaveLength(5);
    expect(embedding.analogy('man', 'woman', 'king')[0]?.token).toBe('queen');
    const [[own], [allowed]] = [
      embedding.analogy('man', 'man', 'king'),
      embedding.analogy('man', 'man', 'king', { allowInputs: true }),
    ];
    expect([own?.token, allowed?.token]).toEqual(['queen', 'king']);
    expect(d2l.getSimilarTokens('apple', 1, embedding)[0]?.token).toBe('世界');
    expect(d2l.getAnalogy('man', 'woman', 'king', embedding)).toBe('queen');
    expect(() => embedding.similar('King')).toThrow("a token with a vector, got 'King'");
    expect(() => embedding.similar('<unk>')).toThrow("got '<unk>'");
    expect(() => embedding.similar('king', 0)).toThrow('at least 1 token, got 0');
  });

  it('becomes a frozen or trainable embedding, for a vocabulary too', async () => {
    const embedding = await TokenEmbedding.load(await write(GLOVE));
    const vocab = new Vocab(['queen', 'unseen', 'queen']);
    const frozen = embedding.toEmbedding({ vocab });
    expect(frozen.weight.shape).toEqual([3, 4]);
    expect([...frozen.weight.dataSync().slice(4, 8)]).toEqual([1, 1, 1, 0.5]);
    expect([...frozen.weight.dataSync().slice(8)]).toEqual([0, 0, 0, 0]);
    expect(frozen.weight.trainable).toBe(false);
    const trainable = embedding.toEmbedding({ trainable: true });
    expect([trainable.weight.trainable, trainable.numEmbeddings]).toEqual([true, 7]);
    frozen.dispose();
    trainable.dispose();
    await expectNoLeak(() => embedding.toEmbedding().dispose());
    await expectNoLeak(() => tf.dispose(embedding.vectors(['king'])));
  });

  it.each([
    ['a short row', 'a 1 2\nb 1\n', 'a token and 2 numbers in line 2, got 1 numbers'],
    ['a long row', 'a 1 2\nb 1 2\nc 1 2 3', 'in line 3, got 3 numbers'],
    ['a row without numbers', 'a 1 2\n\n', 'in line 2, got 0 numbers'],
    ['a word', 'a 1 2\nb 1 two\n', "finite numbers in line 2, got 'two'"],
    ['infinity', 'a 1 Infinity\n', "finite numbers in line 1, got 'Infinity'"],
    ['two spaces', 'a 1  2\n', "finite numbers in line 1, got ''"],
    ['an empty file', '', 'expected word vectors, got none'],
    ['a header alone', '3 4\n', 'expected word vectors, got none'],
    [
      'invalid UTF-8',
      Buffer.from([97, 32, 49, 32, 50, 10, 0xff, 32, 49]),
      'line 2: expected UTF-8',
    ],
  ])('refuses %s by its line', async (_, content, message) => {
    await expect(TokenEmbedding.load(await write(content))).rejects.toThrow(message);
  });

  it('refuses what is no file of vectors', async () => {
    const file = path.join(dir, 'none');
    await expect(TokenEmbedding.load(file)).rejects.toThrow('pass a file of word vectors');
    await fs.mkdir(file);
    await fs.writeFile(path.join(file, 'vec.txt'), GLOVE);
    expect((await TokenEmbedding.load(file)).size).toBe(7);
    expect(() => new TokenEmbedding(['a', 'b'], new Float32Array(3))).toThrow(
      'got 3 numbers for 2',
    );
  });
});

/** Reading, tokenizers, vocabularies and scores, with golden values of the book's functions. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  bleu,
  buildArrayNmt,
  countCorpus,
  normalize,
  perplexity,
  readCsv,
  readLines,
  readPairs,
  readText,
  toCorpus,
  tokenize,
  tokenizeNmt,
  tokenizer,
  truncatePad,
  Vocab,
} from '@deepend/text';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, describe, expect, it } from 'vitest';
import golden from '../golden/text.json';

const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
afterAll(() => fs.remove(dir));

let written = 0;
async function write(content: string | Uint8Array): Promise<string> {
  const file = path.join(dir, `${written++}.txt`);
  await fs.writeFile(file, content);
  return file;
}

describe('reading', () => {
  it('reads text, lines, pairs and CSV', async () => {
    expect(await readText(await write('\ufeffdeep\n世界'))).toBe('deep\n世界');
    expect(await readLines(await write('a\r\nb\n\nc\n'))).toEqual(['a', 'b', '', 'c']);
    const pairs = await write('Go.\tVa !\nHi.\tSalut !\tCC-BY\n');
    expect(await readPairs(pairs)).toEqual([
      ['Go.', 'Va !'],
      ['Hi.', 'Salut !'],
    ]);
    const csv = await write('text,label\r\n"a ""b"", c\nd",1\n,\n');
    expect(await readCsv(csv)).toEqual([
      ['text', 'label'],
      ['a "b", c\nd', '1'],
      ['', ''],
    ]);
    expect(await readCsv(await write('a\tb\n'), { separator: '\t' })).toEqual([['a', 'b']]);
  });

  it('names the first byte that is not UTF-8', async () => {
    const text = Buffer.from(`${'世界 é 😀 deep '.repeat(200)}`);
    for (const at of [0, 1, 17, 100, 1500, text.length - 1]) {
      const bytes = Buffer.from(text);
      bytes[at] = 0xff;
      // What stands before may be the start of a character that this byte breaks.
      const starts = [at, at - 1, at - 2, at - 3].map((start) => `0x.. at byte ${start};`);
      await expect(readText(await write(bytes))).rejects.toThrow(new RegExp(starts.join('|')));
    }
    await expect(readText(await write(Buffer.from([97, 0xff, 98])))).rejects.toThrow(
      /expected UTF-8, got 0xff at byte 1; convert the file/,
    );
    await expect(readText(await write(Buffer.from('caf\xe9', 'latin1')))).rejects.toThrow(
      'got 0xe9 at byte 3',
    );
  });

  it.each([
    ['an empty file', '', readText, 'expected text, got an empty file'],
    [
      'a long line',
      'a\nbcdefg\n',
      (file: string) => readLines(file, { maxLineBytes: 5 }),
      'expected at most 5 bytes in line 2, got 6',
    ],
    [
      'a line without a tab',
      'a\tb\nc\n',
      readPairs,
      'with a tab between them in line 2, got no tab',
    ],
    ['an empty half', 'a\t\n', readPairs, 'in line 1, got an empty one'],
    ['open quotes', 'a\n"b', readCsv, 'quotes that close in row 2'],
    ['text after quotes', '"b"c', readCsv, "after the closing quote in row 1, got 'c'"],
    ['a short row', 'a,b\nc\n', readCsv, 'expected 2 cells in row 2, as in the first, got 1'],
  ] as const)('refuses %s', async (_, content, read, message) => {
    await expect(read(await write(content))).rejects.toThrow(message);
  });

  it('refuses what is no file', async () => {
    await expect(readText(path.join(dir, 'none'))).rejects.toThrow('nothing there (ENOENT)');
    await expect(readText(dir)).rejects.toThrow('got a folder');
  });
});

describe('tokenizers', () => {
  it("give the book's tokens", () => {
    expect(tokenize(golden.lines)).toEqual(golden.words);
    expect(tokenize(golden.lines, 'char')).toEqual(golden.chars);
    const { nmt } = golden;
    expect(normalize(nmt.text)).toBe(nmt.normalized);
    expect(tokenizeNmt(nmt.normalized)).toEqual([nmt.source, nmt.target]);
    expect(tokenizeNmt(nmt.normalized, 2)).toEqual(nmt.limited);
  });

  it('cut Chinese into words, and keep what a reader sees as one character', () => {
    const chinese = tokenizer('chinese');
    const words = chinese.tokenize('我们在学习 深度学习。');
    expect(words.length).toBeLessThan(9);
    expect(words.slice(0, 2)).toEqual(['我们', '在']);
    expect(words.at(-1)).toBe('。');
    expect(chinese.join(words)).toBe('我们在学习深度学习。');
    const family = '👨‍👩‍👧é';
    expect(tokenizer('grapheme').tokenize(family)).toEqual(['👨‍👩‍👧', 'é']);
    expect(tokenizer('nmt').tokenize('Hello, world!')).toEqual(['hello', ',', 'world', '!']);
  });

  it('take a regular expression, or an object of your own', () => {
    const words = tokenizer(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/u);
    expect(words.tokenize('Hello, 世界!')).toEqual(['Hello', ',', '世界', '!']);
    expect(words.tokenize('')).toEqual([]);
    expect(tokenizer(words)).toBe(words);
  });

  it('lose nothing of any text by characters', () => {
    for (const kind of ['char', 'grapheme'] as const) {
      const made = tokenizer(kind);
      fc.assert(
        fc.property(
          fc.string({ unit: 'binary' }),
          (text) => made.join(made.tokenize(text)) === text,
        ),
      );
    }
  });

  it('refuse what they do not know', () => {
    expect(() => tokenizer('letters' as never)).toThrow("expected 'char', 'grapheme', 'word'");
    expect(() => tokenizer(/a*/)).toThrow('matches are not empty');
    expect(() => tokenize([1 as never])).toThrow('expected strings, got 1 as line 1');
  });
});

describe('Vocab', () => {
  it.each(golden.vocab)('is the one of both editions, minFreq $minFreq', (row) => {
    const { minFreq, reservedTokens } = row;
    const vocab = new Vocab(row.tokens, { minFreq, reservedTokens });
    expect(vocab.idxToToken).toEqual(row.frequency);
    expect(vocab.tokenFreqs).toEqual(row.freqs);
    expect(vocab.unk).toBe(0);
    expect(row.tokens.map((line) => vocab.toIndices(line))).toEqual(row.indices);
    const sorted = new Vocab(row.tokens, { minFreq, reservedTokens, order: 'codePoint' });
    expect(sorted.idxToToken).toEqual(row.codePoint);
    expect(sorted.unk).toBe(row.unk);
  });

  it('comes back from its JSON', () => {
    const vocab = new Vocab(golden.words, { minFreq: 2, reservedTokens: ['<pad>'], unk: '?' });
    const again = Vocab.fromJSON(JSON.stringify(vocab));
    expect(again.toJSON()).toEqual(vocab.toJSON());
    expect(again.fingerprint).toBe(vocab.fingerprint);
    expect(again.toIndices('nowhere')).toBe(vocab.unk);
    expect(() => again.requireSame(vocab)).not.toThrow();
    expect(() => Vocab.fromJSON('{"tokens":["a"]}')).toThrow("format 'deepend-vocab'");
    expect(() => Vocab.fromJSON('no json')).toThrow(TypeError);
    const twice = { ...vocab.toJSON(), tokens: ['?', 'a', 'a'] };
    expect(() => Vocab.fromJSON(twice)).toThrow('different tokens');
  });

  it('finds tokens and indices', () => {
    const vocab = new Vocab(['b', 'a', 'b']);
    expect(vocab.size).toBe(3);
    expect(vocab.toTokens(1)).toBe('b');
    expect(vocab.toTokens(Int32Array.of(2, 0))).toEqual(['a', '<unk>']);
    expect([vocab.has('a'), vocab.has('c')]).toEqual([true, false]);
    expect([...toCorpus([['a', 'c'], ['b']], vocab)]).toEqual([2, 0, 1]);
    expect([...countCorpus([['x'], ['y', 'x']])]).toEqual([
      ['x', 2],
      ['y', 1],
    ]);
  });

  it('refuses indices and tokens that it lacks', () => {
    const vocab = new Vocab(['a']);
    expect(() => vocab.toTokens([0, 2])).toThrow('expected indices from 0 to 1, got 2');
    expect(() => vocab.indexOf('<pad>')).toThrow("that has '<pad>'");
    expect(() => vocab.requireSame(new Vocab(['b']))).toThrow("with 'b' at index 1");
    expect(() => new Vocab([1 as never])).toThrow('tokens that are strings, got 1');
    expect(() => new Vocab([], { minFreq: -1 })).toThrow('"minFreq"');
    expect(() => toCorpus([[], []], vocab)).toThrow('at least one token');
  });
});

describe('arrays of sentences', () => {
  it("are the book's", () => {
    const { nmt, pads } = golden;
    const vocab = new Vocab(nmt.source, {
      minFreq: 2,
      reservedTokens: ['<pad>', '<bos>', '<eos>'],
    });
    expect(vocab.idxToToken).toEqual(nmt.vocab);
    expect(buildArrayNmt(nmt.source, vocab, 4)).toEqual({ rows: nmt.array, lengths: nmt.lengths });
    expect([truncatePad([1, 2, 3], 5, 0), truncatePad([1, 2, 3], 2, 0)]).toEqual(pads);
    expect(() => truncatePad([1], 0, 0)).toThrow('at least 1 step, got 0');
    expect(() => buildArrayNmt([['a']], vocab, 0)).toThrow('at least 1 step, got 0');
    expect(() => buildArrayNmt([['a']], new Vocab(), 4)).toThrow("that has '<eos>'");
  });
});

describe('scores', () => {
  it.each(golden.bleu as [string, string, number, number][])(
    'BLEU of "%s" for "%s" by %i-grams is the book\'s',
    (prediction, label, maxGram, expected) => {
      expect(bleu(prediction, label, { maxGram })).toBeCloseTo(expected, 12);
    },
  );

  it('takes tokens too, and refuses what is no text', () => {
    expect(bleu(['a', 'b c'], ['a', 'b c'])).toBe(1);
    expect(bleu('', 'a')).toBe(0);
    expect(() => bleu('a', '')).toThrow('a label of at least one token');
    expect(() => bleu(3 as never, 'a')).toThrow('got 3');
  });

  it('perplexity is that of a guess among n', () => {
    expect(perplexity(Math.log(28))).toBeCloseTo(28);
    expect(() => perplexity(-1)).toThrow('at least 0, got -1');
    expect(() => perplexity(Number.NaN)).toThrow('got NaN');
  });
});

/** Byte-pair encoding: what Python's library tokenizers learns, encodes, reads and writes. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { BytePairTokenizer, type TokenizerJson, tokenizer, trainBpe } from '@deepend/text';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, describe, expect, it } from 'vitest';
import golden from '../golden/bpe.json';

const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
afterAll(() => fs.remove(dir));
const json = golden.json as unknown as TokenizerJson;
const options = { vocabSize: 330, specialTokens: ['<|end|>'] };

describe('trainBpe', () => {
  it('learns and writes what tokenizers does', async () => {
    const learned = trainBpe(golden.texts, options);
    expect(learned.toJSON()).toEqual(json);
    const file = path.join(dir, 'tokenizer.json');
    await learned.save(file);
    expect(await fs.readJson(file)).toEqual(json);
    expect((await BytePairTokenizer.load(file)).idxToToken).toEqual(learned.idxToToken);
  });

  it('stops when no pair is frequent enough', () => {
    expect(trainBpe(['abab'], { vocabSize: 1000, minFreq: 2 }).size).toBe(257);
    expect(trainBpe(['abab']).size).toBe(258);
  });

  it('refuses texts and options that make no sense', () => {
    expect(() => trainBpe([])).toThrow('at least one text');
    expect(() => trainBpe(['', ''])).toThrow('at least one text');
    expect(() => trainBpe('text' as never)).toThrow("a list of strings, got 'text'");
    expect(() => trainBpe(['a'], { vocabSize: 256 })).toThrow(
      '"vocabSize" must be an integer from 257',
    );
  });
});

describe('BytePairTokenizer', () => {
  const bpe = new BytePairTokenizer(json);

  it.each(golden.samples)('encodes and decodes $text as tokenizers does', (sample) => {
    expect(bpe.tokenize(sample.text)).toEqual(sample.tokens);
    expect(bpe.encode(sample.text)).toEqual(sample.ids);
    expect(bpe.decode(sample.ids)).toBe(sample.decoded);
    expect(bpe.join(sample.tokens)).toBe(sample.text);
  });

  it('loses nothing of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => bpe.decode(bpe.encode(text)) === text),
    );
  });

  it('is a tokenizer, and reads merges as strings too', () => {
    expect(tokenizer(bpe)).toBe(bpe);
    const merges = golden.json.model.merges.map((merge) => merge.join(' '));
    const old = new BytePairTokenizer({ ...json, model: { ...json.model, merges } });
    const [{ text, ids }] = golden.samples as [(typeof golden.samples)[number]];
    expect(old.encode(text)).toEqual(ids);
    expect(() => bpe.decode([9999])).toThrow('expected indices from 0 to 329, got 9999');
  });

  const model = (change: object) => ({ ...json, model: { ...json.model, ...change } });
  it.each([
    [model({ type: 'WordPiece' }), `"model.type" 'BPE', got 'WordPiece'`],
    [{ ...json, normalizer: { type: 'NFC' } }, `"normalizer" none, got 'NFC'`],
    [{ ...json, pre_tokenizer: { type: 'Whitespace' } }, `got 'Whitespace'`],
    [{ ...json, decoder: null }, `"decoder" 'ByteLevel', got null`],
    [model({ end_of_word_suffix: '</w>' }), `"model.end_of_word_suffix" none, got '</w>'`],
    [model({ merges: [['h', 'no-token']] }), `got ['h', 'no-token']`],
    [model({ vocab: { a: 0, b: 5 }, merges: [] }), 'a token for each index from 0'],
    [{ model: null }, 'a tokenizer.json with a "model"'],
  ])('refuses tokenizers of other kinds (%#)', async (other, message) => {
    const file = path.join(dir, 'other.json');
    await fs.writeJson(file, other);
    await expect(BytePairTokenizer.load(file)).rejects.toThrow(message);
    await expect(BytePairTokenizer.load(file)).rejects.toThrow(file);
  });

  it('refuses what is no JSON', async () => {
    const file = path.join(dir, 'bad.json');
    await fs.writeFile(file, '{');
    await expect(BytePairTokenizer.load(file)).rejects.toThrow('expected JSON');
  });
});

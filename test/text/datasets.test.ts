/** The book's data sets: small files in their formats, and the real ones where they are. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DATA_HUB } from '@deepend/data';
import {
  loadCorpusTimeMachine,
  loadFrenchEnglish,
  loadImdb,
  loadPtb,
  loadSnli,
  loadTimeMachine,
  loadWikiText2,
  readFrenchEnglish,
  readImdb,
  readPtb,
  readSnli,
  readTimeMachine,
  readWikiText2,
} from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/text.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const root = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
const files = { root, download: false, progress: false };
const write = (name: string, content: string) => fs.outputFile(path.join(root, name), content);

const BOOK =
  'The Time Machine, by H. G. Wells [1898]\n\n\nI\n\nThe Time Traveller (for so it will be\n';
const timeMachine = DATA_HUB.time_machine as { sha1: string };
const { sha1 } = timeMachine;
const words = (start: number, count: number) =>
  Array.from({ length: count }, (_, i) => `w${(start + 7 * i) % 37}`).join(' ');

beforeAll(async () => {
  await use('cpu-js');
  timeMachine.sha1 = createHash('sha1').update(BOOK).digest('hex');
  await write('timemachine.txt', BOOK);
  await write('fra-eng/fra.txt', golden.nmt.text);
  const sentences = Array.from({ length: 120 }, (_, i) => ` ${words(i, 12)} \n`);
  for (const split of ['train', 'valid', 'test'])
    await write(`ptb/ptb.${split}.txt`, sentences.join(''));
  const paragraphs = Array.from(
    { length: 30 },
    (_, i) => ` ${words(i, 5)} . ${words(i + 3, 6)} . \n`,
  );
  await write('wikitext-2/wiki.train.tokens', [' = Title = \n', ' \n', ...paragraphs].join(''));
  for (const split of ['train', 'test']) {
    for (let i = 0; i < 6; i++) {
      await write(`aclImdb/${split}/pos/${i}_9.txt`, `great film\n ${words(i, 8)}`);
      await write(`aclImdb/${split}/neg/${i}_2.txt`, `bad film é ${words(i, 2)}`);
    }
    const rows = [
      'gold_label\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1\n',
      'neutral\t( ( A person )  ( rides . ) )\t( ( He trains ) . )\tA person rides.\n',
      '-\t( a )\t( b )\ta\n',
      'contradiction\t( ( A man ) . )\t( No man )\tA man.\n',
      'entailment\t( Dogs run )\t( ( Animals run ) . )\tDogs run\n',
    ];
    await write(`snli_1.0/snli_1.0_${split}.txt`, rows.join(''));
  }
});
afterAll(async () => {
  timeMachine.sha1 = sha1;
  await fs.remove(root);
});

describe('data sets', () => {
  it('The Time Machine: lines, a corpus, a loader', async () => {
    const lines = await readTimeMachine(files);
    expect(lines.slice(0, 4)).toEqual(['the time machine by h g wells', '', '', 'i']);
    const [corpus, vocab] = await loadCorpusTimeMachine(files);
    expect(vocab.toTokens(corpus).join('')).toBe(lines.join(''));
    const [short] = await loadCorpusTimeMachine({ ...files, token: 'word', maxTokens: 3 });
    expect(short).toHaveLength(3);
    const [loader, own] = await loadTimeMachine(2, 5, { ...files, seed: 4, sampling: 'random' });
    expect(own.toJSON()).toEqual(vocab.toJSON());
    expect(loader.config()).toEqual({ sampling: 'random', numSteps: 5, seed: 4 });
  });

  it('French–English', async () => {
    expect(await readFrenchEnglish(files)).toBe(golden.nmt.text);
    const [loader, source, target] = await loadFrenchEnglish(4, 4, files);
    expect(source.idxToToken).toEqual(golden.nmt.vocab);
    expect(target.has('<bos>')).toBe(true);
    expect(loader.numSamples).toBe(golden.nmt.source.length);
  });

  it('Penn Treebank', async () => {
    const sentences = await readPtb({ ...files, split: 'valid' });
    expect([sentences.length, sentences[0]?.length]).toEqual([120, 12]);
    const [loader, vocab] = await loadPtb(64, { ...files, maxWindowSize: 3, threshold: 1 });
    expect(vocab.size).toBe(38);
    expect(loader.numSamples).toBe(120 * 12);
  });

  it('WikiText-2', async () => {
    const paragraphs = await readWikiText2(files);
    expect([paragraphs.length, paragraphs[0]?.map(({ length }) => length)]).toEqual([30, [5, 7]]);
    const [loader, vocab] = await loadWikiText2(8, 32, files);
    expect(loader.numSamples).toBe(30);
    expect(vocab.idxToToken.slice(0, 5)).toEqual(['<unk>', '<pad>', '<mask>', '<cls>', '<sep>']);
  });

  it('IMDb', async () => {
    const { texts, labels } = await readImdb(path.join(root, 'aclImdb'), 'train');
    expect(texts[0]).toBe(`great film ${words(0, 8)}`);
    expect(labels).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
    const [trainIter, testIter, vocab] = await loadImdb(5, { ...files, numSteps: 6 });
    expect([trainIter.numSamples, testIter.numBatches]).toEqual([12, 3]);
    expect(vocab.has('film')).toBe(true);
    for await (const { features, labels: classes } of testIter) {
      expect(features.tokens.shape[1]).toBe(6);
      tf.dispose([features, classes]);
    }
    await expect(readImdb(root, 'train')).rejects.toThrow('a folder of reviews (*.txt), got none');
  });

  it('SNLI', async () => {
    const folder = path.join(root, 'snli_1.0');
    expect(await readSnli(folder, 'train')).toEqual({
      premises: ['A person rides .', 'A man .', 'Dogs run'],
      hypotheses: ['He trains .', 'No man', 'Animals run .'],
      labels: [2, 1, 0],
    });
    const [trainIter, testIter] = await loadSnli(2, { ...files, numSteps: 4 });
    expect(trainIter.numSamples).toBe(3);
    const labels: number[] = [];
    for await (const batch of testIter) {
      expect(batch.features.premises.shape).toEqual(batch.features.hypotheses.shape);
      labels.push(...batch.labels.dataSync());
      tf.dispose([batch.features, batch.labels]);
    }
    expect(labels).toEqual([2, 1, 0]);
    await write('snli_1.0/snli_1.0_dev.txt', 'gold_label\na\n');
    await expect(readSnli(folder, 'dev')).rejects.toThrow('three columns in line 2, got 1');
  });

  it('say where a file can be put that cannot be downloaded', async () => {
    const nowhere = { ...files, root: path.join(root, 'none') };
    const file = path.join(nowhere.root, 'timemachine.txt');
    await expect(loadTimeMachine(2, 5, nowhere)).rejects.toThrow(`put it at ${file}`);
    await expect(loadPtb(2, nowhere)).rejects.toThrow(path.join(nowhere.root, 'ptb.zip'));
  });
});

describe("the book's functions", () => {
  it('load the same data', async () => {
    const [sentences, lines] = [await d2l.readPtb(files), await d2l.readTimeMachine(files)];
    expect(sentences).toHaveLength(121); // with the empty end of the file, as in the book
    const tokens = d2l.tokenize(lines, 'char');
    const vocab = new d2l.Vocab(tokens, 0, []);
    const [corpus, own] = await d2l.loadCorpusTimeMachine(20, files);
    expect(corpus).toHaveLength(20);
    expect(own.idxToToken).toEqual(vocab.idxToToken);
    const [loader] = await d2l.loadDataTimeMachine(2, 5, true, 60, files);
    expect(loader.config()).toMatchObject({ sampling: 'random' });
    const [nmt, source] = await d2l.loadDataNmt(3, 4, 600, files);
    expect([nmt.batchSize, source.idxToToken]).toEqual([3, golden.nmt.vocab]);
    const [ptb] = await d2l.loadDataPtb(16, 2, 3, { ...files, threshold: 1 });
    expect(ptb.config()).toMatchObject({ maxWindowSize: 2, numNoiseWords: 3 });
    expect((await d2l.loadDataWiki(4, 32, files))[0].numSamples).toBe(30);
    expect((await d2l.loadDataImdb(4, 5, files))[0].numSamples).toBe(12);
    expect((await d2l.loadDataSnli(2, 5, files))[0].numSamples).toBe(3);
  });

  it('take the arguments in its order', async () => {
    const { nmt, bleu, batchify } = golden;
    expect(d2l.preprocessNmt(nmt.text)).toBe(nmt.normalized);
    expect(d2l.tokenizeNmt(nmt.normalized, 2)).toEqual(nmt.limited);
    expect(d2l.truncatePad([1], 2, 0)).toEqual([1, 0]);
    const [prediction, label, k, score] = bleu[3] as [string, string, number, number];
    expect(d2l.bleu(prediction, label, k)).toBeCloseTo(score, 12);
    const vocab = new d2l.Vocab(nmt.source, 2, ['<pad>', '<bos>', '<eos>']);
    const [array, lengths] = d2l.buildArrayNmt(nmt.source, vocab, 4);
    expect([array.arraySync(), lengths.arraySync()]).toEqual([nmt.array, nmt.lengths]);
    const samples = d2l.batchify([
      [1, [2, 2], [3, 3, 3, 3]],
      [1, [2, 2, 2], [3, 3]],
    ]);
    expect(samples.map((tensor) => tensor.arraySync())).toEqual(batchify);
    tf.dispose([array, lengths, samples]);
    expect(d2l.getTokensAndSegments(['a', 'b'])).toEqual(golden.segments[0]);
    expect(d2l.countCorpus([['a', 'b'], ['a']]).get('a')).toBe(2);
    const batches = [...d2l.seqDataIterSequential([...Array(35).keys()], 2, 5)];
    expect(batches.length).toBeGreaterThan(1);
    tf.dispose(batches as unknown as tf.TensorContainer);
    await expectNoLeak(() => {
      for (const batch of d2l.seqDataIterRandom([...Array(35).keys()], 2, 5)) tf.dispose(batch);
    });
  });

  it('draw the lengths of sentences', () => {
    const { source, target } = golden.nmt;
    const figure = d2l.showListLenPairHist(['source', 'target'], 'tokens', 'count', source, target);
    expect(figure.svg).toContain('source');
  });

  it('draw skip-gram samples in steps', async () => {
    const sentences = await d2l.readPtb(files);
    const vocab = new d2l.Vocab(sentences, 10);
    const [subsampled, counter] = d2l.subsample(sentences, vocab);
    expect(subsampled).toHaveLength(121);
    const corpus = sentences.map((line) => vocab.toIndices(line));
    const [centers, contexts] = d2l.getCentersAndContexts(corpus, 2);
    expect(centers).toHaveLength(120 * 12);
    const negatives = d2l.getNegatives(contexts, vocab, counter, 5);
    contexts.forEach((context, i) => {
      expect(negatives[i]).toHaveLength(5 * context.length);
    });
    const generator = new d2l.RandomGenerator([2, 3, 4]);
    const drawn = Array.from({ length: 500 }, () => generator.draw());
    expect(new Set(drawn)).toEqual(new Set([1, 2, 3]));
  });

  it('have the data classes of both editions', async () => {
    const machine = await d2l.TimeMachine.load(4, 6, { ...files, numTrain: 20, numVal: 12 });
    const all = machine.vocab.toTokens(machine.corpus).join('');
    expect(all.startsWith('the time machine by h g wells i the time traveller')).toBe(true);
    expect(machine.vocab.idxToToken.slice(0, 3)).toEqual([' ', '<unk>', 'a']);
    const [trainIter, valIter] = [machine.trainDataloader(), machine.valDataloader()];
    expect([trainIter.numSamples, valIter.numSamples]).toEqual([20, 12]);
    const nmt = await d2l.MTFraEng.load(3, 4, { ...files, numTrain: 4, numVal: 2 });
    expect([nmt.trainDataloader().numSamples, nmt.valDataloader().numSamples]).toEqual([4, 2]);
    for (const token of ['<unk>', '<pad>', '<eos>']) expect(nmt.srcVocab.has(token)).toBe(true);
    expect(nmt.tgtVocab.has('<bos>')).toBe(true);
    const loader = await d2l.SeqDataLoader.load(2, 5, true, 60, files);
    let batches = 0;
    for await (const { features, labels } of loader) {
      expect(features.shape).toEqual([2, 5]);
      tf.dispose([features, labels]);
      batches++;
    }
    expect(batches).toBe(5);
  });

  it("make BERT's samples in steps", async () => {
    const paragraphs = await d2l.readWiki(files);
    const [first] = paragraphs as [string[][]];
    const samples = d2l.getNspDataFromParagraph(first, paragraphs, 32);
    expect(samples).toHaveLength(1);
    const [tokens, segments] = samples[0] as (typeof samples)[number];
    expect(segments).toHaveLength(tokens.length);
    const vocab = new d2l.Vocab(paragraphs.flat(), 1, ['<pad>', '<mask>', '<cls>', '<sep>']);
    const [ids, positions, labels] = d2l.getMlmDataFromTokens(tokens, vocab);
    expect([ids.length, labels.length]).toEqual([tokens.length, positions.length]);
    expect(labels).toEqual(vocab.toIndices(positions.map((at) => tokens[at] as string)));

    const drawn = [0, 1, 2, 3, 4, 5].map((seed) =>
      d2l.getNextSentence(['a'], ['b'], [[['c'], ['d']]], seed),
    );
    for (const [sentence, next, isNext] of drawn) {
      expect(sentence).toEqual(['a']);
      expect(isNext ? ['b'] : ['c', 'd']).toContain(next[0]);
    }
    expect(new Set(drawn.map(([, , isNext]) => isNext)).size).toBe(2);

    const [replaced, predicted] = d2l.replaceMlmTokens(['a', 'b', 'c'], [0, 2], 5, vocab);
    expect(predicted).toEqual([
      [0, 'a'],
      [2, 'c'],
    ]);
    expect([replaced.length, replaced[1]]).toEqual([3, 'b']);
  });

  it("pad BERT's samples as the book's functions do", () => {
    const vocab = new d2l.Vocab([['a']], 1, ['<pad>', '<mask>', '<cls>', '<sep>']);
    const pad = vocab.indexOf('<pad>');
    const example: d2l.BertExample = [[7, 8, 9, 10], [1, 3], [5, 6], [0, 0, 1, 1], true];
    expect(d2l.padBertInputs([example], 17, vocab)).toEqual([
      [[7, 8, 9, 10, ...new Array(13).fill(pad)]],
      [[0, 0, 1, 1, ...new Array(13).fill(0)]],
      [4],
      [[1, 3, 0]], // round(17 · 0.15) predictions
      [[1, 1, 0]],
      [[5, 6, 0]],
      [1],
    ]);
    expect(d2l.padBertInputs([example], 30, vocab)[3][0]).toHaveLength(4); // 4.5 to the even
    expect(() => d2l.padBertInputs([example], 3, vocab)).toThrow(
      /\[d2l\] padBertInputs: expected at most 3 tokens with maxLen 3, got 4/,
    );
    const paragraph = ['the cat sat', 'the cat ran', 'the cat ate'].map((line) => line.split(' '));
    const set = new d2l.WikiTextDataset([paragraph, paragraph], 12);
    expect(set.length).toBe(4);
    const [ids, segments, validLen, positions, weights, labels] = set.at(0);
    expect([ids, segments].map((row) => (row as number[]).length)).toEqual([12, 12]);
    expect([validLen, (positions as number[]).length]).toEqual([9, 2]);
    expect(weights).toEqual([1, 0]);
    expect(set.vocab.size).toBe(7); // <unk>, four special tokens, the, cat
    expect((labels as number[])[0]).toBeLessThan(7);
  });

  it('SNLIDataset pads both sentences', async () => {
    const data = await d2l.readSnli(path.join(root, 'snli_1.0'), true);
    const set = new d2l.SNLIDataset(data, 4);
    expect(set.length).toBe(3);
    const [[premise, hypothesis], label] = set.at(1);
    expect([premise.length, hypothesis.length, label]).toEqual([4, 4, 1]);
    const test = new d2l.SNLIDataset(data, 4, set.vocab);
    expect(test.vocab).toBe(set.vocab);
    const [reviews] = await d2l.readImdb(path.join(root, 'aclImdb'), false);
    expect(reviews).toHaveLength(12);
  });
});

const real = path.join(process.env.DEEPEND_DATA ?? '', 'timemachine.txt');
const absent = !process.env.DEEPEND_DATA || !(await fs.pathExists(real));
const reason = 'it is not on this machine; DEEPEND_DATA names a folder that holds timemachine.txt';
const ptb = path.join(process.env.DEEPEND_DATA ?? '', 'ptb.zip');
const noPtb = !process.env.DEEPEND_DATA || !(await fs.pathExists(ptb));
const noZip = 'it is not on this machine; DEEPEND_DATA names a folder that holds ptb.zip';
describe.skipIf(noPtb)(`The Penn Treebank itself${noPtb ? ` (skipped: ${noZip})` : ''}`, () => {
  it("has the book's numbers of sentences and words", async () => {
    const sentences = await d2l.readPtb();
    expect(sentences).toHaveLength(42069);
    expect(new d2l.Vocab(sentences, 10).size).toBe(6719);
  });
});

describe.skipIf(absent)(`The Time Machine itself${absent ? ` (skipped: ${reason})` : ''}`, () => {
  it("has the book's numbers of characters and words", async () => {
    timeMachine.sha1 = sha1;
    const [chars, vocab] = await loadCorpusTimeMachine();
    expect([chars.length, vocab.size]).toEqual([170580, 28]);
    expect(vocab.idxToToken.slice(0, 6)).toEqual(['<unk>', ' ', 'e', 't', 'a', 'i']);
    const [tokens, byWord] = await loadCorpusTimeMachine({ token: 'word' });
    expect([tokens.length, byWord.size]).toEqual([32775, 4580]);
  });
});

/** The skip-gram model and its loss, the book's 15.4 (zh 14.4), and a BERT that classifies. */
import { BERTClassifier, BERTModel, SkipGram, skipGramLoss } from '@deepend/text';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';

/** −log sigmoid(x) */
const lossOf = (x: number) => Math.log1p(Math.exp(-x));

describe('SkipGram', () => {
  it('scores by dot products, and leaves no tensors', () => {
    const net = new SkipGram({ vocabSize: 5, embedSize: 2, seed: 1 });
    net.center.weight.assign(tf.tensor2d([0, 0, 1, 2, 0, 0, 0, 0, 0, 0], [5, 2]));
    net.context.weight.assign(tf.tensor2d([0, 0, 0, 0, 3, 4, 5, 6, 7, 8], [5, 2]));
    const centers = tf.tensor2d([[1]], undefined, 'int32');
    const contextsNegatives = tf.tensor2d([[2, 3, 4]], undefined, 'int32');
    const before = tf.memory().numTensors;
    const scores = net.forward({ centers, contextsNegatives });
    expect(scores.arraySync()).toEqual([[11, 17, 23]]);
    expect(tf.memory().numTensors).toBe(before + 1);
    expect(() =>
      net.forward({ centers: contextsNegatives, contextsNegatives: scores as never }),
    ).toThrow(/\[text\] SkipGram/);
  });

  it.each([{ vocabSize: 0, embedSize: 2 }, { vocabSize: 5 }, { vocabSize: 5, embed: 2 }])(
    'refuses %o',
    (options) => {
      expect(() => new SkipGram(options as never)).toThrow(/^\[text\] SkipGram/);
    },
  );
});

describe('skipGramLoss', () => {
  it("has the book's numbers, row by row", () => {
    const row = [1.1, -2.2, 3.3, -4.4];
    const loss = (label: number[], mask: number[]) =>
      skipGramLoss(tf.tensor2d([row]), {
        labels: tf.tensor2d([label]),
        masks: tf.tensor2d([mask]),
      }).dataSync()[0] as number;
    expect(loss([1, 0, 0, 0], [1, 1, 1, 1])).toBeCloseTo(0.9352, 4);
    expect(loss([0, 1, 0, 0], [1, 1, 0, 0])).toBeCloseTo(1.8462, 4);
    expect(loss([1, 0, 0, 0], [1, 1, 1, 1])).toBeCloseTo(
      (lossOf(1.1) + lossOf(2.2) + lossOf(-3.3) + lossOf(4.4)) / 4,
      6,
    );
  });
});

describe('BERTClassifier', () => {
  it('takes tensors or what loaders give', () => {
    const bert = new BERTModel({
      ...{ vocabSize: 8, hidden: 4, ffnHidden: 8, heads: 1, layers: 1 },
      ...{ maxLen: 6, dropout: 0, seed: 1 },
    });
    const net = new BERTClassifier(bert, 2);
    const tokens = tf.tensor2d([[3, 1, 2, 0]], undefined, 'int32');
    const [segments, validLens] = [tf.zerosLike(tokens), tf.tensor1d([3], 'int32')];
    const one = net.forward(tokens, segments, validLens);
    expect(net.forward({ tokens, segments, validLens }).arraySync()).toEqual(one.arraySync());
    expect(net.forward(tokens, segments).arraySync()).not.toEqual(one.arraySync());
    expect(() => net.forward(tokens)).toThrow(/expected tokens and segments, got tokens only/);
  });
});

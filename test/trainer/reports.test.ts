import { metrics } from '@deepend/optim';
import { confusedPairs, type Loader, predict, topLosses, worstClasses } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { plots } from 'deepend';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

beforeAll(() => use('cpu-js'));

/** The loss of each sample, by the definition of cross-entropy. */
async function slowly(loader: Loader) {
  const net = linearNet();
  const found: {
    index: number;
    loss: number;
    predicted: number;
    truth: number;
    pixels: number[];
  }[] = [];
  for await (const { features, labels } of loader) {
    const logits = await predict(net, features);
    const probabilities = tf.softmax(logits);
    const [rows, truths, images] = [
      await probabilities.array(),
      await labels.array(),
      await features.array(),
    ];
    (rows as number[][]).forEach((row, i) => {
      const truth = (truths as number[])[i] as number;
      const predicted = row.indexOf(Math.max(...row));
      const pixels = (images as number[][][][])[i]?.flat(2) ?? [];
      found.push({
        index: found.length,
        loss: -Math.log(row[truth] as number),
        predicted,
        truth,
        pixels,
      });
    });
    tf.dispose([features, labels, logits, probabilities]);
  }
  return found.sort((a, b) => b.loss - a.loss);
}

describe('topLosses', () => {
  it('finds the samples with the largest losses, in batches of any size', async () => {
    const expected = (await slowly(fakeLoader(20, 20))).slice(0, 5);
    for (const batchSize of [20, 7, 1]) {
      const found = await topLosses(linearNet(), fakeLoader(20, batchSize), 5, { images: true });
      expect(found.map(({ index, predicted, truth }) => ({ index, predicted, truth }))).toEqual(
        expected.map(({ index, predicted, truth }) => ({ index, predicted, truth })),
      );
      found.forEach(({ loss, image }, i) => {
        expect(loss).toBeCloseTo(expected[i]?.loss as number, 5);
        expect(image?.shape).toEqual([4, 4, 1]);
        expect([...(image?.values ?? [])]).toEqual(expected[i]?.pixels);
      });
    }
  });

  it('takes soft labels as it takes class indices, and gives all where there are fewer', async () => {
    const hard = await topLosses(linearNet(), fakeLoader(6, 4), 10);
    const soft = await topLosses(linearNet(), fakeLoader(6, 4, { soft: true }), 10);
    expect(hard).toHaveLength(6);
    expect(hard[0]).not.toHaveProperty('image');
    expect(soft.map(({ index }) => index)).toEqual(hard.map(({ index }) => index));
    soft.forEach(({ loss }, i) => {
      expect(loss).toBeCloseTo(hard[i]?.loss as number, 9);
    });
  });

  it('puts a loss that is not a number first', async () => {
    const net = linearNet();
    const odd = Object.assign(fakeLoader(4, 2), {
      async *[Symbol.asyncIterator]() {
        yield { features: tf.ones([2, 4, 4, 1]), labels: tf.tensor1d([0, 1], 'int32') };
        yield { features: tf.fill([2, 4, 4, 1], Number.NaN), labels: tf.tensor1d([0, 1], 'int32') };
      },
    });
    expect((await topLosses(net, odd as never, 3)).map(({ index }) => index).slice(0, 2)).toEqual([
      2, 3,
    ]);
  });

  it('leaves no tensor behind', async () => {
    const net = linearNet();
    await expectNoLeak(() => topLosses(net, fakeLoader(9, 4), 3, { images: true }));
    await expectNoLeak(() => plots.showTopLosses(net, fakeLoader(9, 4), { count: 3 }));
  });

  it('are shown with their classes and losses', async () => {
    const loader = { ...fakeLoader(6, 4), classNames: ['bag', 'coat', 'shirt'] };
    const [worst] = await topLosses(linearNet(), loader, 1);
    const { svg } = await plots.showTopLosses(linearNet(), loader, { count: 4 });
    expect(svg.match(/<image /g)).toHaveLength(4);
    expect(svg).toContain(
      `>→ ${loader.classNames[worst?.predicted ?? -1]}, ${worst?.loss.toFixed(2)}<`,
    );
    await expect(plots.showTopLosses(linearNet(), loader, { k: 4 } as never)).rejects.toThrow(
      /there is no option "k"/,
    );
  });
});

const NAMES = ['bag', 'coat', 'shirt', 'boot'];
const MATRIX = [
  [6, 0, 4, 0],
  [1, 7, 5, 0],
  [5, 4, 1, 0],
  [0, 0, 0, 0],
];

describe('confusedPairs', () => {
  it('are the largest counts off the diagonal', () => {
    expect(confusedPairs(MATRIX, NAMES, 3)).toEqual([
      { truth: 'shirt', predicted: 'bag', count: 5, fraction: 0.5 },
      { truth: 'coat', predicted: 'shirt', count: 5, fraction: 5 / 13 },
      { truth: 'bag', predicted: 'shirt', count: 4, fraction: 0.4 },
    ]);
    expect(confusedPairs(MATRIX, NAMES, 99)).toHaveLength(5);
    expect(
      confusedPairs(
        [
          [3, 0],
          [0, 3],
        ],
        ['a', 'b'],
        5,
      ),
    ).toEqual([]);
  });
});

describe('worstClasses', () => {
  it('are those with the least recall, without classes of no sample', () => {
    const found = worstClasses(MATRIX, NAMES);
    expect(found.map(({ name }) => name)).toEqual(['shirt', 'coat', 'bag']);
    expect(found[0]).toEqual({ name: 'shirt', precision: 0.1, recall: 0.1, f1: 0.1, support: 10 });
  });

  it('refuse what is no matrix of named classes', () => {
    expect(() => worstClasses([[1, 2]], ['a', 'b'])).toThrow(
      /worstClasses: expected a square matrix of counts, as metrics.confusionMatrix\(\) gives/,
    );
    expect(() => worstClasses(metrics.confusionMatrix().compute() as number[][], [])).toThrow(
      /expected a square matrix/,
    );
    expect(() => confusedPairs(MATRIX, ['a'], 1)).toThrow(
      /expected a name for each of the 4 classes, got \['a'\]/,
    );
    expect(() => confusedPairs(MATRIX, NAMES, 0)).toThrow(
      /expected "k", an integer of at least 1, got 0/,
    );
  });
});

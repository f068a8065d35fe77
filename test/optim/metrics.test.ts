import { type Metric, metrics } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

/** A metric over samples that come in batches of `size`. */
async function measure(
  metric: Metric,
  logits: number[][],
  labels: number[],
  size = logits.length,
): Promise<unknown> {
  for (let start = 0; start < logits.length; start += size) {
    const x = tf.tensor2d(logits.slice(start, start + size));
    const y = tf.tensor1d(labels.slice(start, start + size), 'int32');
    await metric.update(x, y);
    tf.dispose([x, y]);
  }
  return metric.compute();
}

/** Logits that call the given classes. */
const calling = (classes: number[], numClasses = 3) =>
  classes.map((c) => Array.from({ length: numClasses }, (_, i) => Number(i === c)));

// scikit-learn's user guide, precision_recall_fscore_support and confusion_matrix: y_true = 0 1 2 0
// 1 2, y_pred = 0 2 1 0 0 1.
const [TRUE, CALLED] = [
  [0, 1, 2, 0, 1, 2],
  [0, 2, 1, 0, 0, 1],
];

describe("scikit-learn's example", () => {
  it('has its confusion matrix', async () => {
    expect(await measure(metrics.confusionMatrix(), calling(CALLED), TRUE, 4)).toEqual([
      [2, 0, 0],
      [1, 0, 1],
      [0, 2, 0],
    ]);
  });

  it('has its precision, recall, F1 and support', async () => {
    const nothing = { precision: 0, recall: 0, f1: 0, support: 2 };
    const found = (await measure(metrics.perClass(), calling(CALLED), TRUE, 4)) as {
      precision: number;
      f1: number;
    }[];
    expect(found).toEqual([{ precision: 2 / 3, recall: 1, f1: 0.8, support: 2 }, nothing, nothing]);
  });

  it('has its accuracy', async () => {
    expect(await measure(metrics.accuracy(), calling(CALLED), TRUE, 4)).toBeCloseTo(2 / 6, 12);
    const [logits, labels] = [tf.tensor2d(calling(CALLED)), tf.tensor1d(TRUE, 'int32')];
    expect(metrics.numCorrect(logits, labels)).toBe(2); // a count, as the book's
    const classes = tf.tensor1d(CALLED, 'int32');
    expect(metrics.numCorrect(classes, labels)).toBe(2);
    tf.dispose([logits, labels, classes]);
  });

  it('has its top-2 accuracy', async () => {
    // scikit-learn's top_k_accuracy_score: y_true = 0 1 2 2 and these scores give 0.75.
    const scores = [
      [0.5, 0.2, 0.2],
      [0.3, 0.4, 0.2],
      [0.2, 0.4, 0.3],
      [0.7, 0.2, 0.1],
    ];
    expect(await measure(metrics.topK(2), scores, [0, 1, 2, 2], 3)).toBe(0.75);
  });
});

describe('a metric over any samples', () => {
  const samples = fc.integer({ min: 2, max: 5 }).chain((numClasses) =>
    fc.record({
      rows: fc.array(
        fc.record({
          logits: fc.array(fc.integer({ min: -3, max: 3 }), {
            minLength: numClasses,
            maxLength: numClasses,
          }), // ties are common
          label: fc.integer({ min: 0, max: numClasses - 1 }),
        }),
        { minLength: 1, maxLength: 20 },
      ),
      size: fc.integer({ min: 1, max: 20 }),
      k: fc.integer({ min: 1, max: numClasses }),
    }),
  );
  const best = (logits: number[]) => logits.indexOf(Math.max(...logits));

  it('is what counting sample by sample gives, in batches of any size', async () => {
    await fc.assert(
      fc.asyncProperty(samples, async ({ rows, size, k }) => {
        const [logits, labels] = [rows.map((row) => row.logits), rows.map((row) => row.label)];
        const numClasses = logits[0]?.length ?? 0;
        const classes = Array.from({ length: numClasses }, (_, i) => i);
        const pairs = rows.map((row) => ({ truth: row.label, called: best(row.logits) }));
        const count = (test: (pair: { truth: number; called: number }) => boolean) =>
          pairs.filter(test).length;
        const matrix = classes.map((t) =>
          classes.map((c) => count(({ truth, called }) => truth === t && called === c)),
        );
        expect(await measure(metrics.confusionMatrix(), logits, labels, size)).toEqual(matrix);

        const right = count(({ truth, called }) => truth === called);
        expect(await measure(metrics.accuracy(), logits, labels, size)).toBeCloseTo(
          right / rows.length,
          12,
        );

        const reports = (await measure(metrics.perClass(), logits, labels, size)) as {
          precision: number;
          recall: number;
          f1: number;
          support: number;
        }[];
        reports.forEach(({ precision, recall, f1, support }, c) => {
          const found = count(({ truth, called }) => truth === c && called === c);
          expect(support).toBe(count(({ truth }) => truth === c));
          expect(precision).toBeCloseTo(found / (count(({ called }) => called === c) || 1), 12);
          expect(recall).toBeCloseTo(found / (support || 1), 12);
          expect(f1).toBeCloseTo(found ? (2 * precision * recall) / (precision + recall) : 0, 12);
        });

        const order = (row: number[]) =>
          classes.toSorted((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b);
        const among = rows.filter((row) =>
          order(row.logits).slice(0, k).includes(row.label),
        ).length;
        expect(await measure(metrics.topK(k), logits, labels, size)).toBeCloseTo(
          among / rows.length,
          12,
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('a metric', () => {
  it('takes soft labels by their largest, and starts again when reset', async () => {
    const [logits, labels] = [
      tf.tensor2d([
        [1, 2],
        [3, 1],
      ]),
      tf.tensor2d([
        [0.2, 0.8],
        [0.4, 0.6],
      ]),
    ];
    for (const metric of [metrics.accuracy(), metrics.topK(1)]) {
      await metric.update(logits, labels);
      expect(metric.compute()).toBe(0.5);
      metric.reset();
      expect(metric.compute()).toBeNaN();
    }
    const matrix = metrics.confusionMatrix();
    expect(matrix.compute()).toEqual([]);
    await matrix.update(logits, labels);
    expect(matrix.compute()).toEqual([
      [0, 0],
      [1, 1],
    ]);
    tf.dispose([logits, labels]);
  });

  it('calls a class of a logit that is not a number wrong', async () => {
    expect(await measure(metrics.topK(1), [[Number.NaN, 1]], [0])).toBe(0);
    expect(await measure(metrics.topK(1), [[Number.NaN, 1]], [1])).toBe(0);
  });

  it('leaves no tensor behind, nor when it refuses a batch', async () => {
    await expectNoLeak(async () => {
      for (const metric of [
        metrics.accuracy(),
        metrics.topK(2),
        metrics.perClass(),
        metrics.confusionMatrix(),
      ]) {
        await measure(metric, calling(CALLED), TRUE, 4);
        const [logits, labels] = [tf.zeros([2, 3]) as tf.Tensor2D, tf.tensor1d([0, 3], 'int32')];
        await expect(metric.update(logits, labels)).rejects.toThrow(
          'expected labels from 0 to 2, got 3',
        );
        tf.dispose([logits, labels]);
      }
    });
  });

  it('refuses what does not fit', async () => {
    expect(() => metrics.topK(0)).toThrow(
      '[optim] metrics.topK: expected an integer of at least 1, got 0',
    );
    const two = { logits: tf.zeros([2, 2]) as tf.Tensor2D, labels: tf.tensor1d([0, 1], 'int32') };
    const three = tf.zeros([2, 3]) as tf.Tensor2D;
    await expect(metrics.topK(3).update(two.logits, two.labels)).rejects.toThrow(
      "topK(3): expected at most the model's 2 classes",
    );
    const short = tf.slice(two.labels, 0, 1);
    await expect(metrics.accuracy().update(two.logits, short)).rejects.toThrow(
      /expected logits .* got \[2,2\] and \[1\]/,
    );
    expect(() => metrics.numCorrect(two.logits, short)).toThrow(
      'expected a label for each of 2 samples, got 1',
    );
    const matrix = metrics.confusionMatrix();
    await matrix.update(two.logits, two.labels);
    await expect(matrix.update(three, two.labels)).rejects.toThrow(
      'expected logits of 2 classes as before, got 3',
    );
    tf.dispose([two.logits, two.labels, three, short]);
  });
});

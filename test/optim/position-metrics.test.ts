/** Metrics over positions: tokens and pixels, labels that do not count, numbers. */
import { metrics } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

/** Logits `[2, 3, 2]` whose larger one says the class. */
const logits = () => tf.tensor3d([2, 0, 0, 2, 2, 0, 0, 2, 0, 2, 2, 0], [2, 3, 2]);
const labels = () => tf.tensor2d([0, 1, 1, 1, 0, -1], [2, 3], 'int32'); // predicted: 0 1 0 1 1 0
const ignoring = { ignoreIndex: -1 };

async function measure(metric: metrics.Metric, outputs: tf.Tensor, truth: tf.Tensor) {
  await metric.update(outputs, truth);
  return metric.compute();
}

describe('over positions', () => {
  const log = (x: number) => Math.log1p(Math.exp(x)); // of two logits that differ by x
  const rows: [string, () => metrics.Metric, number | object][] = [
    ['accuracy', () => metrics.accuracy(ignoring), 3 / 5],
    [
      'confusionMatrix',
      () => metrics.confusionMatrix(ignoring),
      [
        [1, 1],
        [1, 2],
      ],
    ],
    ['meanIou', () => metrics.meanIou(ignoring), (1 / 3 + 2 / 4) / 2],
    ['topK', () => metrics.topK(1, ignoring), 3 / 5],
    ['perplexity', () => metrics.perplexity(ignoring), Math.exp((3 * log(-2) + 2 * log(2)) / 5)],
  ];
  it.each(rows)('%s leaves out labels that do not count', async (_, make, expected) => {
    const found = await measure(make(), logits(), labels());
    if (typeof expected === 'number') expect(found).toBeCloseTo(expected, 5);
    else expect(found).toEqual(expected);
  });

  it.each(rows)('%s refuses a label outside the classes', async (_, make) => {
    const wrong = tf.fill([2, 3], 5, 'int32');
    await expect(measure(make(), logits(), wrong)).rejects.toThrow(/labels from 0 to 1/);
  });

  it.each(rows)(
    '%s does not depend on how samples are batched, and leaves no tensor',
    async (_, make) => {
      const [whole, parts] = [make(), make()];
      await whole.update(logits(), labels());
      const slices = [0, 1].map(
        (at) =>
          [tf.slice(logits(), [at, 0, 0], [1, 3, 2]), tf.slice(labels(), [at, 0], [1, 3])] as const,
      );
      await expectNoLeak(async () => {
        parts.reset();
        for (const [x, y] of slices) await parts.update(x, y);
      });
      const [a, b] = [whole.compute(), parts.compute()];
      if (typeof a === 'number') expect(b).toBeCloseTo(a, 6);
      else expect(b).toEqual(a);
    },
  );
});

it('meanAbsoluteError is the mean over all outputs', async () => {
  const metric = metrics.meanAbsoluteError();
  await metric.update(
    tf.tensor2d([
      [1, 2],
      [3, 4],
    ]),
    tf.tensor2d([
      [0, 2],
      [5, 4],
    ]),
  );
  await metric.update(tf.tensor2d([[1, 1]]), tf.tensor2d([[2, 2]]));
  expect(metric.compute()).toBeCloseTo(5 / 6, 6);
  metric.reset();
  expect(metric.compute()).toBeNaN();
});

it('a mask of labels needs a metric of its own', async () => {
  const given = { labels: labels(), mask: labels() } as unknown as tf.Tensor;
  await expect(measure(metrics.accuracy(), logits(), given)).rejects.toThrow(
    /one tensor of labels?|one of labels, got \[2, 3, 2\] and \{ labels: \[2, 3\], mask: \[2, 3\] \}/,
  );
});

/** Losses and their gradients against PyTorch's and against finite differences. */

import { compile, type Loss } from '@deepend/compiler';
import {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  meanSquaredError,
  softmaxCrossEntropy,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNumbers, type Golden, golden, OUTPUT_SHAPE } from '../compiler/goldens';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

const FACTORIES = { crossEntropy, meanSquaredError, binaryCrossEntropy };

type LabelKind = keyof Golden['labels'];
const labelsOf = (kind: LabelKind) =>
  kind === 'indices'
    ? tf.tensor1d(golden.labels.indices, 'int32')
    : tf.tensor2d(golden.labels[kind], OUTPUT_SHAPE);
const outputs = () => tf.tensor2d(golden.outputs, OUTPUT_SHAPE);
const numberOf = (scalar: tf.Scalar | null) => scalar?.dataSync()[0] as number;

const rows = golden.losses.map(
  (row) => [`${row.loss} ${JSON.stringify(row.options ?? {})} of ${row.labels}`, row] as const,
);

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`losses on ${title}`, () => {
    beforeAll(() => use(backend));

    it.each(rows)(
      "%s is PyTorch's, and so is its gradient",
      async (_, { loss: name, options = {}, labels: kind, value, gradient }) => {
        const [logits, labels] = [outputs(), labelsOf(kind)];
        await expectNoLeak(() => {
          const { loss, correct, dLogits } = FACTORIES[name](options)(logits, labels);
          expectNumbers(loss.dataSync(), [value]);
          expectNumbers(dLogits.dataSync(), gradient);
          expect(dLogits.shape).toEqual(OUTPUT_SHAPE);
          tf.dispose(correct ? [loss, correct, dLogits] : [loss, dLogits]);
        });
      },
    );

    it('count the right answers', () => {
      const logits = tf.tensor2d([
        [2, 1, 0],
        [0, 3, 1],
        [5, 0, 6],
      ]);
      const weighted = crossEntropy({ labelSmoothing: 0.3, classWeights: [1, 5, 2] });
      for (const loss of [softmaxCrossEntropy, crossEntropy({ labelSmoothing: 0.9 }), weighted]) {
        expect(numberOf(loss(logits, tf.tensor1d([0, 2, 2], 'int32')).correct)).toBe(2);
        expect(
          numberOf(
            loss(
              logits,
              tf.tensor2d([
                [0, 0.4, 0.6],
                [0, 0.9, 0.1],
                [0.5, 0.2, 0.3],
              ]),
            ).correct,
          ),
        ).toBe(1);
      }
      expect(meanSquaredError()(logits, tf.zeros([3, 3])).correct).toBeNull();
      // Above 0, or not, as its label is above one half, or not; a sample counts when all of its
      // are.
      const right = binaryCrossEntropy()(
        tf.tensor2d([
          [2, -1],
          [1, 1],
          [-3, -4],
        ]),
        tf.tensor2d([
          [1, 0],
          [1, 0],
          [0.2, 0],
        ]),
      );
      expect(numberOf(right.correct)).toBe(2);
    });

    it('take one label per sample where the model has one output', () => {
      const one = tf.tensor2d([[0.5], [-2], [3]]);
      for (const loss of [meanSquaredError(), binaryCrossEntropy()]) {
        const [flat, tall] = [
          loss(one, tf.tensor1d([1, 0, 0])),
          loss(one, tf.tensor2d([[1], [0], [0]])),
        ];
        expect(numberOf(flat.loss)).toBe(numberOf(tall.loss));
        expect([...flat.dLogits.dataSync()]).toEqual([...tall.dLogits.dataSync()]);
        expect(flat.dLogits.shape).toEqual([3, 1]);
      }
    });

    it('stay finite where logits are large', () => {
      const logits = tf.tensor2d([[1000, -1000]]);
      expect(numberOf(binaryCrossEntropy()(logits, tf.tensor2d([[0, 1]])).loss)).toBe(1000);
      expect(
        numberOf(crossEntropy({ classWeights: [2, 1] })(logits, tf.tensor1d([1], 'int32')).loss),
      ).toBe(2000);
      const { loss, dLogits } = crossEntropy({ classWeights: [1, 0] })(
        logits,
        tf.tensor1d([1], 'int32'),
      );
      expect(numberOf(loss)).toBe(0); // where PyTorch has 0 / 0
      expect([...dLogits.dataSync()].every((value) => value === 0)).toBe(true);
    });

    it('read class indices of another type by their value', () => {
      const of = (labels: tf.Tensor) => numberOf(softmaxCrossEntropy(outputs(), labels).loss);
      const expected = of(tf.tensor1d(golden.labels.indices, 'int32'));
      expect(of(tf.tensor1d(golden.labels.indices, 'float32'))).toBe(expected);
      const oneHot = tf.oneHot(tf.tensor1d(golden.labels.indices, 'int32'), OUTPUT_SHAPE[1]);
      expect(of(oneHot)).toBeCloseTo(expected, 6);
    });
  });
}

describe('finite differences', () => {
  beforeAll(() => use('cpu-js'));

  // (L(x + εe) − L(x − εe)) / 2ε for each output, on float32 losses, so ε is large.
  it.each(rows)('%s', (_, { loss: name, options = {}, labels: kind }) => {
    const lossOf = FACTORIES[name](options) as Loss;
    const [values, labels, epsilon] = [Float32Array.from(golden.outputs), labelsOf(kind), 0.02];
    const { dLogits } = lossOf(outputs(), labels);
    const slopes = values.map((value, i) => {
      const at = (x: number) =>
        numberOf(lossOf(tf.tensor2d(values.with(i, x), OUTPUT_SHAPE), labels).loss);
      return (at(value + epsilon) - at(value - epsilon)) / (2 * epsilon);
    });
    expectNumbers(slopes, [...dLogits.dataSync()], 1e-3);
  });
});

describe('a loss', () => {
  beforeAll(() => use('cpu-js'));

  const [logits, bad] = [tf.zeros([6, 5]) as tf.Tensor2D, tf.zeros([6, 4])];
  it.each([
    [
      softmaxCrossEntropy,
      bad,
      '[optim] softmaxCrossEntropy: expected labels [6] of class indices or [6, 5] of probabilities, got [6, 4]',
    ],
    [softmaxCrossEntropy, tf.zeros([5], 'int32'), 'got [5]'],
    [
      crossEntropy({ labelSmoothing: 0.1 }),
      tf.zeros([6, 5, 1]),
      '[optim] crossEntropy: expected labels [6]',
    ],
    [
      crossEntropy({ classWeights: [1, 2] }),
      tf.zeros([6], 'int32'),
      "expected classWeights for the model's 5 classes, got 2; give one for each class",
    ],
    [
      meanSquaredError(),
      tf.zeros([6]),
      '[optim] meanSquaredError: expected labels [6, 5], one number for each output of the model, got [6]',
    ],
    [binaryCrossEntropy(), bad, '[optim] binaryCrossEntropy: expected labels [6, 5]'],
  ] as const)('refuses labels that do not fit: %#', (loss, labels, message) => {
    expect(() => loss(logits, labels)).toThrow(RangeError);
    expect(() => loss(logits, labels)).toThrow(message);
  });

  it.each([
    [
      { labelSmoothing: 1 },
      RangeError,
      'option "labelSmoothing" must be a number from 0 to below 1, got 1',
    ],
    [
      { classWeights: [1, -1] },
      RangeError,
      'option "classWeights" must be a list of a number of at least 0 for each class, not all 0',
    ],
    [{ classWeights: [0, 0] }, RangeError, 'not all 0'],
    [
      { smoothing: 0.1 },
      TypeError,
      'there is no option "smoothing"; did you mean "labelSmoothing"?',
    ],
  ])('refuses the options %j', (options, type, message) => {
    expect(() => crossEntropy(options as CrossEntropyOptions)).toThrow(type);
    expect(() => crossEntropy(options as CrossEntropyOptions)).toThrow(message);
  });

  const dense = (units: number) =>
    tfl.sequential({ layers: [tfl.layers.dense({ units, inputShape: [3] })] });
  const features = () => tf.tensor2d(mix(12, 'features'), [4, 3]);

  it('is what a step of a plan goes down by: a straight line is found', async () => {
    const net = dense(1);
    const plan = compile(net);
    const labels = tf.tidy(() =>
      tf.reshape(tf.matMul(features(), tf.tensor2d([[1], [-2], [0.5]])), [4]),
    );
    const x = features();
    const stepOnce = () => {
      const { loss, correct, gradients } = plan.forwardBackward(x, labels, {
        loss: meanSquaredError(),
      });
      expect(correct).toBeNull();
      for (const { parameter, gradient } of gradients) {
        tf.tidy(() => parameter.variable.assign(tf.sub(parameter.variable, tf.mul(gradient, 0.2))));
      }
      const value = numberOf(loss);
      tf.dispose([loss, gradients.map(({ gradient }) => gradient)]);
      return value;
    };
    await expectNoLeak(stepOnce);
    for (let i = 0; i < 3000; i++) stepOnce();
    const { loss, correct } = plan.evaluate(x, labels, { loss: meanSquaredError() });
    expect(numberOf(loss)).toBeLessThan(1e-6);
    expect(correct).toBeNull();
  });

  it('of a plan is softmax cross-entropy by default, and what is given else', () => {
    const [plan, labels] = [compile(dense(5)), tf.tensor1d([0, 1, 2, 3], 'int32')];
    const logits = plan.logits(features());
    const smooth = crossEntropy({ labelSmoothing: 0.2 });
    expect(numberOf(plan.evaluate(features(), labels, { loss: softmaxCrossEntropy }).loss)).toBe(
      numberOf(softmaxCrossEntropy(logits, labels).loss),
    );
    const expected = numberOf(smooth(logits, labels).loss);
    expect(numberOf(plan.evaluate(features(), labels, { loss: smooth }).loss)).toBe(expected);
    expect(numberOf(plan.forwardBackward(features(), labels, { loss: smooth }).loss)).toBe(
      expected,
    );
  });

  it('that throws leaves no tensor', async () => {
    const [plan, x] = [compile(dense(5)), features()];
    const labels = tf.zeros([4, 2]);
    await expectNoLeak(() => {
      expect(() => plan.forwardBackward(x, labels, { loss: meanSquaredError() })).toThrow(
        'expected labels [4, 5]',
      );
      expect(() => plan.evaluate(x, labels, { loss: softmaxCrossEntropy })).toThrow(
        'expected labels [4]',
      );
    });
  });
});

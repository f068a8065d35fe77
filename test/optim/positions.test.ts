/** Losses over positions and with masks, against PyTorch's. */

import { readFileSync } from 'node:fs';
import type { AnyLoss, Tensors } from '@deepend/compiler';
import {
  binaryCrossEntropy,
  crossEntropy,
  huberLoss,
  meanAbsoluteError,
  meanSquaredError,
  smoothL1,
  softmaxCrossEntropy,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { expectNumbers } from '../compiler/goldens';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const FACTORIES = {
  crossEntropy,
  meanSquaredError,
  meanAbsoluteError,
  huberLoss,
  smoothL1,
  binaryCrossEntropy,
};

interface Golden {
  outputs: number[];
  tokens: number[];
  soft: number[];
  real: number[];
  mask: number[];
  within: number[];
  lengths: number[];
  rows: {
    loss: keyof typeof FACTORIES;
    options: object;
    labels: 'tokens' | 'soft' | 'real';
    mask: '' | 'mask' | 'within';
    value: number | number[];
    gradient: number[];
  }[];
}
const golden = JSON.parse(readFileSync('test/golden/losses.json', 'utf8')) as Golden;
const [BATCH, TIME, CLASSES] = [3, 4, 5];
const SHAPE = [BATCH, TIME, CLASSES];

type Row = Golden['rows'][number];
const outputs = () => tf.tensor(golden.outputs, SHAPE);
function labelsOf({ labels: kind, mask }: Pick<Row, 'labels' | 'mask'>): Tensors {
  const labels =
    kind === 'tokens'
      ? tf.tensor(golden.tokens, [BATCH, TIME], 'int32')
      : tf.tensor(golden[kind], SHAPE);
  return mask === '' ? labels : { labels, mask: tf.tensor(golden[mask], [BATCH, TIME]) };
}
const tokens = () => labelsOf({ labels: 'tokens', mask: '' }) as tf.Tensor;
const numberOf = (scalar: tf.Tensor | null | undefined) => scalar?.dataSync()[0] as number;
const valuesOf = ({ value }: Row): number[] => (Array.isArray(value) ? value : [value]);
const make = ({ loss, options }: Row): AnyLoss =>
  (FACTORIES[loss] as (options: object) => AnyLoss)(options);
const rows = golden.rows.map(
  (row) =>
    [`${row.loss} ${JSON.stringify(row.options)} of ${row.labels} ${row.mask}`, row] as const,
);

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`losses over positions on ${title}`, () => {
    beforeAll(() => use(backend));

    it.each(rows)("%s is PyTorch's, and so is its gradient", async (_, row) => {
      const [x, y, loss] = [outputs(), labelsOf(row), make(row)];
      await expectNoLeak(() => {
        const found = loss(x, y);
        expectNumbers(found.loss.dataSync(), valuesOf(row));
        expectNumbers(found.dLogits.dataSync(), row.gradient);
        expect(found.dLogits.shape).toEqual(SHAPE);
        tf.dispose([found.loss, found.dLogits, ...(found.correct ? [found.correct] : [])]);
        tf.dispose([loss.mass?.(y), loss.answers?.(y)].filter((x) => x instanceof tf.Tensor));
      });
    });

    it.each(rows)('%s is the same on the tape of a function', async (_, row) => {
      const [x, y, loss] = [outputs(), labelsOf(row), make(row)];
      const weights = tf.tensor(valuesOf(row).map((_, i) => 1 + (i % 3)));
      await expectNoLeak(() => {
        const { value, grad } = tf.valueAndGrad((z: tf.Tensor) =>
          tf.sum(tf.mul(tf.reshape(loss(z, y).loss, [-1]), weights)),
        )(x);
        const found = loss(x, y);
        const expected = tf.tidy(() => {
          const perValue = tf.reshape(weights, found.loss.shape);
          const ones = SHAPE.slice(found.loss.rank).map(() => 1);
          return tf.mul(found.dLogits, tf.reshape(perValue, [...found.loss.shape, ...ones]));
        });
        expectNumbers(grad.dataSync(), [...expected.dataSync()]);
        tf.dispose([value, grad, expected, found.loss, found.dLogits, found.correct ?? []].flat());
      });
    });

    const lengthRows = rows.filter(([, { mask }]) => mask === 'within');
    it.each(lengthRows)('%s is the same by lengths', async (_, row) => {
      const x = outputs();
      const loss = make(row);
      const { labels } = labelsOf(row) as { labels: tf.Tensor };
      const y = { labels, lengths: tf.tensor1d(golden.lengths, 'int32') };
      await expectNoLeak(() => {
        loss.checkLabels?.(x, y);
        const found = loss(x, y);
        expectNumbers(found.loss.dataSync(), valuesOf(row));
        expectNumbers(found.dLogits.dataSync(), row.gradient);
        const masses = [loss.mass?.(y), loss.answers?.(y)];
        const byMask = labelsOf(row);
        const expected = [loss.mass?.(byMask), loss.answers?.(byMask)];
        const read = (mass?: tf.Scalar | number) =>
          mass instanceof tf.Tensor ? numberOf(mass) : mass;
        expect(masses.map(read)).toEqual(expected.map(read));
        tf.dispose([found.loss, found.dLogits, found.correct ?? [], masses, expected]);
        tf.dispose(byMask as tf.TensorContainer);
      });
    });

    const means = rows.filter(([, { options }]) => !('reduction' in options));
    it.each(means)('%s of a batch is joined from its samples by their masses', (_, row) => {
      const loss = make(row);
      const whole = labelsOf(row);
      const parts = [0, 1, 2].map((i) => {
        const part = (x: tf.Tensor) => tf.slice(x, [i], [1]);
        const y =
          whole instanceof tf.Tensor
            ? part(whole)
            : Object.fromEntries(
                Object.entries(whole).map(([name, x]) => [name, part(x as tf.Tensor)]),
              );
        const mass = loss.mass?.(y) ?? 1;
        return {
          mass: typeof mass === 'number' ? mass : numberOf(mass),
          loss: numberOf(loss(part(outputs()), y).loss),
        };
      });
      const mass = parts.reduce((sum, part) => sum + part.mass, 0);
      const joined = parts.reduce((sum, part) => sum + part.mass * part.loss, 0) / mass;
      expect(joined).toBeCloseTo(row.value as number, 5);
    });
  });
}

describe('a loss over positions', () => {
  beforeAll(() => use('cpu-js'));

  it.each(rows)('%s: finite differences', (_, row) => {
    const [loss, y, epsilon] = [make(row), labelsOf(row), 0.01];
    const at = (values: number[]) =>
      numberOf(tf.sum(loss(tf.tensor(values, SHAPE), y).loss as tf.Tensor));
    const found = loss(outputs(), y).dLogits.dataSync();
    const slopes = golden.outputs.map((value, i) => {
      const up = at(golden.outputs.with(i, value + epsilon));
      return (up - at(golden.outputs.with(i, value - epsilon))) / (2 * epsilon);
    });
    const isSmooth = !['meanAbsoluteError', 'huberLoss', 'smoothL1'].includes(row.loss);
    const isSum = 'reduction' in row.options;
    if (isSmooth) expectNumbers(slopes, [...found], isSum ? 4e-2 : 2e-3);
    // Where a term has a corner within epsilon, the difference is another.
    else
      expect(
        slopes.filter((slope, i) => Math.abs(slope - (found[i] ?? 0)) > (isSum ? 3e-2 : 1e-3))
          .length,
      ).toBeLessThan(3);
  });

  it('counts correct positions that count', () => {
    const x = tf.oneHot(tf.tensor2d([[1, 2, 0]], [1, 3], 'int32'), 3);
    const labels = tf.tensor2d([[1, 2, 2]], [1, 3], 'int32');
    const count = (loss: AnyLoss, y: Tensors) => numberOf(loss(tf.cast(x, 'float32'), y).correct);
    expect(count(softmaxCrossEntropy as AnyLoss, labels)).toBe(2);
    expect(count(crossEntropy({ ignoreIndex: 2 }), labels)).toBe(1);
    expect(count(crossEntropy(), { labels, mask: tf.tensor2d([[0, 1, 1]]) })).toBe(1);
  });

  it('is 0 where nothing counts', () => {
    const y = { labels: tokens(), mask: tf.zeros([BATCH, TIME]) };
    const { loss, dLogits } = crossEntropy()(outputs(), y);
    expect(numberOf(loss)).toBe(0);
    expect([...dLogits.dataSync()].every((value) => value === 0)).toBe(true);
  });

  it('lets labels that do not count be no classes', () => {
    const padded = tf.where(tf.equal(tokens(), 0), tf.scalar(-100, 'int32'), tokens());
    const value = numberOf(crossEntropy({ ignoreIndex: -100 })(outputs(), padded).loss);
    expect(value).toBeCloseTo(
      numberOf(crossEntropy({ ignoreIndex: 0 })(outputs(), tokens()).loss),
      6,
    );
  });

  const other = (values: number[][]) => tf.tensor2d(values, [1, 2], 'int32');
  it('names a label outside the classes and its place', () => {
    const x = tf.zeros([1, 2, 5]);
    const check = (loss: AnyLoss, values: number[][]) => () => loss.checkLabels?.(x, other(values));
    const plain = softmaxCrossEntropy as AnyLoss;
    expect(check(plain, [[1, 5]])).toThrow('expected labels from 0 to 4');
    expect(check(plain, [[1, 5]])).toThrow('got 5 at [0, 1]');
    expect(check(plain, [[-1, 1]])).toThrow('got -1 at [0, 0]');
    expect(check(crossEntropy({ ignoreIndex: -1 }), [[-1, 1]])).not.toThrow();
  });

  it.each([
    [3, 'got 3 for sequence 0 of a batch'],
    [-1, 'got -1'],
    [1.5, 'got 1.5'],
  ])('names a length that is none: %d', (length, message) => {
    const lengths = tf.tensor1d([length]);
    for (const [loss, labels] of [
      [crossEntropy(), other([[1, 1]])],
      [huberLoss(), tf.zeros([1, 2, 5])],
    ] as const)
      expect(() => loss.checkLabels?.(tf.zeros([1, 2, 5]), { labels, lengths })).toThrow(message);
  });

  it('counts answers per position, where a mask counts any of them', () => {
    const loss = binaryCrossEntropy();
    const labels = tf.zeros([2, 3, 4]);
    expect(loss.answers?.(labels)).toBe(6);
    const mask = tf.tensor2d([
      [1, 0, 0],
      [1, 1, 0],
    ]);
    expect(numberOf(loss.answers?.({ labels, mask }) as tf.Scalar)).toBe(3);
    expect(numberOf(loss(tf.fill([2, 3, 4], -1), { labels, mask }).correct)).toBe(3);
  });

  it.each([
    ['float32 tokens', crossEntropy(), tf.zeros([1, 2])],
    ['labels of another length', crossEntropy(), tf.zeros([1, 3], 'int32')],
    ['another mask', crossEntropy(), { labels: other([[1, 1]]), mask: tf.ones([1, 3]) }],
    ['an unknown name', crossEntropy(), { labels: other([[1, 1]]), masks: tf.ones([1, 2]) }],
    ['numbers of another shape', huberLoss(), tf.zeros([1, 2, 4])],
    [
      'a length too many',
      crossEntropy(),
      { labels: other([[1, 1]]), lengths: tf.ones([2], 'int32') },
    ],
    [
      'lengths with a mask',
      huberLoss(),
      { labels: tf.zeros([1, 2, 5]), mask: tf.ones([1, 2]), lengths: tf.ones([1], 'int32') },
    ],
    ['another mask of numbers', smoothL1(), { labels: tf.zeros([1, 2, 5]), mask: tf.ones([2]) }],
  ] as const)('refuses %s, and leaves no tensor', (_, loss, labels) => {
    const x = tf.zeros([1, 2, 5]);
    const before = tf.memory().numTensors;
    expect(() => loss(x, labels)).toThrow(/\[optim\] \w+: expected (labels|lengths|a mask)/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it.each([
    [() => crossEntropy({ ignoreIndex: 0.5 }), 'option "ignoreIndex" must be'],
    [() => crossEntropy({ reduction: 'max' as never }), 'option "reduction" must be one of'],
    [() => huberLoss({ delta: 0 }), 'option "delta" must be a number above 0'],
    [() => smoothL1({ beta: Number.NaN }), 'option "beta" must be a number above 0'],
  ])('refuses wrong options: %#', (build, message) => {
    expect(build).toThrow(message);
  });
});

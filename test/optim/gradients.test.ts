/**
 * Clipping and sums of gradients, and averages of weights: against PyTorch's and against the whole.
 */

import { compile, type Parameter, type ParameterGradient } from '@deepend/compiler';
import {
  clipByNorm,
  clipByValue,
  GradientAccumulator,
  ModelEma,
  sgdStep,
  softmaxCrossEntropy,
} from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  disposeAll,
  expectNumbers,
  golden,
  goldenGradients,
  goldenParameters,
} from '../compiler/goldens';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { goldenBatch } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

const valuesOf = (gradients: readonly ParameterGradient[]) =>
  gradients.map(({ gradient }) => [...gradient.dataSync()]);
const weightsOf = (parameters: readonly Parameter[]) =>
  parameters.map(({ variable }) => [...variable.dataSync()]);
const nameOf = ({ parameter }: { parameter: Parameter }) => parameter.name;

/** Convolution, batch normalization, a linear layer; the first is frozen. */
function smallNet() {
  const layers = [
    tfl.layers.conv2d({
      filters: 3,
      kernelSize: 3,
      inputShape: [8, 8, 1],
      name: 'frozen',
      trainable: false,
    }),
    tfl.layers.conv2d({ filters: 3, kernelSize: 3, name: 'conv' }),
    tfl.layers.batchNormalization({ name: 'norm', momentum: 0.5 }),
    tfl.layers.flatten(),
    tfl.layers.dense({ units: 3, name: 'head', kernelInitializer: 'leCunNormal' }),
  ];
  return tfl.sequential({ layers });
}

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`gradients on ${title}`, () => {
    beforeAll(() => use(backend));

    const byNorm = golden.clipping.flatMap(({ maxNorm, norm, gradients }) =>
      maxNorm && norm ? [{ maxNorm, norm, gradients }] : [],
    );
    it.each(byNorm)(
      "clipped by the norm $maxNorm are PyTorch's",
      async ({ maxNorm, norm, gradients: expected }) => {
        const parameters = goldenParameters();
        await expectNoLeak(() => {
          const gradients = goldenGradients(parameters, 0);
          const before = valuesOf(gradients);
          const was = clipByNorm(gradients, maxNorm);
          expectNumbers(was.dataSync(), [norm]);
          for (const entry of gradients)
            expectNumbers(entry.gradient.dataSync(), expected[nameOf(entry)] as number[]);
          if (norm < maxNorm) expect(valuesOf(gradients)).toEqual(before);
          was.dispose();
          disposeAll(gradients);
        });
      },
    );

    const byValue = golden.clipping.flatMap(({ limit, gradients }) =>
      limit ? [{ limit, gradients }] : [],
    );
    it.each(byValue)(
      "clipped by the value $limit are PyTorch's",
      async ({ limit, gradients: expected }) => {
        const parameters = goldenParameters();
        await expectNoLeak(() => {
          const gradients = goldenGradients(parameters, 0);
          clipByValue(gradients, limit);
          for (const entry of gradients)
            expectNumbers(entry.gradient.dataSync(), expected[nameOf(entry)] as number[]);
          disposeAll(gradients);
        });
      },
    );

    it('that are not finite stay so when they are clipped', () => {
      const [parameter] = goldenParameters().slice(1) as [Parameter];
      const gradients = [{ parameter, gradient: tf.tensor1d([1, Number.NaN, 2]) }];
      expect(clipByNorm(gradients, 1).dataSync()[0]).toBeNaN();
      expect(gradients[0]?.gradient.dataSync()[0]).toBeNaN();
    });

    it('sum up with their weights, apart from what they came from', async () => {
      const parameters = goldenParameters();
      await expectNoLeak(() => {
        const sums = new GradientAccumulator();
        const [first, second] = [
          goldenGradients(parameters, 0),
          goldenGradients(parameters.slice(1), 1),
        ];
        const [firstValues, secondValues] = [valuesOf(first), [[0], ...valuesOf(second)]];
        sums.add(first, 0.25);
        sums.add(second, 0.75);
        const taken = sums.take();
        expect(taken.map(nameOf)).toEqual(parameters.map((parameter) => nameOf({ parameter })));
        expect(valuesOf(first)).toEqual(firstValues);
        taken.forEach(({ gradient }, i) => {
          expectNumbers(
            gradient.dataSync(),
            (firstValues[i] as number[]).map(
              (value, j) => 0.25 * value + 0.75 * (secondValues[i]?.[j] ?? 0),
            ),
          );
        });
        expect(sums.take()).toEqual([]);
        sums.add(second, 1); // anew
        sums.dispose();
        for (const gradients of [first, second, taken]) disposeAll(gradients);
      });
    });

    it('of the parts of a batch sum up to those of the whole', () => {
      const net = tfl.sequential({
        layers: [tfl.layers.flatten({ inputShape: [8, 8, 1] }), tfl.layers.dense({ units: 3 })],
      });
      const plan = compile(net);
      const { features, labels } = goldenBatch([7, 8, 8, 1], 'parts', { numClasses: 3 });
      const whole = plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy });
      const sums = new GradientAccumulator();
      for (const [start, count] of [
        [0, 4],
        [4, 2],
        [6, 1],
      ] as const) {
        const { gradients } = plan.forwardBackward(
          tf.slice(features, start, count),
          tf.slice(labels, start, count),
          { loss: softmaxCrossEntropy },
        );
        sums.add(gradients, count / 7);
      }
      const parts = sums.take();
      whole.gradients.forEach((entry, i) => {
        expectNumbers(parts[i]?.gradient.dataSync() ?? [], [...entry.gradient.dataSync()], 2e-6);
      });
    });
  });

  describe.skipIf(absent)(`an average of weights on ${title}`, () => {
    beforeAll(() => use(backend));

    it("is PyTorch's, and comes back from its state", async () => {
      await expectNoLeak(() => {
        const parameters = goldenParameters();
        const { decay, last } = golden.average;
        const average = new ModelEma({ parameters, statistics: [] }, { decay });
        for (let i = 0; i < 10; i++) {
          const gradients = goldenGradients(parameters, i);
          sgdStep(gradients, { lr: golden.lr });
          disposeAll(gradients);
          average.update();
        }
        const { updates, weights } = average.state();
        expect(updates).toBe(10);
        for (const [name, values] of Object.entries(last))
          expectNumbers(weights[name]?.dataSync() ?? [], values);

        const copy = new ModelEma({ parameters, statistics: [] }, { decay });
        copy.restore(average.state());
        for (const each of [average, copy]) each.update();
        const now = (of: ModelEma) =>
          Object.values(of.state().weights).map((tensor) => [...tensor.dataSync()]);
        expect(now(copy)).toEqual(now(average));
        expect(copy.state().updates).toBe(11);
        for (const each of [average, copy]) each.dispose();
        tf.dispose(parameters.map(({ variable }) => variable));
      });
    });

    it('swaps in and out, bit for bit', () => {
      const parameters = goldenParameters();
      const before = weightsOf(parameters);
      const average = new ModelEma({ parameters, statistics: [] }, { decay: 0.5 });
      average.update();
      sgdStep(goldenGradients(parameters, 0), { lr: 0.1 });
      const after = weightsOf(parameters);
      average.swap();
      expect(average.swapped).toBe(true);
      expect(weightsOf(parameters)).toEqual(before); // the first update took the weights as they were
      expect(
        Object.values(average.state().weights).map((tensor) => [...tensor.dataSync()]),
      ).toEqual(before);
      expect(() => average.update()).toThrow(
        'the model has the averages for its weights; swap them back first',
      );
      expect(() => average.restore(average.state())).toThrow('swap them back first');
      average.swap();
      expect(weightsOf(parameters)).toEqual(after);
      average.swap();
      average.dispose(); // gives them back
      expect(weightsOf(parameters)).toEqual(after);
    });

    it('takes in the statistics of batch normalization, and nothing frozen', () => {
      const plan = compile(smallNet());
      const names = (parameters: readonly Parameter[]) =>
        parameters.map((parameter) => nameOf({ parameter })).sort();
      const learning = [
        'conv/bias',
        'conv/kernel',
        'head/bias',
        'head/kernel',
        'norm/beta',
        'norm/gamma',
      ];
      expect(names(plan.parameters)).toEqual(learning);
      expect(names(plan.statistics)).toEqual(['norm/moving_mean', 'norm/moving_variance']);
      const average = new ModelEma(plan, { decay: 0.9 });
      const { features, labels } = goldenBatch([4, 8, 8, 1], 'average', { numClasses: 3 });
      const { gradients } = plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy });
      expect(gradients.map(nameOf).sort()).toEqual(learning);
      const [mean] = plan.statistics as [Parameter];
      const moved = [...mean.variable.dataSync()];
      expect(moved.some((value) => value !== 0)).toBe(true);
      expect(average.state().weights['norm/moving_mean']?.dataSync()).toEqual(new Float32Array(3));
      average.update();
      expect(average.state().weights['norm/moving_mean']?.dataSync()).toEqual(
        Float32Array.from(moved),
      );
    });
  });
}

describe('what they refuse', () => {
  beforeAll(() => use('cpu-js'));

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('a limit of %d', (limit) => {
    expect(() => clipByNorm([], limit)).toThrow(
      `[optim] clipByNorm: maxNorm must be a number above 0, got ${limit}`,
    );
    expect(() => clipByValue([], limit)).toThrow(
      `[optim] clipByValue: limit must be a number above 0, got ${limit}`,
    );
  });

  it('a weight that is no number', () => {
    expect(() => new GradientAccumulator().add([], Number.NaN)).toThrow(
      'weight must be a finite number, got NaN',
    );
  });

  it('an average of another net, and it stays as it was', () => {
    const average = new ModelEma({ parameters: goldenParameters(), statistics: [] });
    const { weights } = average.state();
    const before = Object.values(weights).map((tensor) => [...tensor.dataSync()]);
    const { 'fc/kernel': _, ...fewer } = weights;
    expect(() => average.restore({ updates: 1, weights: fewer })).toThrow(
      'expected fc/kernel of [3, 4], got nothing',
    );
    const other = { ...weights, 'fc/kernel': tf.zeros([4, 3]) };
    expect(() => average.restore({ updates: 1, weights: other })).toThrow(
      'expected fc/kernel of [3, 4], got [4, 3]',
    );
    const more = { ...weights, 'head/kernel': tf.zeros([1]) };
    expect(() => average.restore({ updates: 1, weights: more })).toThrow(
      'the model has no head/kernel',
    );
    expect(() => average.restore({ updates: 0.5, weights })).toThrow(
      'integer of at least 0, got 0.5',
    );
    expect(Object.values(average.state().weights).map((tensor) => [...tensor.dataSync()])).toEqual(
      before,
    );
    expect(() => new ModelEma({ parameters: [], statistics: [] }, { decay: 1 })).toThrow(
      '[optim] ModelEma: option "decay" must be a number from 0 to below 1, got 1',
    );
  });
});

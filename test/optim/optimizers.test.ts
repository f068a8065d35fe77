/** Updates against PyTorch's, what an optimizer remembers, and what it refuses. */

import type { Parameter } from '@deepend/compiler';
import { createOptimizer, type Optimizer, type OptimizerOptions, sgdStep } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
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
import { expectNoLeak } from '../helpers/leaks';

const { lr } = golden;
type Absent = Record<string, number[]> | undefined;

/** Does the golden steps from `start` to before `end`. */
function steps(
  optimizer: Optimizer,
  parameters: readonly Parameter[],
  [start, end]: [number, number],
  absent?: Absent,
): void {
  for (let i = start; i < end; i++) {
    const here = parameters.filter(({ name }) => !absent?.[name]?.includes(i));
    const gradients = goldenGradients(here, i);
    optimizer.step(gradients, { lr });
    disposeAll(gradients);
  }
}

const valuesOf = (parameters: readonly Parameter[]) =>
  parameters.map(({ variable }) => [...variable.dataSync()]);
const free = (parameters: readonly Parameter[]) =>
  tf.dispose(parameters.map(({ variable }) => variable));

function expectWeights(parameters: readonly Parameter[], expected: Record<string, number[]>): void {
  for (const { name, variable } of parameters) {
    expectNumbers(variable.dataSync(), expected[name] as number[]);
  }
}

/** By titles that tell them apart. */
const rows = golden.optimizers.map((row) => {
  const { options, absent } = row;
  return [JSON.stringify({ ...options, ...(absent && { absent }) }), row] as const;
});

for (const { name: backend, title: engineTitle, absent: missing } of allBackends) {
  describe.skipIf(missing)(`optimizers on ${engineTitle}`, () => {
    beforeAll(() => use(backend));

    it.each(rows)("%s ends where PyTorch's does", (_, { options, first, last, absent }) => {
      const parameters = goldenParameters();
      const optimizer = createOptimizer(options);
      steps(optimizer, parameters, [0, 1], absent);
      expectWeights(parameters, first);
      steps(optimizer, parameters, [1, golden.gradients.length], absent);
      expectWeights(parameters, last);
    });

    it.each(rows)(
      '%s continues from a state, bit for bit, and leaves no tensor',
      async (_, { options, absent }) => {
        await expectNoLeak(() => {
          const [straight, halfway, aside] = [
            goldenParameters(),
            goldenParameters(),
            goldenParameters(),
          ];
          const [whole, before, after] = [
            createOptimizer(options),
            createOptimizer(options),
            createOptimizer(options),
          ];
          steps(whole, straight, [0, 10], absent);
          steps(before, halfway, [0, 4], absent);
          after.restore(before.state());
          before.restore(before.state()); // its own
          steps(before, aside, [4, 5], absent); // writes into its slots, and not into those that were restored from them
          before.dispose();
          steps(after, halfway, [4, 10], absent);
          expect(valuesOf(halfway)).toEqual(valuesOf(straight));
          expect(after.state().updates).toBe(10);
          expect(Object.keys(after.state().slots).sort()).toEqual(
            Object.keys(whole.state().slots).sort(),
          );
          whole.dispose();
          after.dispose();
          for (const parameters of [straight, halfway, aside]) free(parameters);
        });
      },
    );

    it('leaves a clone of a weight as it is', () => {
      const parameters = goldenParameters();
      const clones = parameters.map(({ variable }) => tf.clone(variable));
      const before = clones.map((clone) => [...clone.dataSync()]);
      steps(createOptimizer({ name: 'adam' }), parameters, [0, 2]);
      expect(clones.map((clone) => [...clone.dataSync()])).toEqual(before);
      expect(valuesOf(parameters)).not.toEqual(before);
    });

    it('holds what it has seen, and no more after a thousand steps', () => {
      const parameters = goldenParameters();
      const optimizer = createOptimizer({ name: 'adam', weightDecay: 0.01 });
      const before = tf.memory();
      expect(optimizer.state()).toEqual({ updates: 0, slots: {} });
      steps(optimizer, parameters.slice(1, 2), [0, 1]);
      const one = tf.memory();
      expect(Object.keys(optimizer.state().slots)).toEqual(['conv/bias/mean', 'conv/bias/square']);
      expect(one.numTensors - before.numTensors).toBe(2);
      expect(one.numBytes - before.numBytes).toBe(2 * 3 * 4);
      for (let i = 1; i < 1000; i++) {
        const gradients = goldenGradients(parameters.slice(1, 2), i % 10);
        optimizer.step(gradients, { lr: 1e-3 });
        disposeAll(gradients);
      }
      expect(tf.memory()).toMatchObject({ numTensors: one.numTensors, numBytes: one.numBytes });
      expect(optimizer.state().updates).toBe(1000);
      optimizer.dispose();
      expect(tf.memory()).toMatchObject({
        numTensors: before.numTensors,
        numBytes: before.numBytes,
      });
    });

    it('without momentum and decay is sgd', () => {
      const [some, others] = [goldenParameters(), goldenParameters()];
      steps(createOptimizer({ name: 'sgd' }), some, [0, 3]);
      for (let i = 0; i < 3; i++) sgdStep(goldenGradients(others, i), { lr });
      expect(valuesOf(some)).toEqual(valuesOf(others));
    });
  });
}

describe('an optimizer', () => {
  beforeAll(() => use('cpu-js'));

  it('moves from one backend to another with its slots', async () => {
    const run = async (second: 'cpu-js' | 'simd') => {
      await use('cpu-js');
      const parameters = goldenParameters();
      const optimizer = createOptimizer({ name: 'adam' });
      steps(optimizer, parameters, [0, 5]);
      const state = optimizer.state();
      const copies = createOptimizer({ name: 'adam' });
      copies.restore(state);
      await use(second);
      steps(copies, parameters, [5, 10]);
      const kept = Object.values(state.slots).map((slot) => [...slot.dataSync()]);
      return { weights: valuesOf(parameters).flat(), kept };
    };
    const [there, here] = [await run('simd'), await run('cpu-js')];
    await use('cpu-js');
    expectNumbers(there.weights, here.weights);
    expect(there.kept).toEqual(here.kept); // the first optimizer's slots stay its own
  });

  it("has PyTorch's defaults", () => {
    const common = { excludeFromDecay: 'none', groups: [] };
    const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    const expected: Record<string, object> = {
      sgd: { momentum: 0, nesterov: false, weightDecay: 0, decoupled: false },
      adam: { ...adam, weightDecay: 0, decoupled: false },
      adamw: { ...adam, weightDecay: 0.01, decoupled: true },
      rmsprop: {
        alpha: 0.99,
        epsilon: 1e-8,
        momentum: 0,
        centered: false,
        weightDecay: 0,
        decoupled: false,
      },
      adagrad: { epsilon: 1e-10, weightDecay: 0, decoupled: false },
      lion: { beta1: 0.9, beta2: 0.99, weightDecay: 0, decoupled: true },
      adadelta: { rho: 0.9, epsilon: 1e-6, weightDecay: 0, decoupled: false },
      yogi: { ...adam, epsilon: 1e-3, weightDecay: 0, decoupled: false },
      adamax: { ...adam, weightDecay: 0, decoupled: false },
      nadam: { ...adam, momentumDecay: 0.004, weightDecay: 0, decoupled: false },
    };
    for (const [name, options] of Object.entries(expected)) {
      expect(createOptimizer({ name } as OptimizerOptions).options).toEqual({
        name,
        ...common,
        ...options,
      });
    }
  });

  it.each([
    [
      { name: 'adma' },
      RangeError,
      `[optim] createOptimizer: option "name" must be one of 'sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lion', 'adadelta', 'yogi', 'adamax', 'nadam', got 'adma'`,
    ],
    [undefined, TypeError, 'option "name" must be one of'],
    [
      { name: 'sgd', beta1: 0.9 },
      TypeError,
      'there is no option "beta1"; it has "name", "weightDecay"',
    ],
    [{ name: 'adam', momentm: 0.9 }, TypeError, 'there is no option "momentm"'],
    [
      { name: 'sgd', momentum: 1 },
      RangeError,
      'option "momentum" must be a number from 0 to below 1, got 1',
    ],
    [
      { name: 'adam', beta2: 1 },
      RangeError,
      'option "beta2" must be a number from 0 to below 1, got 1',
    ],
    [
      { name: 'sgd', nesterov: true },
      RangeError,
      'option "nesterov" must go with a momentum above 0, got 0',
    ],
    [
      { name: 'adamw', decoupled: false },
      RangeError,
      `option "decoupled" must be true; 'adam' has the other form, got false`,
    ],
    [
      { name: 'sgd', weightDecay: -1 },
      RangeError,
      'option "weightDecay" must be a number of at least 0, got -1',
    ],
    [
      { name: 'sgd', groups: [{ params: 'fc', lrSacle: 2 }] },
      TypeError,
      'there is no option "lrSacle"',
    ],
    [
      { name: 'sgd', groups: [{ params: [] }] },
      RangeError,
      'option "groups.0.params" must be the name of a layer or of a parameter, or a list of names',
    ],
  ])('refuses %j', (options, type, message) => {
    const make = () => createOptimizer(options as OptimizerOptions);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  it.each([Number.NaN, -0.1, Number.POSITIVE_INFINITY, undefined])(
    'refuses a learning rate of %s and moves nothing',
    (bad) => {
      const parameters = goldenParameters();
      const before = valuesOf(parameters);
      const optimizer = createOptimizer({ name: 'lion' });
      expect(() => optimizer.step(goldenGradients(parameters, 0), { lr: bad as number })).toThrow(
        '[optim] optimizer.step: option "lr" must be a number of at least 0, got',
      );
      expect(valuesOf(parameters)).toEqual(before);
      expect(optimizer.state()).toEqual({ updates: 0, slots: {} });
    },
  );

  it('refuses a group that no parameter is in, and says which there are', () => {
    const optimizer = createOptimizer({ name: 'sgd', groups: [{ params: 'con' }] });
    expect(() => optimizer.step(goldenGradients(goldenParameters(), 0), { lr })).toThrow(
      'no trainable parameter is in the group con; the trainable ones are conv/kernel, conv/bias, bn/gamma, fc/kernel',
    );
  });

  it('reads a dot in a name as a dot', () => {
    const optimizer = createOptimizer({ name: 'sgd', groups: [{ params: 'c.nv' }] });
    expect(() => optimizer.step(goldenGradients(goldenParameters(), 0), { lr })).toThrow(
      'in the group c.nv',
    );
  });

  it.each([
    [
      'a step that is none',
      { updates: -1, slots: {} },
      'expected a state whose updates are an integer of at least 0, got -1',
    ],
    [
      'slots of another rule',
      { updates: 1, slots: { 'fc/kernel/momentum': tf.scalar(0) } },
      "expected slots mean, square, missed of 'adam', got fc/kernel/momentum",
    ],
  ])('refuses a state with %s, and keeps its own', (_, state, message) => {
    const optimizer = createOptimizer({ name: 'adam' });
    steps(optimizer, goldenParameters(), [0, 1]);
    const before = optimizer.state();
    expect(() => optimizer.restore(state)).toThrow(message);
    expect(optimizer.state()).toEqual(before);
  });

  it('refuses a state of another net at the next step', () => {
    const parameters = goldenParameters();
    const before = valuesOf(parameters);
    const restored = (slots: Record<string, tf.Tensor>) => {
      const optimizer = createOptimizer({ name: 'sgd', momentum: 0.9 });
      optimizer.restore({ updates: 3, slots });
      return () => optimizer.step(goldenGradients(parameters, 0), { lr });
    };
    expect(restored({ 'fc/kernel/momentum': tf.zeros([4, 3]) })).toThrow(
      'expected a slot fc/kernel/momentum of [3, 4], got [4, 3]',
    );
    expect(restored({ 'head/kernel/momentum': tf.zeros([3, 4]) })).toThrow(
      'the restored state is of another model: it has head/kernel/momentum, ... and none for conv/kernel, ...',
    );
    expect(valuesOf(parameters)).toEqual(before);
  });

  it('tells parameters of one name apart', () => {
    const [kernel, other] = [goldenParameters()[0], goldenParameters()[0]] as [
      Parameter,
      Parameter,
    ];
    const optimizer = createOptimizer({ name: 'adagrad' });
    optimizer.step([...goldenGradients([kernel], 0), ...goldenGradients([other], 0)], { lr });
    expect(Object.keys(optimizer.state().slots)).toEqual(['conv/kernel/sum', 'conv/kernel_2/sum']);
  });
});

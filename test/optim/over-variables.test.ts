/** Optimizers over any variables: the same numbers as over a plan's, and what is refused. */

import * as nn from '@deepend/nn';
import { parameter } from '@deepend/nn';
import * as optim from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients of core operations
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { expectNumbers } from '../compiler/goldens';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));
afterEach(() => {
  vi.restoreAllMocks();
});

/** A line through points: y = 2·x₁ − 3.4·x₂ + 4.2, the book's chapter 3. */
const x = () =>
  tf.tensor2d(
    Array.from({ length: 40 }, (_, i) => Math.sin(7 * i)),
    [20, 2],
  );
const y = () => tf.add(tf.matMul(x(), tf.tensor2d([2, -3.4], [2, 1])), 4.2);

const { adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop, sgd, yogi } = optim;
const FACTORIES = { adadelta, adagrad, adam, adamax, adamw, lion, nadam, rmsprop, sgd, yogi };
const NAMES = optim.OPTIMIZER_NAMES;
const LR: Partial<Record<(typeof NAMES)[number], number>> = { adadelta: 5, adagrad: 1, sgd: 0.3 };

describe.each(NAMES)('%s', (name) => {
  it('fits a line through points, and leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const [w, b] = [tf.tidy(() => tf.variable(tf.zeros([2, 1]))), tf.variable(tf.scalar(0))];
    const optimizer = FACTORIES[name]({ w, b }, { lr: LR[name] ?? 0.05 });
    const loss = () => tf.losses.meanSquaredError(y(), tf.add(tf.matMul(x(), w), b)) as tf.Scalar;
    const losses = Array.from({ length: 200 }, () => {
      const value = optimizer.step(loss);
      const [number = Number.NaN] = value.dataSync();
      value.dispose();
      return number;
    });
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 10);
    optimizer.dispose();
    tf.dispose([w, b]);
    expect(tf.memory().numTensors).toBeLessThanOrEqual(before + 1); // tf.scalar's own handle
  });

  it('makes the updates of createOptimizer, and continues from its state', () => {
    const [one, other] = [tf.variable(tf.tensor1d([1, -2])), tf.variable(tf.tensor1d([1, -2]))];
    const optimizer = FACTORIES[name]([one], { lr: 0.1 });
    const reference = optim.createOptimizer({ name });
    const gradient = (i: number) => tf.tensor1d([0.3 * i - 1, 0.2]);
    const theirs = { name: '0', shape: [2], trainable: true, variable: other };
    for (let i = 0; i < 3; i++) {
      optimizer.step([gradient(i)]);
      reference.step([{ parameter: theirs, gradient: gradient(i) }], { lr: 0.1 });
    }
    expectNumbers(one.dataSync(), [...other.dataSync()]);
    const again = FACTORIES[name]([one], { lr: 0.1 });
    again.restore(reference.state());
    again.step([gradient(3)]);
    reference.step([{ parameter: theirs, gradient: gradient(3) }], { lr: 0.1 });
    expectNumbers(one.dataSync(), [...other.dataSync()]);
  });
});

it('takes a module, and steps only what is trainable', () => {
  const net = new nn.Linear(2, 1);
  const { weight } = net;
  if (net.bias) net.bias.trainable = false;
  const before = [[...weight.dataSync()], [...(net.bias?.dataSync() ?? [])]];
  const optimizer = optim.sgd(net, { lr: 0.1 });
  optimizer.step(() => tf.mean(tf.square(tf.sub(net.forward(x()), y())))).dispose();
  expect([...weight.dataSync()]).not.toEqual(before[0]);
  expect([...(net.bias?.dataSync() ?? [])]).toEqual(before[1]);
});

it('changes its learning rate from step to step', () => {
  const w = tf.variable(tf.scalar(1));
  const optimizer = optim.sgd([w], { lr: 0.5 });
  optimizer.step([tf.scalar(1)]);
  optimizer.lr = 0.25;
  optimizer.step([tf.scalar(1)]);
  expect(w.dataSync()[0]).toBe(0.25);
});

describe('bad input', () => {
  const w = () => parameter([2]);
  const disposed = () => {
    const variable = w();
    variable.dispose();
    return variable;
  };
  const twice = w();
  const rows: [string, () => unknown, RegExp][] = [
    [
      'no parameters',
      () => optim.sgd([], { lr: 0.1 }),
      /a list of variables or variables by name, got \[\]/,
    ],
    [
      'a tensor',
      () => optim.sgd([tf.ones([2])] as never, { lr: 0.1 }),
      /parameter 0 to be a tf.Variable/,
    ],
    [
      'a variable twice',
      () => optim.sgd([twice, twice], { lr: 0.1 }),
      /parameters 0 and 1 are one variable/,
    ],
    [
      'a disposed variable',
      () => optim.sgd({ w: disposed() }, { lr: 0.1 }),
      /parameter w is disposed/,
    ],
    [
      'no learning rate',
      () => optim.adam([w()], {} as never),
      /"lr" must be a number of at least 0, got undefined/,
    ],
    ['an option of another rule', () => optim.adam([w()], { lr: 1, momentum: 0.9 }), /momentum/],
    [
      'a loss that is no scalar',
      () => optim.sgd([twice], { lr: 1 }).step(() => twice as never),
      /a scalar, got \[2\]/,
    ],
    [
      'a loss of something else',
      () => optim.sgd([twice], { lr: 1 }).step(() => tf.scalar(1)),
      /depends on none of the parameters 0/,
    ],
    ['too few gradients', () => optim.sgd([twice], { lr: 1 }).step([]), /expected 1 gradients/],
    [
      'a gradient of another shape',
      () => optim.sgd([twice], { lr: 1 }).step([tf.ones([3])]),
      /a gradient of \[2\] for 0, got \[3\]/,
    ],
  ];
  it.each(rows)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('a parameter that the loss does not depend on is named once', () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const [used, idle] = [w(), w()];
    const optimizer = optim.sgd({ used, idle }, { lr: 0.1 });
    for (let i = 0; i < 2; i++) optimizer.step(() => tf.sum(used)).dispose();
    expect(warn.mock.calls).toEqual([[expect.stringMatching(/does not depend on idle/)]]);
  });
});

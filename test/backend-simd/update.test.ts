/** The fused update of all weights against the rules written out. */
import '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { mix } from '../helpers/fill';

const SIZES = [1, 3, 4, 7, 64, 16_384, 16_385, 40_001];
const LR = 0.1;
const BETA2 = 0.99;
const EPSILON = 1e-4;

interface State {
  w: number;
  m: number;
  v: number;
}
type Rule = (state: State, g: number, step: number, momentum: number) => State;

/** PyTorch's rules: torch.optim.SGD and torch.optim.Adam. */
const RULES: Record<string, Rule> = {
  sgd: ({ w, m, v }, g) => ({ w: w - LR * g, m, v }),
  momentum({ w, m, v }, g, _, momentum) {
    const velocity = momentum * m + g;
    return { w: w - LR * velocity, m: velocity, v };
  },
  nesterov({ w, m, v }, g, _, momentum) {
    const velocity = momentum * m + g;
    return { w: w - LR * (g + momentum * velocity), m: velocity, v };
  },
  adam({ w, m, v }, g, step, beta1) {
    const [mean, square] = [beta1 * m + (1 - beta1) * g, BETA2 * v + (1 - BETA2) * g * g];
    const root = Math.sqrt(square / (1 - BETA2 ** step)) + EPSILON;
    return { w: w - (LR * (mean / (1 - beta1 ** step))) / root, m: mean, v: square };
  },
};

const numbers = (size: number, name: string) => mix(size, name).map((value) => value - 0.5);

describe.each(Object.keys(RULES))('the update rule %s', (rule) => {
  beforeAll(() => tf.setBackend('simd'));

  it.each([0, 0.01])('with weight decay %d, over three steps, in place', (weightDecay) => {
    const momentum = 0.9;
    const weights = SIZES.map((size, i) => tf.variable(tf.tensor1d(numbers(size, `w${i}`))));
    const slots = [0, 1].map(() => SIZES.map((size) => tf.zeros([size])));
    const expected = SIZES.map((size, i) => Array.from(numbers(size, `w${i}`), (w): State => ({ w, m: 0, v: 0 })));
    const before = tf.memory().numTensors;
    for (const step of [1, 2, 3]) {
      const gradients = SIZES.map((size, i) => tf.tensor1d(numbers(size, `g${i}.${step}`)));
      const attrs = { rule, weights, gradients, slots, lr: LR, momentum, beta2: BETA2, epsilon: EPSILON, weightDecay, step };
      tf.engine().runKernel('deepend.update', {}, attrs as unknown as tf.NamedAttrMap);
      SIZES.forEach((size, i) => {
        const g = numbers(size, `g${i}.${step}`);
        expected[i] = (expected[i] as State[]).map((state, j) =>
          (RULES[rule] as Rule)(state, (g[j] as number) + weightDecay * state.w, step, momentum),
        );
      });
      tf.dispose(gradients);
    }
    weights.forEach((weight, i) => {
      const off = [...weight.dataSync()].map((value, j) => Math.abs(value - (expected[i]?.[j]?.w as number)));
      expect(Math.max(...off), `${SIZES[i]} weights`).toBeLessThan(2e-6);
    });
    expect(tf.memory().numTensors).toBe(before);
    tf.dispose([weights, slots]);
  });
});

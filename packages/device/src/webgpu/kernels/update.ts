/**
 * Optimizer updates in place, one shader per weight: it reads and writes the weight, the rule's
 * slots
 * and the gradient once.
 */
import type { UpdateRule } from '@deepend/compiler';
import { grid, INDEX, type Kernel, launch, size } from './launch';

const MEAN = (slot: string, beta: 1 | 2, now: string) =>
  `${slot}[i] * u.beta${beta} + (${now}) * u.rest${beta}`;

/**
 * WGSL: updates the slots `p`, `q` and `r`, and computes `change` from the gradient `g`, by the
 * formulas of optim's `rules.ts`.
 */
const RULES: Readonly<Record<UpdateRule, string>> = {
  sgd: 'let change = g;',
  momentum: 'let change = p[i] * u.beta1 + g; p[i] = change;',
  nesterov:
    'let velocity = p[i] * u.beta1 + g; p[i] = velocity; let change = velocity * u.beta1 + g;',
  adam: `let mean = ${MEAN('p', 1, 'g')}; let square = ${MEAN('q', 2, 'g * g')}; p[i] = mean;
    q[i] = square;
  let change = mean / (sqrt(square) / u.correction + u.epsilon);`,
  rmsprop: `let square = ${MEAN('p', 2, 'g * g')}; p[i] = square;
  let change = g / (sqrt(square) + u.epsilon);`,
  rmspropMomentum: `let square = ${MEAN('p', 2, 'g * g')}; p[i] = square;
  let change = q[i] * u.beta1 + g / (sqrt(square) + u.epsilon); q[i] = change;`,
  rmspropCentered: `let square = ${MEAN('p', 2, 'g * g')}; let mean = ${MEAN('q', 2, 'g')};
    p[i] = square; q[i] = mean;
  let change = g / (sqrt(max(square - mean * mean, number(0.0))) + u.epsilon);`,
  rmspropCenteredMomentum: `let square = ${MEAN('p', 2, 'g * g')};
    let mean = ${MEAN('q', 2, 'g')}; p[i] = square; q[i] = mean;
  let change = r[i] * u.beta1 + g / (sqrt(max(square - mean * mean, number(0.0))) + u.epsilon);
    r[i] = change;`,
  adagrad: `let sum = p[i] + g * g; p[i] = sum;
  let change = g / (sqrt(sum) + u.epsilon);`,
  lion: `let change = sign(${MEAN('p', 1, 'g')}); p[i] = ${MEAN('p', 2, 'g')};`,
};

export const update: Kernel<'deepend.update'> = {
  run({ backend, attrs }) {
    const { rule, entries, beta1 = 0, beta2 = 0, epsilon = 0 } = attrs;
    for (const {
      weight,
      gradient,
      slots = [],
      lr,
      decay = 0,
      shrink = 1,
      correction = 1,
    } of entries) {
      const [p, q, r] = slots;
      const wide = weight.size % 4 === 0;
      const count = wide ? size(weight) / 4 : size(weight);
      launch(backend, {
        name: 'update',
        variant: rule,
        writes: { weight, p, q, r },
        reads: { gradient },
        integers: { count },
        // 1 − β is rounded by itself: float32's 1 − 0.999 is off by a hundred-thousandth.
        floats: {
          beta1,
          rest1: 1 - beta1,
          beta2,
          rest2: 1 - beta2,
          epsilon,
          lr,
          decay,
          shrink,
          correction,
        },
        vectors: wide,
        groups: grid(count),
        main: () => /* wgsl */ `${INDEX}
  let w = weight[i];
  let g = gradient[i] + w * u.decay;
  ${RULES[rule]}
  weight[i] = w * u.shrink - change * u.lr;`,
      });
    }
    return [];
  },
};

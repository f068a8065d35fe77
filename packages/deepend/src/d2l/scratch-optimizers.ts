/**
 * The optimizers of the book's chapter 12 (zh 11), written out over free variables with the book's
 * constants, which differ in places from those of `optim`: Adagrad, RMSProp and Adadelta add
 * epsilon under the root.
 */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';

/** Numbers that an optimizer reads by name; Adam and Yogi also count their steps in `t`. */
export type Hyperparams = Record<string, number>;

/**
 * Updates parameters by gradients in the same order. The book's reads the gradients from the
 * parameters.
 * @param states what the optimizer keeps between steps: a list of variables for each parameter
 */
export type TrainerCh11 = (
  params: readonly tf.Variable[],
  gradients: readonly tf.Tensor[],
  states: readonly (readonly tf.Variable[])[],
  hyperparams: Hyperparams,
) => void;

/** An optimizer of the chapter. */
export interface OptimizerCh11 {
  /** Makes zero states for weights `[featureDim, 1]` and a bias `[1]`. The caller disposes them. */
  initStates(featureDim: number): tf.Variable[][];
  readonly update: TrainerCh11;
  /** The book's hyperparameters. Copy them, since Adam and Yogi count in them. */
  readonly hyperparams: Readonly<Hyperparams>;
}

interface Row {
  /** Number of states of each parameter. */
  readonly states: number;
  readonly hyperparams: Readonly<Hyperparams>;
  /** Moves one parameter and its states. */
  move(p: tf.Variable, g: tf.Tensor, states: readonly tf.Variable[], h: Hyperparams): void;
}

const decrease = (p: tf.Variable, by: tf.Tensor): void => p.assign(tf.sub(p, by));
/** rate · average + (1 − rate) · value */
const leaky = (average: tf.Variable, rate: number, value: tf.Tensor): void =>
  average.assign(tf.add(tf.mul(average, rate), tf.mul(value, 1 - rate)));
const rootOf = (x: tf.Tensor, epsilon: number): tf.Tensor => tf.sqrt(tf.add(x, epsilon));

const BETA = [0.9, 0.999] as const;

/** Adam's step by its states, with the corrections of the first steps. */
function adamStep(
  p: tf.Variable,
  [v, s]: readonly tf.Variable[],
  { lr, t, epsilon }: { lr: number; t: number; epsilon: number },
): void {
  const vHat = tf.div(v as tf.Variable, 1 - BETA[0] ** t);
  const sHat = tf.div(s as tf.Variable, 1 - BETA[1] ** t);
  decrease(p, tf.div(tf.mul(vHat, lr), tf.add(tf.sqrt(sHat), epsilon)));
}

type States2 = [tf.Variable, tf.Variable];

const ROWS = {
  sgd: {
    states: 0,
    hyperparams: { lr: 0.05 },
    move: (p, g, _, { lr = 0 }) => decrease(p, tf.mul(g, lr)),
  },
  momentum: {
    states: 1,
    hyperparams: { lr: 0.005, momentum: 0.9 },
    move: (p, g, states, { lr = 0, momentum = 0 }) => {
      const [v] = states as [tf.Variable];
      v.assign(tf.add(tf.mul(v, momentum), g));
      decrease(p, tf.mul(v, lr));
    },
  },
  adagrad: {
    states: 1,
    hyperparams: { lr: 0.1 },
    move: (p, g, states, { lr = 0 }) => {
      const [s] = states as [tf.Variable];
      s.assign(tf.add(s, tf.square(g)));
      decrease(p, tf.div(tf.mul(g, lr), rootOf(s, 1e-6)));
    },
  },
  rmsprop: {
    states: 1,
    hyperparams: { lr: 0.01, gamma: 0.9 },
    move: (p, g, states, { lr = 0, gamma = 0 }) => {
      const [s] = states as [tf.Variable];
      leaky(s, gamma, tf.square(g));
      decrease(p, tf.div(tf.mul(g, lr), rootOf(s, 1e-6)));
    },
  },
  adadelta: {
    states: 2,
    hyperparams: { rho: 0.9 },
    move: (p, g, states, { rho = 0 }) => {
      const [s, delta] = states as States2;
      leaky(s, rho, tf.square(g));
      const step = tf.mul(tf.div(rootOf(delta, 1e-5), rootOf(s, 1e-5)), g);
      decrease(p, step);
      leaky(delta, rho, tf.square(step));
    },
  },
  adam: {
    states: 2,
    hyperparams: { lr: 0.01, t: 1 },
    move: (p, g, states, { lr = 0, t = 1 }) => {
      const [v, s] = states as States2;
      leaky(v, BETA[0], g);
      leaky(s, BETA[1], tf.square(g));
      adamStep(p, states, { lr, t, epsilon: 1e-6 });
    },
  },
  yogi: {
    states: 2,
    hyperparams: { lr: 0.01, t: 1 },
    move: (p, g, states, { lr = 0, t = 1 }) => {
      const [v, s] = states as States2;
      leaky(v, BETA[0], g);
      const square = tf.square(g);
      const change = tf.mul(tf.mul(tf.sign(tf.sub(square, s)), square), 1 - BETA[1]);
      s.assign(tf.add(s, change));
      adamStep(p, states, { lr, t, epsilon: 1e-3 });
    },
  },
} as const satisfies Record<string, Row>;

export type OptimizerNameCh11 = keyof typeof ROWS;

const zeros = (shape: number[]): tf.Variable => tf.tidy(() => tf.variable(tf.zeros(shape)));

function optimizerOf(name: string, row: Row): OptimizerCh11 {
  const where = `[deepend] d2l.optimizersCh11.${name}`;
  return {
    hyperparams: row.hyperparams,
    initStates: (featureDim) =>
      [[featureDim, 1], [1]].map((shape) => Array.from({ length: row.states }, () => zeros(shape))),
    update(params, gradients, states, hyperparams) {
      for (const key of Object.keys(row.hyperparams)) {
        if (Number.isFinite(hyperparams[key])) continue;
        throw new TypeError(
          `${where}: expected the hyperparameter "${key}" to be a number, got ` +
            `${formatValue(hyperparams[key])}; the book's are { ...${name}.hyperparams }`,
        );
      }
      if (gradients.length !== params.length || states.length < (row.states && params.length)) {
        throw new RangeError(
          `${where}: expected a gradient and states for each of ${params.length} parameters, got ` +
            `${gradients.length} gradients and ${states.length} states; make them by initStates`,
        );
      }
      tf.tidy(() => {
        params.forEach((p, i) => {
          row.move(p, gradients[i] as tf.Tensor, states[i] ?? [], hyperparams);
        });
      });
      if (hyperparams.t !== undefined) hyperparams.t += 1;
    },
  };
}

/**
 * Sections 12.4 to 12.10 (zh 11.4 to 11.10): `sgd`, `momentum`, `adagrad`, `rmsprop`, `adadelta`,
 * `adam` and `yogi` from scratch, for `trainCh11`, each with its states and the book's
 * hyperparameters. `optim` has the built-in ones.
 * @example
 * const { initStates, update, hyperparams } = d2l.optimizersCh11.adam;
 * await d2l.trainCh11(update, initStates(5), { ...hyperparams }, dataIter, 5);
 */
export const optimizersCh11 = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [name, optimizerOf(name, row)]),
) as Record<OptimizerNameCh11, OptimizerCh11>;

/** Updates in place, by libtensorflow's operations on variables. */

import type { UpdateCoefficients, UpdateEntry, UpdateRule } from '@deepend/compiler';
import { composed } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { type Attr, attributes, FLOAT, type Form, type NodeBackend } from './native';

/**
 * The variables that operations update in, by their ids. One serves for all weights in turn, and
 * another for each slot.
 */
const places = new WeakMap<NodeBackend, number[]>();

interface Native {
  readonly operation: string;
  readonly attrs?: Readonly<Record<string, Attr>>;
  /** What follows the variables, in the operation's order. `lr` with Adam's correction. */
  inputs(at: {
    number(value: number): tf.Tensor;
    entry: UpdateEntry;
    gradient: tf.Tensor;
    coefficients: UpdateCoefficients;
  }): tf.Tensor[];
}

const momentum = (nesterov: boolean): Native => ({
  operation: 'ResourceApplyMomentum',
  attrs: { use_nesterov: ['bool', nesterov] },
  inputs: ({ number, entry, gradient, coefficients }) => [
    number(entry.lr),
    gradient,
    number(coefficients.beta1 ?? 0),
  ],
});

/**
 * The rules that libtensorflow has just as `optimizers/rules.ts` defines them; its RMSProp has its
 * epsilon within the root.
 */
const NATIVE: Partial<Record<UpdateRule, Native>> = {
  sgd: {
    operation: 'ResourceApplyGradientDescent',
    inputs: ({ number, entry, gradient }) => [number(entry.lr), gradient],
  },
  momentum: momentum(false),
  nesterov: momentum(true),
  adam: {
    operation: 'ResourceApplyAdam',
    attrs: { use_nesterov: ['bool', false] },
    // It computes lr·√(1 − power₂)/(1 − power₁)·mean/(√square + ε), and the rule lr·mean/(√square/c
    // + ε) with a correction c.
    inputs({
      number,
      entry: { lr, correction = 1 },
      gradient,
      coefficients: { beta1 = 0, beta2 = 0, epsilon = 0 },
    }) {
      // It takes 1 − β₂ in float32, and 1 − 0.999 is off by 5e-5 there: the squares are too large
      // by that, and so are lr and ε then.
      const excess = beta2 < 1 ? Math.sqrt((1 - Math.fround(beta2)) / (1 - beta2)) : 1;
      const [none, rate, least] = [
        number(0),
        number(lr * correction * excess),
        number(epsilon * correction * excess),
      ];
      return [none, none, rate, number(beta1), number(beta2), least, gradient];
    },
  },
  adagrad: {
    operation: 'ResourceApplyAdagradV2',
    attrs: { update_slots: ['bool', true] },
    inputs: ({ number, entry, gradient, coefficients }) => [
      number(entry.lr),
      number(coefficients.epsilon ?? 0),
      gradient,
    ],
  },
};

/** attrs: rule, entries and coefficients, as `optimizers/update.ts` has them. Gives nothing. */
export const update: Form = ({ backend, attrs }) => {
  const { rule, entries, ...coefficients } = attrs as {
    rule: UpdateRule;
    entries: readonly UpdateEntry[];
  } & UpdateCoefficients;
  const native = NATIVE[rule];
  if (!native) composed(rule, entries, coefficients);
  else updateAll(backend, native, { entries, coefficients });
  return [];
};

function updateAll(
  backend: NodeBackend,
  { operation, attrs = {}, inputs }: Native,
  { entries, coefficients }: { entries: readonly UpdateEntry[]; coefficients: UpdateCoefficients },
): void {
  const numbers = new Map<number, tf.Tensor>();
  const number = (value: number): tf.Tensor => {
    const scalar = numbers.get(value) ?? tf.keep(tf.scalar(value)); // it outlives the entry that is its first
    numbers.set(value, scalar);
    return scalar;
  };
  const options = attributes(backend, { T: FLOAT, use_locking: ['bool', false], ...attrs });
  const apply = (entry: UpdateEntry) => {
    const { weight, slots = [], decay = 0, shrink = 1 } = entry;
    const gradient =
      decay === 0 ? entry.gradient : tf.add(entry.gradient, tf.mul(weight, number(decay)));
    if (shrink !== 1) weight.assign(tf.mul(weight, number(shrink)));
    const given = inputs({ number, entry, gradient, coefficients });
    inPlaces(backend, [weight, ...slots], (variables) => {
      backend.binding.executeOp(
        operation,
        options,
        [...variables, ...backend.getInputTensorIds(given)],
        0,
      );
    });
  };
  try {
    for (const entry of entries) tf.tidy(() => apply(entry));
  } finally {
    tf.dispose([...numbers.values()]);
    emptyPlaces(backend);
  }
}

/** Lets go of the numbers: the next update would find them held twice, and copy them. */
function emptyPlaces(backend: NodeBackend): void {
  const nothing = tf.scalar(0);
  const type = attributes(backend, { dtype: FLOAT });
  const ids = backend.getInputTensorIds([nothing]);
  for (const variable of places.get(backend) ?? [])
    backend.binding.executeOp('AssignVariableOp', type, [variable, ...ids], 0);
  nothing.dispose();
}

/**
 * Moves the tensors' numbers into variables, so that nobody else holds them and `use` writes where
 * they lie, and back again.
 * What fails leaves each tensor with its numbers. `use` is given the variables' ids.
 */
function inPlaces(
  backend: NodeBackend,
  tensors: readonly tf.Tensor[],
  use: (variables: number[]) => void,
): void {
  const { binding, tensorMap } = backend;
  const type = attributes(backend, { dtype: FLOAT });
  const variables = tensors.map((_, i) => placeAt(backend, i));
  const write = (variable: number, id: number) =>
    binding.executeOp('AssignVariableOp', type, [variable, id], 0);
  const ids = backend.getInputTensorIds(tensors);
  ids.forEach((id, i) => {
    write(variables[i] as number, id);
  });
  for (const id of ids) binding.deleteTensor(id); // after all writes: one that fails has taken nothing away
  try {
    use(variables);
  } finally {
    variables.forEach((variable, i) => {
      const [made] = binding.executeOp('ReadVariableOp', type, [variable], 1) as [{ id: number }];
      tensorMap.get((tensors[i] as tf.Tensor).dataId).id = made.id;
    });
  }
}

function placeAt(backend: NodeBackend, index: number): number {
  const made = places.get(backend) ?? [];
  places.set(backend, made);
  made[index] ??= makePlace(backend, `deepend.place${index}`);
  return made[index];
}

function makePlace(backend: NodeBackend, name: string): number {
  const attrs = attributes(backend, {
    dtype: FLOAT,
    shape: ['shape', []],
    container: ['string', ''],
    shared_name: ['string', name],
  });
  const [{ id }] = backend.binding.executeOp('VarHandleOp', attrs, [], 1) as [{ id: number }];
  return id;
}

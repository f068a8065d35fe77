/** Optimizer updates in place, by libtensorflow's operations on variables. */
import type { UpdateCoefficients, UpdateEntry, UpdateRule } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { type Attr, attributes, FLOAT, type Kernel, type NodeBackend } from './native';

/**
 * The ids of libtensorflow's variables, in which its operations update. One variable holds each
 * weight in turn, and one each slot.
 */
const places = new WeakMap<NodeBackend, number[]>();

interface Native {
  readonly operation: string;
  readonly attrs?: Readonly<Record<string, Attr>>;
  /** The inputs after the variables, in the operation's order. `lr` includes Adam's correction. */
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
 * The rules that libtensorflow computes exactly as optim's `rules.ts` defines them. RMSProp is not
 * among them: libtensorflow adds epsilon inside the root.
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
    // libtensorflow: lr·√(1 − power₂)/(1 − power₁)·mean/(√square + ε).
    // The rule, with a correction c: lr·mean/(√square/c + ε).
    inputs({
      number,
      entry: { lr, correction = 1 },
      gradient,
      coefficients: { beta1 = 0, beta2 = 0, epsilon = 0 },
    }) {
      // libtensorflow computes 1 − β₂ in float32, where 1 − 0.999 is off by 5e-5. The squares are
      // too large by that; lr and ε are scaled to match.
      const excess = beta2 < 1 ? Math.sqrt((1 - Math.fround(beta2)) / (1 - beta2)) : 1;
      const zero = number(0);
      const rate = number(lr * correction * excess);
      const scaledEpsilon = number(epsilon * correction * excess);
      return [zero, zero, rate, number(beta1), number(beta2), scaledEpsilon, gradient];
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

/** Rules without a row are updated with core ops. */
export const update: Kernel<'deepend.update'> = {
  supports: ({ attrs }) => attrs.rule in NATIVE,
  run({ backend, attrs: { rule, entries, ...coefficients } }) {
    updateAll(backend, NATIVE[rule] as Native, { entries, coefficients });
    return [];
  },
};

function updateAll(
  backend: NodeBackend,
  { operation, attrs = {}, inputs }: Native,
  { entries, coefficients }: { entries: readonly UpdateEntry[]; coefficients: UpdateCoefficients },
): void {
  const numbers = new Map<number, tf.Tensor>();
  const number = (value: number): tf.Tensor => {
    const scalar = numbers.get(value) ?? tf.keep(tf.scalar(value)); // later entries use it too
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
    withVariables(backend, [weight, ...slots], (variables) => {
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

/** Empties the variables: the next update would find the memory shared, and copy it. */
function emptyPlaces(backend: NodeBackend): void {
  const nothing = tf.scalar(0);
  const type = attributes(backend, { dtype: FLOAT });
  const ids = backend.getInputTensorIds([nothing]);
  for (const variable of places.get(backend) ?? [])
    backend.binding.executeOp('AssignVariableOp', type, [variable, ...ids], 0);
  nothing.dispose();
}

/**
 * Moves the tensors' memory into variables, so that nobody shares it and `use` updates it in place,
 * and back again. After an error, each tensor still has its values.
 * @param use receives the variables' ids
 */
function withVariables(
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
  // After all writes, so that one that fails has changed nothing.
  for (const id of ids) binding.deleteTensor(id);
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

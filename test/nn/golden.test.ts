/** Every module gives PyTorch's outputs and gradients, with PyTorch's state dict. */
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import cases from '../golden/modules.json';
import { backends, use } from '../helpers/backends';

interface Values {
  shape: number[];
  dtype: string;
  values: number[];
}

interface Case {
  name: string;
  class: string;
  arguments: unknown[];
  training: boolean;
  options: Record<string, unknown>;
  state: Record<string, Values>;
  inputs: Values[];
  outputs: Values[];
  inputGradients: Record<string, Values>;
  gradients: Record<string, Values>;
  changed: Record<string, Values>;
}

const CLASSES: Record<string, unknown> = { ...nn };
const CASES = cases as unknown as Case[];

const tensorOf = ({ shape, dtype, values }: Values) => tf.tensor(values, shape, dtype as 'float32');

const isValues = (value: unknown): value is Values => value instanceof Object && 'values' in value;

function build(golden: Case): nn.Module {
  const Class = CLASSES[golden.class] as new (...given: unknown[]) => nn.Module;
  return new Class(...golden.arguments).train(golden.training);
}

/** What `forward` takes: inputs, a recurrent module's state, options. */
function argumentsFor(golden: Case, inputs: tf.Tensor[]): unknown[] {
  const { lengths, ...others } = golden.options;
  if (['RNN', 'GRU', 'LSTM'].includes(golden.class)) {
    const [x, ...states] = inputs;
    const state = golden.class === 'LSTM' && states.length > 0 ? states : states[0];
    return [
      x,
      state,
      lengths ? { lengths: tf.tensor(lengths as number[], undefined, 'int32') } : {},
    ];
  }
  if (golden.class === 'LSTMCell' && inputs.length > 1) return [inputs[0], inputs.slice(1)];
  if (Object.keys(others).length === 0) return inputs;
  const options = Object.entries(others).map(([key, value]) => [
    key,
    isValues(value) ? tensorOf(value) : value,
  ]);
  return [...inputs, Object.fromEntries(options)];
}

const outputsOf = (result: unknown): tf.Tensor[] =>
  [result].flat(2).filter((value) => value !== undefined) as tf.Tensor[];

function expectClose(actual: tf.Tensor, { shape, values }: Values, what: string): void {
  expect(actual.shape, what).toEqual(shape);
  const got = actual.dataSync();
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
  const worst = values.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (got[i] ?? NaN))),
    0,
  );
  expect(worst / largest, what).toBeLessThan(1e-4);
}

/** sum(outputs · sin(1, 2, ...)) */
function lossOf(outputs: readonly tf.Tensor[]): tf.Scalar {
  let place = 1;
  const parts = outputs.map((y) => {
    const weights = tf.sin(tf.range(place, place + y.size));
    place += y.size;
    return tf.sum(tf.mul(y, tf.reshape(weights, y.shape)));
  });
  return tf.addN(parts) as tf.Scalar;
}

const present = backends.filter(({ name }) => name === 'cpu-js' || name === 'simd');

describe.each(present)('$title', ({ name, absent }) => {
  beforeAll(async () => {
    if (!absent) await use(name);
  });

  it.skipIf(absent).each(CASES)('$name', (golden) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const module = build(golden);
      const own = module.stateDict();
      expect(Object.keys(own)).toEqual(Object.keys(golden.state));
      expect(Object.values(own).map(({ shape }) => shape)).toEqual(
        Object.values(golden.state).map(({ shape }) => shape),
      );
      const state = Object.entries(golden.state).map(([key, value]) => [key, tensorOf(value)]);
      module.loadStateDict(Object.fromEntries(state));
      const inputs = golden.inputs.map(tensorOf);
      const run = (given: tf.Tensor[]) =>
        outputsOf(module.forward(...(argumentsFor(golden, given) as tf.Tensor[])));
      run(inputs).forEach((y, i) => {
        expectClose(y, golden.outputs[i] as Values, `output ${i}`);
      });
      const after = module.stateDict();
      for (const [key, value] of Object.entries(golden.changed))
        expectClose(after[key] as tf.Tensor, value, `${key} afterwards`);

      const places = Object.keys(golden.inputGradients).map(Number);
      if (places.length > 0) {
        const gradients = tf.grads((...given) =>
          lossOf(run(inputs.map((x, i) => given[places.indexOf(i)] ?? x))),
        )(places.map((i) => inputs[i] as tf.Tensor));
        gradients.forEach((gradient, i) => {
          const place = places[i] as number;
          expectClose(gradient, golden.inputGradients[place] as Values, `input ${place}`);
        });
      }
      const names = Object.keys(golden.gradients);
      expect(module.namedParameters().map(([key]) => key)).toEqual(names);
      if (names.length > 0) {
        const { grads } = tf.variableGrads(() => lossOf(run(inputs)), module.parameters());
        for (const [key, variable] of module.namedParameters()) {
          variable.assign(grads[variable.name] as tf.Tensor); // the state dict turns its axes
          const gradient = module.stateDict()[key] as tf.Tensor;
          expectClose(gradient, golden.gradients[key] as Values, `gradient of ${key}`);
        }
      }
      module.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

/**
 * The numbers of the book's own classes and of nanoGPT: test/golden/make-text-models-golden.py writes them. A
 * compiled module and a training step of each model are here too.
 */
import { gradientsOf } from '@deepend/compiler';
import * as nn from '@deepend/nn';
import * as text from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/text-models.json';
import { backends, use } from '../helpers/backends';
import { weightValues } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

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
  inputs: Values[];
  outputs: Values[];
  gradients: Record<string, [norm: number, product: number]>;
}

type Built = [name: string, options: Record<string, unknown>];

const CLASSES = { ...nn, ...text } as unknown as Record<
  string,
  new (
    ...given: unknown[]
  ) => nn.Module
>;
const CASES = golden.cases as unknown as Case[];

const classOf = (name: string) => CLASSES[name] as new (...given: unknown[]) => nn.Module;
const tensorOf = ({ shape, dtype, values }: Values) => tf.tensor(values, shape, dtype as 'float32');

function build({ class: name, arguments: given, training }: Case): nn.Module {
  const [first] = given as [Record<string, unknown>];
  const of = ([part, options]: Built) => new (classOf(part))(options);
  if (name === 'EncoderDecoder') given = [of(first.encoder as Built), of(first.decoder as Built)];
  if (name === 'RNNLMScratch')
    given = [new text.RNNScratch(...(first.rnn as [number, number])), first.vocabSize];
  const module = new (classOf(name))(...given);
  return fill(module.train(training));
}

/** By the names of the state dict and its layouts. */
function fill(module: nn.Module): nn.Module {
  const own = module.stateDict();
  const entries = module.namedParameters().map(([name]) => {
    const { shape } = own[name] as tf.Tensor;
    const one = name.endsWith('weight') ? 'gamma' : 'bias';
    const kind = shape.length > 1 ? 'kernel' : one;
    return [name, tf.tensor(weightValues(`${name}/${kind}`, shape), shape)] as const;
  });
  const state = Object.fromEntries(entries);
  module.loadStateDict(state, { strict: false }); // a shared one under its first name
  tf.dispose([own, state]);
  return module;
}

function argumentsOf({ name, class: className }: Case, inputs: tf.Tensor[]): unknown[] {
  if (className !== 'LanguageModel') return inputs;
  const [ids, ...state] = inputs;
  return [ids, name.includes('lstm') ? state : state[0]];
}

/** The tensors in lists and records, in their order. */
const outputsOf = (result: unknown): tf.Tensor[] => {
  if (result instanceof tf.Tensor) return [result];
  return Object.values(result as object).flatMap(outputsOf);
};

const waves = (x: tf.Tensor, place = 1) =>
  tf.reshape(tf.sin(tf.range(place, place + x.size)), x.shape);

function lossOf(outputs: readonly tf.Tensor[]): tf.Scalar {
  let place = 1;
  const parts = outputs.map((y) => {
    const weights = waves(y, place);
    place += y.size;
    return tf.sum(tf.mul(y, weights));
  });
  return tf.addN(parts) as tf.Scalar;
}

function expectClose(actual: tf.Tensor, { shape, values }: Values, what: string): void {
  expect(actual.shape, what).toEqual(shape);
  const got = actual.dataSync();
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
  for (const [i, value] of values.entries())
    expect(Math.abs(value - (got[i] as number)) / largest, `${what}, ${i}`).toBeLessThan(1e-4);
}

/** Gradients in the layouts of the state dict, by name. */
function gradients(module: nn.Module, compute: () => tf.Scalar): Record<string, tf.Tensor> {
  const trainable = module.namedParameters().filter(([, variable]) => variable.trainable);
  const { value, gradients: found } = gradientsOf(
    compute,
    trainable.map(([, variable]) => variable),
  );
  value.dispose();
  trainable.forEach(([, variable], i) => {
    const gradient = found[i] ?? tf.zerosLike(variable);
    variable.assign(gradient as tf.Tensor);
  });
  tf.dispose(found);
  const state = module.stateDict(); // turns the axes as the weights'
  return Object.fromEntries(trainable.map(([name]) => [name, state[name] as tf.Tensor]));
}

const present = backends.filter(({ name }) => name === 'cpu-js' || name === 'simd');

describe.each(present)('$title', ({ name, absent }) => {
  beforeAll(async () => {
    if (!absent) await use(name);
  });

  it.skipIf(absent).each(CASES)('$name', (one) => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const module = build(one);
      const inputs = one.inputs.map(tensorOf);
      const run = () => outputsOf(module.forward(...argumentsOf(one, inputs)));
      const outputs = run();
      expect(outputs).toHaveLength(one.outputs.length);
      outputs.forEach((y, i) => {
        expectClose(y, one.outputs[i] as Values, `output ${i}`);
      });
      const found = gradients(module, () => lossOf(run()));
      expect(Object.keys(found).sort()).toEqual(Object.keys(one.gradients));
      for (const [key, [norm, product]] of Object.entries(one.gradients)) {
        const gradient = found[key] as tf.Tensor;
        const actual = tf.norm(gradient).dataSync()[0] as number;
        const projected = tf.sum(tf.mul(gradient, waves(gradient))).dataSync()[0] as number;
        const scale = Math.max(norm, 1e-2);
        expect(Math.abs(actual - norm) / scale, `norm of ${key}`).toBeLessThan(2e-4);
        expect(Math.abs(projected - product) / scale, `gradient of ${key}`).toBeLessThan(4e-4);
      }
      module.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });

  it.skipIf(absent).each(CASES)('$name leaves no tensor in a training step', async (one) => {
    const module = build(one);
    const inputs = one.inputs.map(tensorOf);
    const variables = module.parameters().filter(({ trainable }) => trainable);
    await expectNoLeak(() => {
      const compute = () => lossOf(outputsOf(module.forward(...argumentsOf(one, inputs))));
      const { value, gradients: found } = gradientsOf(compute, variables);
      tf.dispose([value, found]);
      tf.dispose(outputsOf(module.forward(...argumentsOf(one, inputs))));
    });
    module.dispose();
    tf.dispose(inputs);
  });

  it.skipIf(absent)("BERT's two losses, masked softmax", () => {
    tf.tidy(() => {
      const [mlm, labels, nsp, answer] = golden.losses.inputs.map(tensorOf) as tf.Tensor[];
      const outputs = { encoded: tf.zeros([2, 3, 1]), mlm, nsp } as text.BERTOutputs;
      const found = text.bertLosses(outputs, {
        ...{ mlmLabels: labels as tf.Tensor, nspLabels: answer as tf.Tensor },
        mlmWeights: tf.ones([2, 3]),
      });
      [found.mlm, found.nsp, found.total].forEach((value, i) => {
        expect(value.dataSync()[0]).toBeCloseTo(golden.losses.bert[i] as number, 5);
      });
      const lengths = tf.tensor1d(golden.losses.lengths, 'int32');
      const softmax = nn.functional.maskedSoftmax(mlm as tf.Tensor, lengths);
      expectClose(softmax, golden.losses.softmax, 'masked softmax');
    });
  });
});

/**
 * Models whose layers pass states, are shared, nested or frozen: outputs and gradients are those of
 * stock TensorFlow.js, `model.apply` on the tape.
 */
import { planOf } from '@deepend/compiler';
import { toLoss } from '@deepend/optim';
import { train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const L = tfl.layers;
type Symbols = tfl.SymbolicTensor | tfl.SymbolicTensor[];
const one = (value: unknown) => value as tfl.SymbolicTensor;
const glorot = (seed: number) => tfl.initializers.glorotUniform({ seed });
const recurrent = (seed: number) => ({
  units: 3,
  kernelInitializer: glorot(seed),
  recurrentInitializer: glorot(seed + 1),
});
const dense = (units: number, seed: number) =>
  L.dense({ units, activation: 'tanh', kernelInitializer: glorot(seed) });

interface Row {
  readonly model: () => tfl.LayersModel;
  /** Shapes of the inputs, of two samples. */
  readonly shapes: number[][];
  /** What stock is called with. @default true */
  readonly training?: boolean;
}

/** An encoder whose states the decoder begins with. */
function encoderDecoder(layer: 'gru' | 'lstm'): tfl.LayersModel {
  const [source, target] = [tfl.input({ shape: [5, 2] }), tfl.input({ shape: [4, 2] })];
  const encoder = L[layer]({ ...recurrent(1), returnState: true });
  const [, ...states] = encoder.apply(source) as tfl.SymbolicTensor[];
  const decoder = L[layer]({ ...recurrent(5), returnSequences: true });
  const decoded = decoder.apply([target, ...states]) as Symbols;
  return tfl.model({ inputs: [source, target], outputs: one(dense(2, 9).apply(decoded)) });
}

/** The same layers for both inputs. */
function siamese(): tfl.LayersModel {
  const [a, b] = [tfl.input({ shape: [3, 4] }), tfl.input({ shape: [3, 4] })];
  const shared = [dense(5, 1), L.gru(recurrent(3))];
  const read = (x: tfl.SymbolicTensor) => shared.reduce((y, layer) => one(layer.apply(y)), x);
  return tfl.model({ inputs: [a, b], outputs: one(L.multiply().apply([read(a), read(b)])) });
}

/** A model with two inputs within another, twice. */
function nested(): tfl.LayersModel {
  const [a, b] = [tfl.input({ shape: [3, 2] }), tfl.input({ shape: [3, 2] })];
  const joined = one(L.concatenate().apply([a, b]));
  const inner = tfl.model({ inputs: [a, b], outputs: one(dense(2, 1).apply(joined)) });
  const [x, y] = [tfl.input({ shape: [3, 2] }), tfl.input({ shape: [3, 2] })];
  const first = one(inner.apply([x, y]));
  return tfl.model({ inputs: [x, y], outputs: one(inner.apply([first, y])) });
}

/** Batch normalization over a sequence, whose scale and shift do not train. */
function frozen(): tfl.LayersModel {
  const norm = L.batchNormalization({ trainable: false });
  return tfl.sequential({
    layers: [L.dense({ units: 3, inputShape: [4, 2], kernelInitializer: glorot(1) }), norm],
  });
}

const ROWS: Record<string, Row> = {
  'a GRU that begins with states of another': {
    model: () => encoderDecoder('gru'),
    shapes: [
      [2, 5, 2],
      [2, 4, 2],
    ],
  },
  'an LSTM that begins with states of another': {
    model: () => encoderDecoder('lstm'),
    shapes: [
      [2, 5, 2],
      [2, 4, 2],
    ],
  },
  'shared layers': {
    model: siamese,
    shapes: [
      [2, 3, 4],
      [2, 3, 4],
    ],
  },
  'a nested model with two inputs, used twice': {
    model: nested,
    shapes: [
      [2, 3, 2],
      [2, 3, 2],
    ],
  },
  // As in Keras 2 it normalizes by its moving statistics, which stock does outside of training.
  'frozen batch normalization': { model: frozen, shapes: [[2, 4, 2]], training: false },
};

const cost = (y: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.sub(y, 0.3)));
const inputsOf = ({ shapes }: Row): tf.Tensor | tf.Tensor[] => {
  const inputs = shapes.map((shape, i) => tf.randomUniform(shape, -1, 1, 'float32', i + 1));
  return inputs.length === 1 ? (inputs[0] as tf.Tensor) : inputs;
};

function expectClose(got: tf.Tensor, expected: tf.Tensor): void {
  const wanted = expected.dataSync();
  expect(got.shape).toEqual(expected.shape);
  got.dataSync().forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i] as number, 5);
  });
}

describe('on the tape', () => {
  beforeAll(() => use('cpu-js'));

  it.each(Object.entries(ROWS))('%s: outputs and gradients of stock', (_, row) => {
    const model = row.model();
    const inputs = inputsOf(row);
    const plan = planOf(model);
    expectClose(plan.outputs(plan.logits(inputs)) as tf.Tensor, model.predict(inputs) as tf.Tensor);
    const stock = tf.variableGrads(() =>
      cost(model.apply(inputs, { training: row.training ?? true }) as tf.Tensor),
    );
    const step = plan.forwardBackward(inputs, tf.zeros([2]), { loss: toLoss('test', cost) });
    expect(step.loss.dataSync()[0]).toBeCloseTo(stock.value.dataSync()[0] as number, 5);
    const trained = step.gradients.map(({ parameter }) => parameter.variable.name).sort();
    expect(trained).toEqual(
      model.trainableWeights.map((weight) => (weight.read() as tf.Variable).name).sort(),
    );
    for (const { parameter, gradient } of step.gradients)
      expectClose(gradient, stock.grads[parameter.variable.name] as tf.Tensor);
  });

  it.each(Object.entries(ROWS))('%s: learns in train', async (_, row) => {
    const model = row.model();
    const before = model.getWeights().map((weight) => [...weight.dataSync()]);
    const frozenNames = model.nonTrainableWeights.map(({ originalName }) => originalName);
    const loader = {
      numSamples: 2,
      numBatches: 1,
      batchSize: 2,
      async *[Symbol.asyncIterator]() {
        yield { features: inputsOf(row), labels: tf.zeros([2]) };
      },
    };
    const { history } = await train(model, loader, null, {
      numEpochs: 8,
      lr: 0.1,
      loss: cost,
      progress: false,
    });
    expect(history.at(-1)?.loss).toBeLessThan(history[0]?.loss as number);
    model.weights.forEach((weight, i) => {
      const after = [...weight.read().dataSync()];
      const isStill = frozenNames.includes(weight.originalName) && !/moving/.test(weight.name);
      if (isStill) expect(after).toEqual(before[i]);
    });
  });
});

/** Models that are computed on the tape: inputs, outputs, masks, states, regularizers, bad input. */
import { planOf } from '@deepend/compiler';
import { softmaxCrossEntropy, toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const L = tfl.layers;
const recurrent = { units: 3, recurrentInitializer: 'glorotNormal' } as const;
const symbolic = (value: unknown) => value as tfl.SymbolicTensor;
const squares = toLoss(
  'test',
  (outputs: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.add(outputs, 1))),
);
const values = (tensor: unknown) => [...(tensor as tf.Tensor).dataSync()];
const none = tf.tensor1d([0]);

function expectClose(actual: unknown, expected: unknown): void {
  const wanted = values(expected);
  values(actual).forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i] as number, 4);
  });
}

/** Ids `[batch, 4]` and numbers `[batch, 2]` to two outputs of classes. */
function twoAndTwo(): tfl.LayersModel {
  const ids = tfl.input({ shape: [4], dtype: 'int32', name: 'ids' });
  const numbers = tfl.input({ shape: [2], name: 'numbers' });
  const embedded = L.embedding({ inputDim: 6, outputDim: 3, maskZero: true }).apply(ids);
  const read = symbolic(L.lstm(recurrent).apply(embedded as tfl.SymbolicTensor));
  const both = symbolic(L.concatenate().apply([read, numbers]));
  const softmax = { units: 3, activation: 'softmax' } as const;
  const first = symbolic(L.dense({ ...softmax, name: 'first' }).apply(both));
  const second = symbolic(L.dense({ units: 2, name: 'second' }).apply(both));
  return tfl.model({ name: 'both', inputs: [ids, numbers], outputs: [first, second] });
}

const ids = () => tf.tensor2d([1, 2, 0, 0, 5, 4, 3, 2], [2, 4], 'int32');

describe('a model on the tape', () => {
  beforeAll(() => use('cpu-js'));

  it('takes a list or a record, masks padding, and looks through each softmax', async () => {
    const model = twoAndTwo();
    const plan = planOf(model);
    const numbers = tf.tensor2d([1, -1, 0.5, 2], [2, 2]);
    const expected = model.predict([ids(), numbers]) as tf.Tensor[];
    const named = { numbers, ids: ids() };
    for (const features of [[ids(), numbers], named]) {
      const outputs = plan.outputs(plan.logits(features)) as Record<string, tf.Tensor>;
      expect(Object.keys(outputs)).toEqual(['first', 'second']);
      expectClose(outputs.first, expected[0]);
      expectClose(outputs.second, expected[1]);
    }
    const classes = tf.tensor1d([1, 0], 'int32');
    const labels = { first: classes, second: classes };
    const loss = toLoss('test', {
      first: softmaxCrossEntropy,
      second: { loss: softmaxCrossEntropy, weight: 2 },
    });
    const step = plan.forwardBackward(named, labels, { loss });
    const [first] = values(tf.log(expected[0] as tf.Tensor));
    const logs = [
      tf.log(expected[0] as tf.Tensor2D).arraySync() as number[][],
      tf.logSoftmax(expected[1] as tf.Tensor2D).arraySync() as number[][],
    ];
    const entropy = (rows = logs[0] as number[][]) =>
      -((rows[0]?.[1] ?? 0) + (rows[1]?.[0] ?? 0)) / 2;
    expect(first).toBeLessThan(0);
    expect(values(step.loss)[0]).toBeCloseTo(entropy(logs[0]) + 2 * entropy(logs[1]), 4);
    expect(step.gradients).toHaveLength(plan.parameters.length);
    await expectNoLeak(() => {
      const result = plan.forwardBackward(named, labels, { loss });
      tf.dispose([result.loss, result.gradients.map(({ gradient }) => gradient)]);
    });
  });

  it.each([
    ['a missing name', () => ({ ids: ids() }), /inputs ids, numbers, got ids/],
    [
      'batches that differ',
      () => [ids(), tf.zeros([3, 2])],
      /same number of samples, got ids \[2, 4\] and numbers \[3, 2\]/,
    ],
    [
      'another shape',
      () => [ids(), tf.zeros([2, 3])],
      /'numbers': expected \[batch, 2\], got \[2, 3\]/,
    ],
    [
      'an id outside the vocabulary',
      () => [tf.tensor2d([[1, 2, 3, 6]], [1, 4], 'int32'), tf.zeros([1, 2])],
      /from 0 to 5 .* got 6 at \[0, 3\]/,
    ],
    [
      'an id that is no integer',
      () => [tf.tensor2d([[1, 0.5, 3, 4]]), tf.zeros([1, 2])],
      /integer ids .* got 0\.5 at \[0, 1\]/,
    ],
  ])('refuses %s', (_, features, message) => {
    expect(() => planOf(twoAndTwo()).logits(features())).toThrow(message);
  });

  it('carries the state of a stateful layer, and forgets it where a sequence begins', async () => {
    const model = tfl.sequential({
      layers: [L.gru({ ...recurrent, stateful: true, batchInputShape: [2, 5, 2] })],
    });
    const plan = planOf(model);
    const x = tf.randomUniform([2, 5, 2], -1, 1, 'float32', 1);
    const [begin, after] = [plan.logits(x), plan.logits(x)];
    expect(values(after)).not.toEqual(values(begin));
    plan.beginSequence?.();
    expectClose(plan.logits(x), begin);
    const before = plan.logits(x);
    expect(plan.firstNonFinite(x, none, { loss: squares })).toBeUndefined();
    plan.beginSequence?.();
    plan.logits(x);
    expectClose(plan.logits(x), before);
    await expectNoLeak(() => {
      const result = plan.forwardBackward(x, none, { loss: squares });
      tf.dispose([result.loss, result.gradients.map(({ gradient }) => gradient)]);
    });
  });

  it('adds what regularizers cost inside wrappers, and applies constraints', () => {
    const kernelRegularizer = tfl.regularizers.l2({ l2: 0.5 });
    const make = (config: object) =>
      tfl.sequential({
        layers: [
          L.timeDistributed({
            layer: L.dense({ units: 2, kernelInitializer: 'ones', ...config }),
            inputShape: [3, 2],
          } as never),
        ],
      });
    const x = tf.ones([1, 3, 2]);
    const [plain, regularized] = [{}, { kernelRegularizer }].map(
      (config) => values(planOf(make(config)).forwardBackward(x, none, { loss: squares }).loss)[0],
    ) as [number, number];
    expect(regularized - plain).toBeCloseTo(0.5 * 4, 4);
    const limited = make({ kernelConstraint: tfl.constraints.maxNorm({ maxValue: 1, axis: 0 }) });
    planOf(limited).applyConstraints?.();
    expectClose(limited.getWeights()[0], tf.fill([2, 2], Math.SQRT1_2));
  });

  it('draws other random numbers for another seed', () => {
    const dropped = tfl.sequential({
      layers: [L.dense({ units: 9, inputShape: [4] }), L.gaussianNoise({ stddev: 1 })],
    });
    const plan = planOf(dropped);
    const [a, b, again] = [1, 2, 1].map((seed) =>
      values(plan.forwardBackward(tf.ones([2, 4]), none, { seed, loss: squares }).loss),
    );
    expect(a).toEqual(again);
    expect(a).not.toEqual(b);
  });
});

/** Gradients that a plan gives while it computes others. */
import {
  compile,
  type GradientStream,
  type ParameterGradient,
  Plan,
  planOf,
} from '@deepend/compiler';
import * as nn from '@deepend/nn';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('simd'));

/** A layer that is used twice learns from both uses. */
function net() {
  const input = tfl.input({ shape: [4] });
  const twice = tfl.layers.dense({ name: 'twice', units: 4, activation: 'relu' });
  const first = tfl.layers.dense({ name: 'first', units: 4 }).apply(input);
  const middle = tfl.layers.dense({ name: 'middle', units: 4 }).apply(twice.apply(first));
  const last = tfl.layers.dense({ name: 'last', units: 3 });
  const outputs = last.apply(twice.apply(middle)) as tfl.SymbolicTensor;
  return tfl.model({ inputs: input, outputs });
}

const features = () => tf.tensor2d([1, 2, -1, 0.5, 0.1, -2, 3, 1], [2, 4]);
const labels = () => tf.tensor1d([0, 2], 'int32');

describe('a gradient stream', () => {
  it('gets each gradient when it is complete, in the order that the plan names', () => {
    const plan = compile(net());
    const got: ParameterGradient[] = [];
    const sums: number[] = [];
    const step = plan.forwardBackward(features(), labels(), {
      loss: softmaxCrossEntropy,
      stream: {
        scale: 1,
        onGradient: (entry) => {
          got.push(entry);
          sums.push(tf.sum(entry.gradient).dataSync()[0] as number);
        },
      },
    });
    expect(got.map(({ parameter }) => parameter)).toEqual(plan.gradientOrder);
    expect(new Set(plan.gradientOrder)).toEqual(new Set(plan.parameters));
    const names = got.map(({ parameter }) => parameter.name.split('/')[0]);
    expect([...new Set(names)]).toEqual(['last', 'middle', 'twice', 'first']);
    expect(new Set(got)).toEqual(new Set(step.gradients));
    // None was changed after it was given.
    expect(sums).toEqual(got.map(({ gradient }) => tf.sum(gradient).dataSync()[0]));
  });

  it('scales gradients, not the loss', () => {
    const plan = compile(net());
    const step = (scale?: number) =>
      plan.forwardBackward(features(), labels(), {
        loss: softmaxCrossEntropy,
        stream: scale === undefined ? undefined : { scale, onGradient: () => {} },
      });
    const [whole, half] = [step(), step(0.5)];
    expect(half.loss.dataSync()).toEqual(whole.loss.dataSync());
    whole.gradients.forEach(({ gradient }, i) => {
      const expected = tf.mul(gradient, 0.5).dataSync();
      expect(half.gradients[i]?.gradient.dataSync()).toEqual(expected);
    });
  });

  it('leaves no tensor, nor does one that throws', async () => {
    const model = net();
    const plan = new Plan(model);
    const [x, y] = [features(), labels()];
    await expectNoLeak(() => {
      const stream = { scale: 0.5, onGradient: () => {} };
      const step = plan.forwardBackward(x, y, { loss: softmaxCrossEntropy, stream });
      tf.dispose([step.loss, step.correct, ...step.gradients.map(({ gradient }) => gradient)]);
    });
  });

  it('gets those of a compiled module while it is replayed', () => {
    const module = new nn.Sequential(
      new nn.Linear(4, 8, { seed: 1 }),
      new nn.ReLU(),
      new nn.Linear(8, 3, { seed: 2 }),
    );
    const [x, y] = [features(), labels()];
    const plan = planOf(nn.compile(module, x));
    const step = (stream?: GradientStream) =>
      plan.forwardBackward(x, y, { loss: softmaxCrossEntropy, stream });
    step();
    const whole = step(); // recorded twice; then come replays
    const got: ParameterGradient[] = [];
    const half = step({ scale: 0.5, onGradient: (entry) => got.push(entry) });
    expect(got).toHaveLength(4);
    expect(new Set(got.slice(0, 2).map(({ parameter }) => parameter.name))).toEqual(
      new Set(['2.weight', '2.bias']),
    );
    expect(half.loss.dataSync()).toEqual(whole.loss.dataSync());
    half.gradients.forEach(({ parameter, gradient }, i) => {
      expect(got.find((entry) => entry.parameter === parameter)?.gradient).toBe(gradient);
      const expected = tf.mul(whole.gradients[i]?.gradient as tf.Tensor, 0.5).dataSync();
      expect(gradient.dataSync()).toEqual(expected);
    });
  });
});

import { compile } from '@deepend/compiler';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

describe('softmax cross-entropy', () => {
  it('stays finite where the softmax does not', () => {
    const { loss, correct, dLogits } = softmaxCrossEntropy(
      tf.tensor2d([
        [1000, 0],
        [0, 1000],
      ]),
      tf.tensor1d([1, 1], 'int32'),
    );
    expect(loss.dataSync()[0]).toBe(500);
    expect(correct.dataSync()[0]).toBe(1);
    expect([...dLogits.dataSync()]).toEqual([0.5, -0.5, 0, 0]);
  });

  it('gives soft labels the loss of their mixture', () => {
    const logits = tf.tensor2d([[0.3, -1.2, 2]]);
    const loss = (labels: tf.Tensor) =>
      softmaxCrossEntropy(logits, labels).loss.dataSync()[0] as number;
    const hard = [0, 1, 2].map((label) => loss(tf.tensor1d([label], 'int32')));
    const mixed = loss(tf.tensor2d([[0.5, 0.2, 0.3]]));
    expect(mixed).toBeCloseTo(
      0.5 * (hard[0] ?? 0) + 0.2 * (hard[1] ?? 0) + 0.3 * (hard[2] ?? 0),
      5,
    );
  });
});

describe('dropout', () => {
  const rate = 0.4;
  const net = () => tfl.sequential({ layers: [tfl.layers.dropout({ rate, inputShape: [2000] })] });
  const ones = () => tf.ones([1, 2000]);
  const labels = () => tf.tensor1d([0], 'int32');
  const lossOf = (seed: number) =>
    compile(net())
      .forwardBackward(ones(), labels(), { loss: softmaxCrossEntropy, seed })
      .loss.dataSync()[0];

  it('drops everything at a rate of 1', () => {
    const all = tfl.sequential({ layers: [tfl.layers.dropout({ rate: 1, inputShape: [4] })] });
    const loss = compile(all)
      .forwardBackward(tf.ones([1, 4]), labels(), { loss: softmaxCrossEntropy })
      .loss.dataSync()[0];
    expect(loss).toBeCloseTo(Math.log(4), 6);
  });

  it('does nothing in inference', () => {
    expect(new Set(compile(net()).logits(ones()).dataSync())).toEqual(new Set([1]));
  });

  it('draws another mask for another seed, and the same for the same', () => {
    expect(lossOf(1)).toBe(lossOf(1));
    expect(new Set([1, 2, 3, 4, 5].map(lossOf)).size).toBeGreaterThan(1);
  });
});

describe('batch normalization', () => {
  it("moves the variance by PyTorch's unbiased estimate", () => {
    const layer = tfl.layers.batchNormalization({ inputShape: [2], epsilon: 1e-5, momentum: 0.9 });
    const net = tfl.sequential({ layers: [layer] });
    compile(net).forwardBackward(
      tf.tensor2d([
        [1, 5],
        [3, 5],
        [5, 8],
      ]),
      tf.tensor1d([0, 0, 1], 'int32'),
      { loss: softmaxCrossEntropy },
    );
    const [, , mean, variance] = layer.getWeights().map((weight) => [...weight.dataSync()]);
    expect(mean?.[0]).toBeCloseTo(0.1 * 3, 6);
    expect(mean?.[1]).toBeCloseTo(0.1 * 6, 6);
    expect(variance?.[0]).toBeCloseTo(0.9 + 0.1 * 4, 6); // ((−2)² + 0 + 2²) / (3 − 1)
    expect(variance?.[1]).toBeCloseTo(0.9 + 0.1 * 3, 6); // (1 + 1 + 4) / (3 − 1)
  });

  it('keeps still, and learns nothing, when its layer is frozen', () => {
    const layer = tfl.layers.batchNormalization({ inputShape: [2] });
    layer.trainable = false;
    const net = tfl.sequential({ layers: [layer, tfl.layers.dense({ units: 2 })] });
    const plan = compile(net);
    const [features, labels] = [
      tf.tensor2d([
        [1, 5],
        [3, 6],
      ]),
      tf.tensor1d([0, 1], 'int32'),
    ];
    const statistics = () => layer.getWeights().flatMap((weight) => [...weight.dataSync()]);
    const before = statistics();
    const { gradients, loss } = plan.forwardBackward(features, labels, {
      loss: softmaxCrossEntropy,
    });
    expect(gradients.map(({ parameter }) => parameter.name.split('/').at(-1))).toEqual([
      'kernel',
      'bias',
    ]);
    expect(statistics()).toEqual(before);
    expect(loss.dataSync()).toEqual(
      plan.evaluate(features, labels, { loss: softmaxCrossEntropy }).loss.dataSync(),
    );
    expect(plan.describe()).toContain('batchNorm + scale + center + frozen');
  });

  it('is frozen with the net that it is in', () => {
    const inner = tfl.sequential({ layers: [tfl.layers.batchNormalization({ inputShape: [2] })] });
    const net = tfl.sequential({ layers: [inner, tfl.layers.dense({ units: 2 })] });
    expect(compile(net).describe()).not.toContain('frozen');
    inner.trainable = false;
    expect(compile(net).describe()).toContain('frozen');
  });

  it('gives the bias before it a gradient only when it is frozen', () => {
    const biasOf = (trainable: boolean) => {
      const layer = tfl.layers.batchNormalization();
      layer.trainable = trainable;
      const conv = tfl.layers.conv2d({
        filters: 2,
        kernelSize: 1,
        inputShape: [2, 2, 1],
        kernelInitializer: 'zeros',
      });
      const net = tfl.sequential({ layers: [conv, layer, tfl.layers.globalAveragePooling2d({})] });
      const { gradients } = compile(net).forwardBackward(
        tf.ones([1, 2, 2, 1]),
        tf.tensor1d([0], 'int32'),
        {
          loss: softmaxCrossEntropy,
        },
      );
      return gradients
        .find(({ parameter }) => parameter.name.endsWith('bias'))
        ?.gradient.dataSync() as Float32Array;
    };
    expect([...biasOf(true)]).toEqual([0, 0]);
    expect(biasOf(false)[0]).toBeLessThan(-0.1);
  });
});

describe('ReLU that stops at 6', () => {
  it('lets a gradient through between 0 and 6, and at neither', () => {
    const inputs = [-1, 0, 1e-3, 3, 5.999, 6, 7];
    const bias = tfl.layers.dense({ units: 7, inputShape: [1], kernelInitializer: 'zeros' });
    const net = tfl.sequential({ layers: [bias, tfl.layers.reLU({ maxValue: 6 })] });
    bias.setWeights([tf.zeros([1, 7]), tf.tensor1d(inputs)]);
    const plan = compile(net);
    expect(plan.describe()).toMatch(/^dense .*\nactivation /);
    expect(plan.logits(tf.ones([1, 1])).dataSync()).toEqual(
      Float32Array.of(0, 0, 1e-3, 3, 5.999, 6, 6),
    );
    const { gradients } = plan.forwardBackward(tf.ones([1, 1]), tf.tensor1d([0], 'int32'), {
      loss: softmaxCrossEntropy,
    });
    const gradient = gradients
      .find(({ parameter }) => parameter.name.endsWith('bias'))
      ?.gradient.dataSync() as Float32Array;
    expect([...gradient].map((value) => value > 0)).toEqual([
      false,
      false,
      true,
      true,
      true,
      false,
      false,
    ]);
  });

  it('is no other ReLU with a largest value', () => {
    const net = tfl.sequential({ layers: [tfl.layers.reLU({ maxValue: 2, inputShape: [3] })] });
    expect([
      ...compile(net)
        .logits(tf.tensor2d([[-1, 1, 3]]))
        .dataSync(),
    ]).toEqual([0, 1, 2]);
  });
});

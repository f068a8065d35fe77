import { compile, softmaxCrossEntropy } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/engines';

beforeAll(() => use('cpu-js'));

describe('softmax cross-entropy', () => {
  it('stays finite where the softmax does not', () => {
    const { loss, correct, dLogits } = softmaxCrossEntropy(tf.tensor2d([[1000, 0], [0, 1000]]), tf.tensor1d([1, 1], 'int32')); // biome-ignore format: a row a sample
    expect(loss.dataSync()[0]).toBe(500);
    expect(correct.dataSync()[0]).toBe(1);
    expect([...dLogits.dataSync()]).toEqual([0.5, -0.5, 0, 0]);
  });

  it('gives soft labels the loss of their mixture', () => {
    const logits = tf.tensor2d([[0.3, -1.2, 2]]);
    const loss = (labels: tf.Tensor) => softmaxCrossEntropy(logits, labels).loss.dataSync()[0] as number;
    const hard = [0, 1, 2].map((label) => loss(tf.tensor1d([label], 'int32')));
    const mixed = loss(tf.tensor2d([[0.5, 0.2, 0.3]]));
    expect(mixed).toBeCloseTo(0.5 * (hard[0] ?? 0) + 0.2 * (hard[1] ?? 0) + 0.3 * (hard[2] ?? 0), 5);
  });
});

describe('dropout', () => {
  const rate = 0.4;
  const net = () => tfl.sequential({ layers: [tfl.layers.dropout({ rate, inputShape: [2000] })] });
  const ones = () => tf.ones([1, 2000]);
  const labels = () => tf.tensor1d([0], 'int32');
  const lossOf = (seed: number) => compile(net()).step(ones(), labels(), { seed }).loss.dataSync()[0];

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
    compile(net).step(tf.tensor2d([[1, 5], [3, 5], [5, 8]]), tf.tensor1d([0, 0, 1], 'int32')); // biome-ignore format: a row a sample
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
    const { gradients } = compile(net).step(tf.tensor2d([[1, 5], [3, 6]]), tf.tensor1d([0, 1], 'int32')); // biome-ignore format: a row a sample
    expect(gradients.map(({ parameter }) => parameter.name.split('/').at(-1))).toEqual(['kernel', 'bias']);
  });
});

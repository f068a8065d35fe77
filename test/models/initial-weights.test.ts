/** How a net's weights begin: the random numbers, their bounds and their seeds. */
import { createHash } from 'node:crypto';
import { createModel } from '@deepend/models';
import type * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { normal, randomFrom, uniform } from '../../packages/nn/src/random';
import { use } from '../helpers/backends';
import { rowsOf } from '../helpers/full';

beforeAll(() => use('cpu-js'));

const kernels = (net: tfl.LayersModel) =>
  net.weights.filter(({ originalName }) => originalName.endsWith('kernel'));
const hash = (values: Float32Array) =>
  createHash('sha256')
    .update(Buffer.from(values.buffer, values.byteOffset, values.byteLength))
    .digest('hex');

describe('random numbers', () => {
  it('are uniform, and unlike from seed to seed', () => {
    const values = uniform(100_000, 2, 7);
    const mean = values.reduce((a, b) => a + b) / values.length;
    const square = values.reduce((a, b) => a + b * b) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(square).toBeCloseTo(4 / 3, 1);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(2);
    expect(hash(uniform(1000, 1, 7))).not.toBe(hash(uniform(1000, 1, 8)));
    expect(hash(uniform(1000, 1, 7))).toBe(hash(uniform(1000, 1, 7)));
  });

  it('are normal, with both tails', () => {
    const values = normal(100_001, 3, 1);
    const moment = (power: number) =>
      values.reduce((sum, value) => sum + (value / 3) ** power, 0) / values.length;
    expect(moment(1)).toBeCloseTo(0, 1);
    expect(moment(2)).toBeCloseTo(1, 1);
    expect(moment(4)).toBeCloseTo(3, 0.6);
    expect(Math.max(...values)).toBeGreaterThan(3 * 3.5);
    expect(Math.min(...values)).toBeLessThan(-3 * 3.5);
  });

  it("fall into tenths evenly, as xoshiro's do", () => {
    const random = randomFrom(3);
    const counts = Array(10).fill(0);
    for (let i = 0; i < 100_000; i++) counts[Math.floor(random() * 10)] += 1;
    const chiSquared = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
    expect(chiSquared).toBeLessThan(27.9); // 9 degrees of freedom, one in a thousand
  });
});

const SMALL = [
  'book/lenet',
  'book/resnet8',
  'book/densenet',
  'book/regnetx32',
  'cifar/resnet20',
  'googlenet',
  'mobilenet_v2',
  'resnet18',
];

/** One with grouped convolutions, one with depthwise ones, and the two usual families. */
const REPRESENTATIVE = ['book/lenet', 'book/regnetx32', 'cifar/resnet20', 'mobilenet_v2'];

describe.each(rowsOf(SMALL, (id) => REPRESENTATIVE.includes(id)))('the weights of %s', (id) => {
  const make = (options: object = {}) =>
    createModel(id, { inputShape: [64, 64, 3], numClasses: 7, ...options });

  it('come from the seed alone', () => {
    const [a, b, c] = [make({ seed: 1 }), make({ seed: 1 }), make({ seed: 2 })];
    const values = (net: tfl.LayersModel) =>
      kernels(net).map((weight) => hash(weight.read().dataSync() as Float32Array));
    expect(values(a)).toEqual(values(b));
    values(a).forEach((kernel, i) => {
      expect(kernel, kernels(a)[i]?.name).not.toEqual(values(c)[i]);
    });
    expect(new Set(values(a)).size).toBe(kernels(a).length);
  });

  it("begin within Xavier's bounds", () => {
    for (const weight of kernels(make({ init: 'xavier-uniform' }))) {
      const shape = weight.shape.map((size) => size ?? 1);
      const area = shape.slice(0, -2).reduce((a, b) => a * b, 1);
      const depthwise = weight.originalName.endsWith('depthwise_kernel');
      const [inputs, outputs] = depthwise
        ? [1, shape.at(-2) ?? 1]
        : [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
      const bound = Math.sqrt(6 / (area * (inputs + outputs)));
      const values = weight.read().dataSync() as Float32Array;
      const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(largest, weight.name).toBeLessThanOrEqual(bound * 1.0001);
      expect(Math.abs(rms / (bound / Math.sqrt(3)) - 1), weight.name).toBeLessThan(
        5 / Math.sqrt(values.length) + 0.01,
      );
    }
  });

  it("have torchvision's deviation with he-normal", () => {
    for (const weight of kernels(make({ init: 'he-normal' }))) {
      const shape = weight.shape.map((size) => size ?? 1);
      const depthwise = weight.originalName.endsWith('depthwise_kernel');
      const area = shape.slice(0, -2).reduce((a, b) => a * b, 1);
      const outputs = depthwise ? shape.at(-2) : shape.at(-1);
      const expected =
        shape.length === 2
          ? Math.sqrt(1 / (3 * (shape[0] ?? 1)))
          : Math.sqrt(2 / (area * (outputs ?? 1)));
      const values = weight.read().dataSync() as Float32Array;
      const rms = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      expect(Math.abs(rms / expected - 1), weight.name).toBeLessThan(
        5 / Math.sqrt(values.length) + 0.01,
      );
    }
  });
});

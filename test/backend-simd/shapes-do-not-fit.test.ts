/** Gradients that do not have the output's shape are refused, or left to stock cpu; empty layers. */
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { type Numbers, numbers, type Operation, runSimd, tasksOf } from './operations';

beforeAll(() => tf.setBackend('simd'));

const conv = {
  strides: [1, 1],
  dilations: [1, 1],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
};
const pool = { size: [2, 2], strides: [2, 2], padding: conv.padding };
const x = numbers([1, 4, 4, 2], 1);
const filter = numbers([3, 3, 2, 5], 2);
/** The output has 2 × 2 pixels. */
const small = numbers([1, 1, 2, 5], 3);

const REFUSED: readonly (Operation & { message: RegExp })[] = [
  {
    kernel: 'deepend.conv2dInputGradient',
    inputs: { dy: small, filter },
    attrs: { ...conv, xShape: x.shape },
    message: /conv2dInputGradient: expected .* shape \[1,2,2,5\], got \[1,1,2,5\]/,
  },
  {
    kernel: 'deepend.conv2dFilterGradient',
    inputs: { dy: small, x },
    attrs: { ...conv, filterShape: filter.shape },
    message: /conv2dFilterGradient: expected .* shape \[1,2,2,5\], got \[1,1,2,5\]/,
  },
  {
    kernel: 'deepend.maxPoolGradient',
    inputs: { dy: numbers([1, 2, 2, 2], 1), y: numbers([1, 2, 1, 2], 1), x },
    attrs: pool,
    message: /pool: expected .* of shape \[1,2,2,2\], got \[1,2,1,2\]/,
  },
  {
    kernel: 'AvgPoolGrad',
    inputs: { dy: numbers([1, 1, 2, 2], 1), input: x },
    attrs: { filterSize: 2, strides: 2, pad: 'valid' },
    message: /pool: expected .* of shape \[1,2,2,2\], got \[1,1,2,2\]/,
  },
];

describe('a gradient of another shape than the output', () => {
  it.each(REFUSED)('is refused by $kernel', ({ message, ...operation }) => {
    expect(() => runSimd(operation)).toThrow(message);
  });

  const tasks = (kernel: string, inputs: Record<string, Numbers>, attrs: object) =>
    tasksOf({
      kernel,
      inputs,
      attrs: { ...attrs, strides: [1, 1], dilations: [1, 1], pad: 'valid' },
    });
  const [fitting, short] = [numbers([1, 2, 2, 2], 1), numbers([1, 1, 2, 2], 1)];

  it('is left to stock cpu by depthwise convolutions', () => {
    const depthwise = numbers([3, 3, 2, 1], 1);
    const dx = (dy: Numbers) =>
      tasks(
        'DepthwiseConv2dNativeBackpropInput',
        { dy, filter: depthwise },
        { inputShape: x.shape },
      );
    const dFilter = (dy: Numbers) =>
      tasks('DepthwiseConv2dNativeBackpropFilter', { dy, x }, { filterShape: depthwise.shape });
    expect(dx(fitting)).toContain(Task.DepthwiseInputGradient);
    expect(dx(short)).toEqual([]);
    expect(dFilter(fitting)).toContain(Task.DepthwiseFilterGradient);
    expect(() => dFilter(short)).toThrow(/out of range element/); // stock's error
  });
});

describe('a linear layer without inputs', () => {
  const layer = (bias: boolean, relu: boolean) =>
    runSimd({
      kernel: 'deepend.dense',
      inputs: {
        x: numbers([2, 0], 1),
        kernel: numbers([0, 3], 1),
        ...(bias && { bias: { ...numbers([3], 1), values: Float32Array.of(1, -2, 3) } }),
      },
      attrs: { relu },
    })[0]?.values;

  it('gives its bias in each row, or 0', () => {
    expect([...(layer(true, false) ?? [])]).toEqual([1, -2, 3, 1, -2, 3]);
    expect([...(layer(true, true) ?? [])]).toEqual([1, 0, 3, 1, 0, 3]);
    expect([...(layer(false, false) ?? [])]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

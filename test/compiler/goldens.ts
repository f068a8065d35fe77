/**
 * PyTorch's values of updates and losses (test/golden/optimizers.json), and parameters without a
 * net.
 */
import { readFileSync } from 'node:fs';
import type { Parameter, ParameterGradient } from '@deepend/compiler';
import type { OptimizerOptions } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

type Numbers = Record<string, number[]>;

export interface Golden {
  lr: number;
  shapes: Numbers;
  weights: Numbers;
  /** A record a step. */
  gradients: Numbers[];
  /** `absent`: at which steps a parameter has no gradient. */
  optimizers: { options: OptimizerOptions; first: Numbers; last: Numbers; absent?: Numbers }[];
  clipping: { maxNorm?: number; limit?: number; norm?: number; gradients: Numbers }[];
  average: { decay: number; last: Numbers };
  outputs: number[];
  labels: { indices: number[]; soft: number[]; real: number[]; bits: number[] };
  losses: {
    loss: 'crossEntropy' | 'meanSquaredError' | 'binaryCrossEntropy';
    options?: object;
    labels: 'indices' | 'soft' | 'real' | 'bits';
    value: number;
    gradient: number[];
  }[];
}

export const golden = JSON.parse(readFileSync('test/golden/optimizers.json', 'utf8')) as Golden;
export const OUTPUT_SHAPE: [number, number] = [6, 5];

/** A parameter of no layer. */
export function parameter(name: string, values: readonly number[], shape: number[]): Parameter {
  const variable = tf.tidy(() => tf.variable(tf.tensor([...values], shape)));
  return { name, shape, trainable: true, variable };
}

/** The golden weights as parameters. */
export const goldenParameters = (): Parameter[] =>
  Object.entries(golden.weights).map(([name, values]) =>
    parameter(name, values, golden.shapes[name] as number[]),
  );

/** The gradients of one of the golden steps, from 0. */
export function goldenGradients(
  parameters: readonly Parameter[],
  step: number,
): ParameterGradient[] {
  return parameters.map((each) => {
    const values = golden.gradients[step]?.[each.name] as number[];
    return { parameter: each, gradient: tf.tensor(values, [...each.shape]) };
  });
}

export const disposeAll = (gradients: readonly ParameterGradient[]) =>
  tf.dispose(gradients.map(({ gradient }) => gradient));

/** Alike to `tolerance` of the largest of all expected. */
export function expectNumbers(
  actual: ArrayLike<number>,
  expected: readonly number[],
  tolerance = 1e-6,
): void {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const off = expected.map((value, i) => Math.abs((actual[i] as number) - value));
  expect(Math.max(...off) / largest).toBeLessThanOrEqual(tolerance); // NaN is no number that passes
}

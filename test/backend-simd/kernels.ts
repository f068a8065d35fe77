/** One kernel call on stock `cpu` and on `simd`, and how alike the results must be. */
import '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { mix } from '../helpers/fill';

export interface Input {
  readonly shape: number[];
  readonly values: Float32Array;
}

/** A kernel by TensorFlow.js's name, with its inputs' numbers. */
export interface KernelCall {
  readonly kernel: string;
  readonly inputs: Record<string, Input>;
  readonly attrs: tf.NamedAttrMap;
}

/** Numbers in [-1, 1) that are always the same for a seed. */
export function input(shape: number[], seed: number | string): Input {
  const values = mix(tf.util.sizeFromShape(shape), `${seed}`).map((value) => 2 * value - 1);
  return { shape, values };
}

/** Runs the kernel and frees all that it made. */
export async function runOn(
  backend: 'cpu' | 'simd',
  { kernel, inputs, attrs }: KernelCall,
): Promise<Input> {
  await tf.setBackend(backend);
  let result: Input | undefined;
  // Given to tidy as a result, an array of numbers would be searched for tensors, number by number.
  tf.tidy(() => {
    const tensors = Object.fromEntries(
      Object.entries(inputs).map(([name, { values, shape }]) => [
        name,
        tf.tensor(values, shape, 'float32'),
      ]),
    );
    const out = tf.engine().runKernel(kernel, tensors, attrs) as tf.Tensor;
    result = { shape: out.shape, values: out.dataSync() as Float32Array };
  });
  return result as Input;
}

export const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

interface Closeness {
  /** Relative to the largest value. */
  tolerance?: number;
  /**
   * Numbers in one sum: the size of a sum of so many products says what rounding costs where it
   * happens to be near zero.
   */
  terms?: number;
}

/** Same shape, NaN and infinities in the same places, numbers alike. */
export function expectAlike(
  actual: Input,
  expected: Input,
  { tolerance = 1e-5, terms = 1 }: Closeness = {},
): void {
  expect(actual.shape).toEqual(expected.shape);
  const finite = expected.values.filter((value) => Number.isFinite(value));
  const allowed = tolerance * Math.max(largest(finite), Math.sqrt(terms) / 3);
  for (let i = 0; i < expected.values.length; i++) {
    const [a, e] = [actual.values[i] as number, expected.values[i] as number];
    if (Object.is(a, e) || Math.abs(a - e) <= allowed) continue;
    expect.fail(`[${i}] of [${expected.shape}]: got ${a}, expected ${e} ± ${allowed}`);
  }
}

/** Runs on both; simd must also give back all memory that it took. */
export async function expectLikeCpu(call: KernelCall, closeness?: Closeness): Promise<void> {
  const expected = await runOn('cpu', call);
  const [bytes, { numTensors }] = [runtime().heap.bytes, tf.memory()];
  const actual = await runOn('simd', call);
  expect(runtime().heap.bytes, 'bytes of the heap').toBe(bytes);
  expect(tf.memory().numTensors, 'tensors').toBe(numTensors);
  expectAlike(actual, expected, closeness);
}

/** The call with a few of an input's numbers replaced. */
export function poisoned(
  call: KernelCall,
  poison: readonly { name: string; at: number; value: number }[],
): KernelCall {
  const inputs = { ...call.inputs };
  for (const { name, at, value } of poison) {
    const { shape, values } = inputs[name] as Input;
    const changed = values.slice();
    if (changed.length > 0) changed[at % changed.length] = value;
    inputs[name] = { shape, values: changed };
  }
  return { ...call, inputs };
}

/** One to three NaNs and infinities somewhere in the inputs. */
export const poisonOf = (names: readonly string[]) =>
  fc.array(
    fc.record({
      name: fc.constantFrom(...names),
      at: fc.nat(1 << 20),
      value: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    }),
    { minLength: 1, maxLength: 3 },
  );

/**
 * Calls of any kernel, with any types, on stock `cpu` and on `simd` with one and more threads.
 */
import { getThreads, setThreads } from '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { expect, vi } from 'vitest';
import type { Task } from '../../packages/backend-simd/assembly/ops';
import type { SimdBackend } from '../../packages/backend-simd/src/backend';
import { mix } from '../helpers/fill';
import { rowsOf } from '../helpers/full';

type Values = Float32Array | Int32Array | Uint8Array;
type Type = 'float32' | 'int32' | 'bool';

export interface Numbers {
  readonly dtype: Type;
  readonly shape: number[];
  readonly values: Values;
}

/** A kernel by TensorFlow.js's name. A list of inputs is what `Concat` and its like have. */
export interface Operation {
  readonly kernel: string;
  readonly inputs: Record<string, Numbers> | Numbers[];
  readonly attrs?: object;
}

/**
 * How far a number may lie from stock's: so much of it, and so much besides. Both 0: the same
 * number.
 */
export interface Allowed {
  relative?: number;
  absolute?: number;
}

const toTensor = ({ values, shape, dtype }: Numbers) => tf.tensor(values, shape, dtype);

function run({ kernel, inputs, attrs = {} }: Operation): Numbers[] {
  let outputs: Numbers[] = [];
  // Given to tidy as a result, an array of numbers would be searched for tensors, number by number.
  tf.tidy(() => {
    const tensors = Array.isArray(inputs)
      ? inputs.map(toTensor)
      : Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, toTensor(x)]));
    const out = tf
      .engine()
      .runKernel(kernel, tensors as tf.NamedTensorMap, attrs as tf.NamedAttrMap) as
      | tf.Tensor
      | tf.Tensor[];
    // Stock's empty tensors may hold a plain list.
    const valuesOf = (x: tf.Tensor) =>
      tf.util.toTypedArray(x.dataSync(), x.dtype as Type) as Values;
    outputs = [out]
      .flat()
      .map((x) => ({ dtype: x.dtype as Type, shape: x.shape, values: valuesOf(x) }));
  });
  return outputs;
}

const simd = () => tf.backend() as SimdBackend;
const bytesInUse = () => (simd().memory() as unknown as { numBytesInWasm: number }).numBytesInWasm;

/** Runs on simd, which must give back all that it took. */
export function runSimd(operation: Operation): Numbers[] {
  const [bytes, { numTensors }] = [bytesInUse(), tf.memory()];
  const out = run(operation);
  expect(tf.memory().numTensors, 'tensors').toBe(numTensors);
  expect(bytesInUse(), 'bytes in WebAssembly').toBe(bytes);
  return out;
}

const bitsOf = ({ values }: Numbers) =>
  Buffer.from(values.buffer, values.byteOffset, values.byteLength);

/** The operation on one thread and on three, in a full run on two too: all give the same bits. */
export function runOnThreads(operation: Operation): Numbers[] {
  const before = getThreads();
  try {
    const [one, ...others] = rowsOf([1, 2, 3], (threads) => threads !== 2).map((threads) => {
      setThreads(threads);
      return runSimd(operation);
    }) as [Numbers[], ...Numbers[][]];
    for (const other of others) {
      const same = other.every((x, i) => bitsOf(x).equals(bitsOf(one[i] as Numbers)));
      expect(same, 'the same bits on any number of threads').toBe(true);
    }
    return one;
  } finally {
    setThreads(before);
  }
}

export async function runStock(operation: Operation): Promise<Numbers[]> {
  await tf.setBackend('cpu');
  const out = run(operation);
  await tf.setBackend('simd');
  return out;
}

function expectNear(
  actual: Numbers,
  expected: Numbers,
  { relative = 0, absolute = 0 }: Allowed,
): void {
  expect({ shape: actual.shape, dtype: actual.dtype }).toEqual({
    shape: expected.shape,
    dtype: expected.dtype,
  });
  for (let i = 0; i < expected.values.length; i++) {
    const [a, e] = [actual.values[i] as number, expected.values[i] as number];
    // `===` takes 0 and -0 for one.
    if (a === e || Object.is(a, e) || Math.abs(a - e) <= relative * Math.abs(e) + absolute)
      continue;
    expect.fail(`[${i}] of [${expected.shape}]: got ${a}, stock cpu has ${e}`);
  }
}

/** simd gives what stock cpu gives, whatever runs it. */
export async function expectLikeStock(operation: Operation, allowed: Allowed = {}): Promise<void> {
  const expected = await runStock(operation);
  const actual = runOnThreads(operation);
  expect(actual.length).toBe(expected.length);
  for (const [i, x] of actual.entries()) expectNear(x, expected[i] as Numbers, allowed);
}

/** The WebAssembly tasks that an operation launches: none where it is left to stock cpu. */
export function tasksOf(operation: Operation): Task[] {
  const launch = vi.spyOn(simd(), 'launch');
  try {
    run(operation);
    return launch.mock.calls.map(([task]) => task);
  } finally {
    launch.mockRestore();
  }
}

/** What kernels trip over. */
const ODD = [
  Number.NaN,
  Infinity,
  -Infinity,
  -0,
  0,
  1e-40,
  -1e-40,
  1e30,
  -1e30,
  0.5,
  -0.5,
  2.5,
  1,
  -1,
  88.8,
  -88.8,
  104.5,
  -104.5,
];

const size = tf.util.sizeFromShape;

/** Numbers in [-scale, scale) that are always the same for a seed. */
export function numbers(shape: number[], seed: number, scale = 4): Numbers {
  const values = mix(size(shape), `${seed}`).map((value) => scale * (2 * value - 1));
  return { dtype: 'float32', shape, values };
}

/** The same, with odd numbers among them. */
export function oddNumbers(shape: number[], seed: number, odd: readonly number[] = ODD): Numbers {
  const { values, ...rest } = numbers(shape, seed);
  const places = mix(values.length, `places ${seed}`);
  const chosen = mix(values.length, `odd ${seed}`);
  const mixed = values.map((value, i) =>
    (places[i] as number) < 0.2
      ? (odd[Math.floor((chosen[i] as number) * odd.length)] as number)
      : value,
  );
  return { ...rest, values: mixed };
}

export function integers(
  shape: number[],
  seed: number,
  [from, to]: readonly [number, number] = [-9, 9],
): Numbers {
  const values = Int32Array.from(mix(size(shape), `${seed}`), (value) =>
    Math.floor(from + value * (to - from)),
  );
  return { dtype: 'int32', shape, values };
}

export function booleans(shape: number[], seed: number): Numbers {
  return {
    dtype: 'bool',
    shape,
    values: Uint8Array.from(mix(size(shape), `${seed}`), (value) => (value < 0.5 ? 0 : 1)),
  };
}

/** Ranks 0 to 6, with dimensions of 1 and, here and there, of 0; at most some thousand numbers. */
export const shapes = ({ minRank = 0, maxRank = 6, minSize = 0 } = {}) =>
  fc
    .array(
      fc.oneof(
        { weight: 1, arbitrary: fc.constant(minSize) },
        { weight: 4, arbitrary: fc.constant(1) },
        { weight: 12, arbitrary: fc.integer({ min: 2, max: 7 }) },
        { weight: 3, arbitrary: fc.integer({ min: 8, max: 40 }) },
      ),
      { minLength: minRank, maxLength: maxRank },
    )
    .filter((shape) => size(shape) <= 6000);

export const seeds = fc.nat(9999);

/**
 * A result's shape, and two operands': each without some of the first dimensions, and with 1 for
 * some others.
 */
export const broadcast = fc
  .record({
    shape: shapes(),
    drop: fc.tuple(fc.nat(6), fc.nat(6)),
    ones: fc.tuple(fc.nat(63), fc.nat(63)),
    whole: fc.nat(2),
  })
  .map(({ shape, drop, ones, whole }) =>
    [0, 1].map((operand) => {
      if (whole === operand) return shape;
      const narrow = shape.map((length, axis) =>
        ((ones[operand] as number) >> axis) & 1 ? 1 : length,
      );
      return narrow.slice(Math.min(drop[operand] as number, shape.length));
    }),
  );

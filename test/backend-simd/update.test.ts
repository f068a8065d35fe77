/**
 * The fused update of all weights against the definition in core ops, and on several threads.
 * Golden values: test/compiler/optimizers.test.ts.
 */
import { setBuild, setThreads, simdInfo } from '@deepend/backend-simd';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { SimdBackend } from '../../packages/backend-simd/src/backend';
import type {
  UpdateCoefficients,
  UpdateEntry,
  UpdateRule,
} from '../../packages/compiler/src/fused-kernels';
import { isComposed, RULES } from '../../packages/optim/src/optimizers/rules';
import { composed, update } from '../../packages/optim/src/optimizers/update';
import { mix } from '../helpers/fill';
import { rowsOf, runsOf } from '../helpers/full';

/** The others have no fused kernel. */
const names = Object.keys(RULES).filter(
  (name) => !isComposed(name as keyof typeof RULES),
) as UpdateRule[];
const threads = simdInfo().threads;

/** One weight's part, but for its numbers. */
interface Part extends Pick<UpdateEntry, 'lr' | 'decay' | 'shrink' | 'correction'> {
  size: number;
}

const numbers = (size: number, name: string) => mix(size, name).map((value) => 2 * value - 1);
const variable = (values: Float32Array) => tf.tidy(() => tf.variable(tf.tensor1d(values), false));
/**
 * Slots that are under a root begin away from 0, where one rounding would show as a large
 * difference.
 */
const isSquare = (slot: string) => slot === 'square' || slot === 'sum';

/** Weights and slots after so many steps by one of the two forms. */
function run(
  form: typeof composed,
  rule: UpdateRule,
  parts: readonly Part[],
  { steps = 3, ...coefficients }: UpdateCoefficients & { steps?: number },
) {
  const held = parts.map(({ size }, i) => ({
    weight: variable(numbers(size, `weight ${i}`)),
    slots: RULES[rule].slots.map((slot) =>
      variable(
        numbers(size, `${slot} ${i}`).map((value) => (isSquare(slot) ? 2 + value : value / 4)),
      ),
    ),
  }));
  const before = tf.memory().numTensors;
  for (let step = 0; step < steps; step++) {
    const entries = held.map((own, i) => {
      const { size, ...rest } = parts[i] as Part;
      return { ...own, ...rest, gradient: tf.tensor1d(numbers(size, `gradient ${i}.${step}`)) };
    });
    form(rule, entries, coefficients);
    tf.dispose(entries.map(({ gradient }) => gradient));
  }
  expect(tf.memory().numTensors).toBe(before);
  const values = held.map(({ weight, slots }) =>
    [weight, ...slots].map((each) => each.dataSync() as Float32Array),
  );
  tf.dispose(held.map(({ weight, slots }) => [weight, ...slots]));
  return values;
}

function expectAlike(
  actual: Float32Array[][],
  expected: Float32Array[][],
  tolerance: number,
): void {
  expected.forEach((weight, i) => {
    weight.forEach((values, j) => {
      const got = actual[i]?.[j] as Float32Array;
      expect(got.length).toBe(values.length);
      const off = values.findIndex(
        (value, k) =>
          !(Math.abs(value - (got[k] as number)) <= tolerance * Math.max(1, Math.abs(value))),
      );
      if (off >= 0)
        expect.fail(
          `weight ${i}, ${j ? `slot ${j}` : 'itself'}, [${off}]: got ${got[off]}, expected ${values[off]}`,
        );
    });
  });
}

/** `toEqual` would compare number by number, slowly. */
function expectSame(actual: Float32Array[][], expected: Float32Array[][], what: string): void {
  const bytes = (values: Float32Array) =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  expected.forEach((weight, i) => {
    weight.forEach((values, j) => {
      expect(
        bytes(values).equals(bytes(actual[i]?.[j] as Float32Array)),
        `${what}: ${i}, ${j}`,
      ).toBe(true);
    });
  });
}

const size = fc.oneof(
  fc.integer({ min: 0, max: 70 }),
  fc.constantFrom(16_383, 16_384, 16_385, 40_001),
);
const part: fc.Arbitrary<Part> = fc.record({
  size,
  lr: fc.double({ min: -1, max: 1, noNaN: true }),
  decay: fc.constantFrom(0, 0.01, 0.5),
  shrink: fc.constantFrom(1, 0.9, 0),
  correction: fc.constantFrom(1, 0.03, 0.7),
});
const coefficients = fc.record({
  beta1: fc.constantFrom(0, 0.5, 0.9),
  beta2: fc.constantFrom(0.5, 0.9, 0.999),
  epsilon: fc.constantFrom(1e-2, 1e-8),
});

/** The bytes that a tensor owns after its end, as integers. */
function wordsAfter(tensor: tf.Tensor): Int32Array {
  const backend = tf.backend() as SimdBackend;
  const end = backend.pointer(tensor) + tensor.size * 4;
  return new Int32Array(backend.buffer, end, 16);
}

describe.each(names)('the update rule %s', (rule) => {
  beforeAll(() => tf.setBackend('simd'));
  afterAll(() => setThreads(threads));

  // Fused multiply-add rounds once where core ops round twice. By that Lion's sign may turn where
  // it is all but 0, so it has its fixed numbers.
  it('is what core ops compute, each weight with its own rate and decay', () => {
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), coefficients, (parts, given) => {
        expectAlike(run(update, rule, parts, given), run(composed, rule, parts, given), 2e-5);
      }),
      { numRuns: runsOf(15), ...(rule === 'lion' && { seed: 6 }) },
    );
  });

  it('gives the same bits on any number of threads', () => {
    const parts = [1, 3, 40_001, 64, 16_384, 16_385, 7].map((count, i) => ({
      size: count,
      lr: 0.1 / (i + 1),
      decay: 0.01 * i,
      shrink: 1 - 0.01 * i,
    }));
    const given = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    setThreads(1);
    const one = run(update, rule, parts, given);
    for (const count of rowsOf([2, 3, 8], (threads) => threads === 3)) {
      setThreads(count);
      expectSame(run(update, rule, parts, given), one, `${count} threads`);
    }
    setThreads(threads);
  });

  it('passes on what is not finite, and touches no neighbour', () => {
    const weights = [0, 1].map((i) => variable(numbers(9, `weight ${i}`)));
    const slots = weights.map(() =>
      RULES[rule].slots.map(() => variable(new Float32Array(9).fill(0.5))),
    );
    const gradients = [
      tf.tensor1d(numbers(9, 'gradient').with(4, Number.NaN)),
      tf.tensor1d(numbers(9, 'other')),
    ];
    const entries = weights.map((weight, i) => ({
      weight,
      gradient: gradients[i] as tf.Tensor,
      slots: slots[i] ?? [],
      lr: 0.1,
    }));
    update(rule, entries, { beta1: 0.9, beta2: 0.99, epsilon: 1e-3 });
    const isBad = (values: Float32Array) =>
      [...values].flatMap((value, i) => (Number.isNaN(value) ? [i] : []));
    expect(isBad(weights[0]?.dataSync() as Float32Array)).toEqual([4]);
    expect(isBad(weights[1]?.dataSync() as Float32Array)).toEqual([]);
    for (const slot of slots[0] ?? []) expect(isBad(slot.dataSync() as Float32Array)).toEqual([4]);
    tf.dispose([weights, slots, gradients]);
  });
});

describe('the fused update', () => {
  beforeAll(() => tf.setBackend('simd'));

  it.each(simdInfo().builds)('writes nothing after the end of a tensor, with %s', (build) => {
    const usual = simdInfo().build;
    setBuild(build);
    onTestFinished(() => setBuild(usual));
    for (const rule of names) {
      const entry = {
        weight: variable(numbers(9, 'w')),
        gradient: tf.tensor1d(numbers(9, 'g')),
        slots: RULES[rule].slots.map((slot) => variable(numbers(9, slot))),
        lr: 0.1,
      };
      const after = [entry.weight, entry.gradient, ...entry.slots].map((tensor) =>
        wordsAfter(tensor).fill(7),
      );
      update(rule, [entry], { beta1: 0.9, beta2: 0.99, epsilon: 1e-3 });
      for (const words of after) expect(words.every((word) => word === 7)).toBe(true);
      tf.dispose([entry.weight, entry.gradient, entry.slots]);
    }
  });

  it('writes where the weights are, and not into their clones', () => {
    const weight = variable(numbers(10, 'w'));
    const gradient = tf.ones([10]);
    update('sgd', [{ weight, gradient, lr: 1 }]);
    const place = weight.dataId;
    update('sgd', [{ weight, gradient, lr: 1 }]);
    expect(weight.dataId).toBe(place);
    const [clone, before] = [weight.clone(), [...weight.dataSync()]];
    update('sgd', [{ weight, gradient, lr: 1 }]);
    expect(clone.dataSync()).toEqual(Float32Array.from(before));
    expect([...weight.dataSync()]).toEqual(before.map((value) => Math.fround(value - 1)));
    tf.dispose([weight, gradient, clone]);
  });
});

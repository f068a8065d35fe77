/** nn.functional against PyTorch, on every backend: outputs, gradients, leaks, and bad input. */
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/functional.json';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const { functional } = nn;

type Named = Record<string, tf.Tensor>;
// biome-ignore lint/suspicious/noExplicitAny: each function takes its own inputs and options
type Run = (inputs: any, options: any) => tf.Tensor[];

/** How each function is called with its golden inputs. */
const RUNS: Record<string, Run> = {
  linear: ({ x, weight, bias }) => [functional.linear(x, weight, bias)],
  embedding: ({ ids, weight }, options) => [functional.embedding(ids, weight, options)],
  layerNorm: ({ x, weight, bias }, options) => [
    functional.layerNorm(x, { ...options, weight, bias }),
  ],
  gelu: ({ x }, options) => [functional.gelu(x, options)],
  silu: ({ x }) => [functional.silu(x)],
  softmax: ({ x, mask }, options) => [functional.softmax(x, { ...options, mask })],
  attention: ({ q, k, v, mask }, options) => [
    functional.scaledDotProductAttention(q, k, v, { ...options, mask }),
  ],
  conv1d: ({ x, filter, bias }, options) => [functional.conv1d(x, filter, { ...options, bias })],
  conv2d: ({ x, filter, bias }, options) => [functional.conv2d(x, filter, { ...options, bias })],
  convTranspose2d: ({ x, filter, bias }, options) => [
    functional.convTranspose2d(x, filter, { ...options, bias }),
  ],
  upsampleBilinear: ({ x }, { size }) => [functional.upsampleBilinear(x, size)],
  recurrent: (inputs, { cell, reverse }) => {
    const { output, h, c } = functional.recurrent(cell, { ...inputs, reverse });
    return c ? [output, h, c] : [output, h];
  },
};

interface Values {
  shape: number[];
  dtype: string;
  values: number[];
}

interface Case {
  run: string;
  options: object;
  inputs: Record<string, Values>;
  outputs: Values[];
  gradients: Record<string, Values>;
}

const CASES = Object.entries(golden as unknown as Record<string, Case>);

const read = ({ values, shape, dtype }: Values) => tf.tensor(values, shape, dtype as tf.DataType);

/** Σ sin(i + 1) · output[i] over the numbers of all outputs. */
function weightedSum(outputs: readonly tf.Tensor[]): tf.Scalar {
  const flat = tf.concat(outputs.map((output) => tf.reshape(output, [-1])));
  const weights = Float32Array.from({ length: flat.size }, (_, i) => Math.sin(i + 1));
  return tf.sum(tf.mul(flat, tf.tensor1d(weights)));
}

/** The outputs, and the gradients of the inputs by name. */
function differentiate({ run, options, gradients }: Case, inputs: Named) {
  let outputs: tf.Tensor[] = [];
  const names = Object.keys(gradients);
  const loss = (...wrt: tf.Tensor[]) => {
    const named = Object.fromEntries(names.map((name, i) => [name, wrt[i]]));
    outputs = RUNS[run]?.({ ...inputs, ...named }, options) as tf.Tensor[];
    for (const output of outputs) tf.keep(output);
    return weightedSum(outputs);
  };
  const found = tf.grads(loss)(names.map((name) => inputs[name] as tf.Tensor));
  return { outputs, found: Object.fromEntries(names.map((name, i) => [name, found[i]])) };
}

/** The largest difference must be below 2e-5 of the largest number, and of 1. */
function expectClose(actual: tf.Tensor | undefined, expected: Values, what: string): void {
  expect(actual?.shape, what).toEqual(expected.shape);
  const values = actual?.dataSync() ?? [];
  const largest = Math.max(1, ...expected.values.map(Math.abs));
  const difference = expected.values.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (values[i] ?? Number.NaN))),
    0,
  );
  expect(difference / largest, what).toBeLessThan(2e-5);
}

for (const { name: backend, title, absent } of backends) {
  describe.skipIf(absent)(`nn.functional on ${title}`, () => {
    beforeAll(() => use(backend));

    it.each(CASES)('%s: outputs, gradients and no leak', async (_, given) => {
      const inputs = Object.fromEntries(
        Object.entries(given.inputs).map(([key, values]) => [key, read(values)]),
      );
      const { outputs, found } = differentiate(given, inputs);
      expect(outputs).toHaveLength(given.outputs.length);
      for (const [i, expected] of given.outputs.entries())
        expectClose(outputs[i], expected, `output ${i}`);
      for (const [key, expected] of Object.entries(given.gradients))
        expectClose(found[key], expected, `gradient of ${key}`);
      await expectNoLeak(() => {
        const again = differentiate(given, inputs);
        tf.dispose([again.outputs, again.found]);
      });
      await expectNoLeak(() => tf.dispose(RUNS[given.run]?.(inputs, given.options)));
      tf.dispose([outputs, found, inputs]);
    });

    it('gives a row of zeros where a mask leaves nothing', () => {
      const p = functional.softmax(
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
        {
          mask: tf.tensor2d(
            [
              [0, 0],
              [1, 0],
            ],
            [2, 2],
            'int32',
          ),
        },
      );
      expect([...p.dataSync()]).toEqual([0, 0, 1, 0]);
    });

    it('drops the same numbers in both passes, and others by another seed', () => {
      const x = tf.ones([40]);
      const draw = (seed: number) => functional.dropout(x, 0.25, { seed }).dataSync();
      const gradient = tf.grad((of: tf.Tensor) => functional.dropout(of, 0.25, { seed: 7 }))(x);
      expect(gradient.dataSync()).toEqual(draw(7));
      expect(new Set(draw(7))).toEqual(new Set([0, Math.fround(1 / 0.75)]));
      expect(draw(8)).not.toEqual(draw(7));
      expect([...functional.dropout(x, 1).dataSync()]).toEqual(new Array(40).fill(0));
    });
  });
}

describe('nn.functional refuses', () => {
  beforeAll(() => use('cpu-js'));
  const steps = (more: object = {}) => ({
    x: tf.zeros<tf.Rank.R3>([4, 2, 3]),
    h0: tf.zeros<tf.Rank.R2>([2, 5]),
    weightIh: tf.zeros<tf.Rank.R2>([15, 3]),
    weightHh: tf.zeros<tf.Rank.R2>([15, 5]),
    ...more,
  });
  const image = tf.zeros<tf.Rank.R4>([1, 4, 4, 2]);
  const filter = tf.zeros<tf.Rank.R4>([3, 3, 2, 4]);
  const table = tf.zeros<tf.Rank.R2>([3, 2]);

  it.each<[what: string, call: () => unknown, message: RegExp]>([
    [
      'other features',
      () => functional.linear(tf.zeros([2, 3]), tf.zeros([5, 4])),
      /^\[nn\] functional\.linear: expected inputs of 4 features .*, got \[2, 3\]/,
    ],
    [
      'an index outside the table',
      () => functional.embedding(tf.tensor1d([0, 3], 'int32'), table),
      /functional\.embedding: expected indices from 0 to 2, .* got 3/,
    ],
    [
      'indices that are no integers',
      () => functional.embedding(tf.tensor1d([0.5]), table),
      /int32 indices, got float32/,
    ],
    [
      'another normalized shape',
      () => functional.layerNorm(image, { normalizedShape: [3] }),
      /layerNorm: expected inputs of shape \[\.\.\., 3\], got \[1, 4, 4, 2\]/,
    ],
    [
      'a state of another shape',
      () => functional.recurrent('gru', steps({ h0: tf.zeros([3, 5]) })),
      /recurrent: expected h0 of shape \[2, hidden\], got \[3, 5\]/,
    ],
    ['an LSTM without cells', () => functional.recurrent('lstm', steps()), /c0 of shape \[2, 5\]/],
    [
      'a GRU with cells',
      () => functional.recurrent('gru', steps({ c0: tf.zeros([2, 5]) })),
      /no c0 for 'gru'/,
    ],
    [
      'lengths beyond the steps',
      () => functional.recurrent('gru', steps({ lengths: tf.tensor1d([4, 5], 'int32') })),
      /lengths from 1 to 4, .* got 5/,
    ],
    [
      'a mask of another length',
      () => functional.softmax(table, { mask: tf.ones([3], 'int32') }),
      /a mask that broadcasts to \[3, 2\], got \[3\]/,
    ],
    [
      'other channels',
      () => functional.conv2d(image, tf.zeros([3, 3, 3, 4])),
      /conv2d: expected 3 input channels, .* got \[1, 4, 4, 2\]/,
    ],
    [
      'an image smaller than the filter',
      () => functional.conv2d(image, filter, { dilation: 2 }),
      /images of at least 5 × 5 with padding, got 4 × 4/,
    ],
    [
      'an output padding of the stride',
      () => functional.convTranspose2d(image, tf.zeros([3, 3, 4, 2]), { outputPadding: 1 }),
      /outputPadding below the stride/,
    ],
    ['a probability of 2', () => functional.dropout(table, 2), /a probability from 0 to 1, got 2/],
    [
      'an unknown approximation',
      () => functional.gelu(table, { approximate: 'erf' as 'tanh' }),
      /approximate 'none' or 'tanh', got 'erf'/,
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message);
  });
});

describe.each(['simd', 'cpu-js'] as const)('the derivative of a gradient, on %s', (backend) => {
  beforeAll(() => use(backend));

  it('is that of a network with ReLU, as a gradient penalty needs it', () => {
    const inner = new nn.Linear(3, 8, { seed: 1 });
    const outer = new nn.Linear(8, 1, { seed: 2 });
    const relu = new nn.ReLU();
    const sumOf = (x: tf.Tensor) =>
      tf.sum(tf.square(outer.forward(relu.forward(inner.forward(x))))) as tf.Scalar;
    const penalty = (x: tf.Tensor) => tf.sum(tf.square(tf.grad(sumOf)(x))) as tf.Scalar;
    const at = (value: number) => tf.tensor2d([[value, -0.7, 1.1]]);
    const step = 1 / 64;
    const rise = penalty(at(0.4 + step)).arraySync() - penalty(at(0.4 - step)).arraySync();
    const slope = tf.grad(penalty)(at(0.4)).arraySync() as number[][];
    expect(Math.abs(rise)).toBeGreaterThan(1e-4);
    expect(slope[0]?.[0]).toBeCloseTo(rise / (2 * step), 3);
  });
});

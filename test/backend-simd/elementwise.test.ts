/** Operations on single numbers and on pairs, on simd as on stock cpu. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { rowsOf, runsOf } from '../helpers/full';
import {
  type Allowed,
  booleans,
  broadcast,
  expectLikeStock,
  integers,
  type Numbers,
  numbers,
  oddNumbers,
  runOnThreads,
  seeds,
  shapes,
  tasksOf,
} from './operations';

beforeAll(() => tf.setBackend('simd'));

/** Denormal numbers are a multiple of 1.4e-45. */
const CLOSE: Allowed = { relative: 1e-6, absolute: 3e-45 };

const UNARY: readonly { kernel: string; attrs?: object; allowed?: Allowed }[] = [
  { kernel: 'Relu' },
  { kernel: 'Relu6' },
  { kernel: 'Neg' },
  { kernel: 'Abs' },
  { kernel: 'Square' },
  { kernel: 'Sqrt' },
  { kernel: 'Rsqrt', allowed: CLOSE },
  { kernel: 'Step', attrs: { alpha: -0.25 } },
  { kernel: 'Step', attrs: { alpha: 0 } },
  { kernel: 'Reciprocal' },
  { kernel: 'Floor' },
  { kernel: 'Ceil' },
  { kernel: 'Round' },
  { kernel: 'LeakyRelu', attrs: { alpha: 0.2 }, allowed: CLOSE },
  { kernel: 'ClipByValue', attrs: { clipValueMin: -0.7, clipValueMax: 1.3 } },
  { kernel: 'ClipByValue', attrs: { clipValueMin: -Infinity, clipValueMax: 0 } },
  { kernel: 'Exp', allowed: CLOSE },
  { kernel: 'Expm1', allowed: CLOSE },
  // Stock subtracts 1 from what it has rounded to double precision, and so loses what is smaller.
  { kernel: 'Elu', allowed: { relative: 1e-6, absolute: 2e-16 } },
  { kernel: 'Sigmoid', allowed: CLOSE },
  { kernel: 'Tanh', allowed: CLOSE },
  { kernel: 'Log', allowed: CLOSE },
  { kernel: 'Log1p', allowed: CLOSE },
  { kernel: 'Softplus', allowed: CLOSE },
  { kernel: 'Sin', allowed: CLOSE },
  { kernel: 'Cos', allowed: CLOSE },
];

/** Every so-many-th float32 from -∞ to ∞, NaNs too. */
function allOverFloats(): Numbers {
  const count = 1 << 17;
  const bits = Uint32Array.from(
    { length: count },
    (_, i) => i * (2 ** 32 / count) + ((i * 7919) % 32768),
  );
  return { dtype: 'float32', shape: [count], values: new Float32Array(bits.buffer) };
}

describe.each(UNARY)('$kernel $attrs', ({ kernel, attrs, allowed }) => {
  it("equals stock cpu's", async () => {
    await fc.assert(
      fc.asyncProperty(shapes(), seeds, (shape, seed) =>
        expectLikeStock({ kernel, attrs, inputs: { x: oddNumbers(shape, seed) } }, allowed),
      ),
      { numRuns: runsOf(25) },
    );
  });

  it("equals stock cpu's all over the range of float32", async () => {
    await expectLikeStock({ kernel, attrs, inputs: { x: allOverFloats() } }, allowed);
  });

  it('runs in WebAssembly, but for integers', () => {
    expect(tasksOf({ kernel, attrs, inputs: { x: numbers([3], 1) } })).toEqual([Task.Unary]);
    expect(tasksOf({ kernel, attrs, inputs: { x: integers([3], 1) } })).toEqual([]);
  });
});

const BINARY: readonly { kernel: string; names?: readonly [string, string]; allowed?: Allowed }[] =
  [
    { kernel: 'Add' },
    { kernel: 'Sub' },
    { kernel: 'Multiply' },
    { kernel: 'RealDiv' },
    { kernel: 'Maximum' },
    { kernel: 'Minimum' },
    { kernel: 'SquaredDifference', allowed: CLOSE },
    { kernel: 'Prelu', names: ['x', 'alpha'] },
    { kernel: 'Greater' },
    { kernel: 'GreaterEqual' },
    { kernel: 'Less' },
    { kernel: 'LessEqual' },
    { kernel: 'Equal' },
    { kernel: 'NotEqual' },
  ];

/** Few values, so that many are equal. */
const FEW = [Number.NaN, Infinity, -Infinity, 0, -0, 1, 1, 2, -3];

describe.each(BINARY)('$kernel', ({ kernel, names: [a, b] = ['a', 'b'], allowed }) => {
  const isComparison = /Greater|Less|Equal/.test(kernel);

  it("equals stock cpu's, however its inputs are broadcast", async () => {
    await fc.assert(
      fc.asyncProperty(broadcast, seeds, fc.boolean(), async ([first, second], seed, few) => {
        const make = (shape = [] as number[], offset = 0) =>
          isComparison && few && seed % 2 === 0
            ? integers(shape, seed + offset, [-2, 3])
            : oddNumbers(shape, seed + offset, few ? FEW : undefined);
        await expectLikeStock(
          { kernel, inputs: { [a]: make(first), [b]: make(second, 1) } },
          allowed,
        );
      }),
      { numRuns: runsOf(60) },
    );
  });

  it('runs in WebAssembly, but integers only where they are compared', () => {
    expect(tasksOf({ kernel, inputs: { [a]: numbers([2, 3], 1), [b]: numbers([3], 2) } })).toEqual([
      Task.Binary,
    ]);
    expect(tasksOf({ kernel, inputs: { [a]: integers([3], 1), [b]: integers([3], 2) } })).toEqual(
      isComparison ? [Task.Binary] : [],
    );
  });

  const TILED: [number[], number[]][] = [
    [
      [300, 300],
      [300, 300],
    ],
    [[300, 300], []],
    [[50_001], [1]],
    [
      [9, 1, 500],
      [1, 23, 1],
    ],
    [[40_000, 3], [3]],
  ];
  it.each(rowsOf(TILED, ([first]) => first.length === 3 || first[0] === 40_000))(
    'equals stock cpu in many tiles: %j and %j',
    async (first, second) => {
      await expectLikeStock(
        { kernel, inputs: { [a]: oddNumbers(first, 1), [b]: oddNumbers(second, 2) } },
        allowed,
      );
    },
  );
});

describe('other operations', () => {
  const cases = fc.record({ shape: shapes(), seed: seeds, count: fc.integer({ min: 1, max: 5 }) });

  it('AddN adds one by one', async () => {
    const property = fc.asyncProperty(cases, ({ shape, seed, count }) => {
      const inputs = Array.from({ length: count }, (_, i) => oddNumbers(shape, seed + i));
      return expectLikeStock({ kernel: 'AddN', inputs });
    });
    await fc.assert(property, { numRuns: runsOf(30) });
    const inputs = [1, 2, 3].map((seed) => numbers([3], seed));
    expect(tasksOf({ kernel: 'AddN', inputs })).toEqual([Task.Binary, Task.Binary]);
  });

  it.each([
    ['float32', oddNumbers],
    ['int32', integers],
    ['bool', booleans],
  ] as const)('Select takes from one or the other: %s', async (_, make) => {
    const inputs = (shape: number[], seed: number) => ({
      condition: booleans(shape, seed),
      t: make(shape, seed + 1),
      e: make(shape, seed + 2),
    });
    const property = fc.asyncProperty(cases, ({ shape, seed }) =>
      expectLikeStock({ kernel: 'Select', inputs: inputs(shape, seed) }),
    );
    await fc.assert(property, { numRuns: runsOf(30) });
    await expectLikeStock({ kernel: 'Select', inputs: inputs([70_001], 5) });
    expect(tasksOf({ kernel: 'Select', inputs: inputs([5], 1) })).toEqual([Task.Select]);
  });

  it('EluGrad is dy where y is above 0, else dy · (y + 1)', async () => {
    const property = fc.asyncProperty(cases, ({ shape, seed }) =>
      expectLikeStock(
        {
          kernel: 'EluGrad',
          inputs: { dy: oddNumbers(shape, seed), y: oddNumbers(shape, seed + 1) },
        },
        CLOSE,
      ),
    );
    await fc.assert(property, { numRuns: runsOf(30) });
    expect(
      tasksOf({ kernel: 'EluGrad', inputs: { dy: numbers([3], 1), y: numbers([3], 2) } }),
    ).toEqual([Task.Binary]);
  });

  it.each<[name: string, largest: number, gradient: (dy: number, y: number) => number]>([
    ['relu', 1, (dy, y) => (y > 0 ? dy : 0)],
    ['relu6', 9, (dy, y) => (y > 0 && y < 6 ? dy : 0)],
    ['sigmoid', 1, (dy, y) => dy * y * (1 - y)],
    ['tanh', 1, (dy, y) => dy * (1 - y * y)],
  ])('the gradient of %s is dy times what y tells', (name, largest, gradient) => {
    const [dy, y] = [numbers([30_001], 1), numbers([30_001], 2, largest)];
    for (const [i, edge] of [0, 6, -0].entries()) y.values[i] = edge;
    const [out] = runOnThreads({
      kernel: 'deepend.activationGradient',
      inputs: { dy, y },
      attrs: { name },
    });
    for (const [i, value] of (out as Numbers).values.entries()) {
      const expected = gradient(dy.values[i] as number, y.values[i] as number);
      expect(Math.abs(value - expected)).toBeLessThanOrEqual(
        1e-6 * Math.abs(dy.values[i] as number),
      );
    }
  });

  it('leaves the integers to stock cpu, with its results', async () => {
    await expectLikeStock({
      kernel: 'Add',
      inputs: { a: integers([4, 5], 1), b: integers([5], 2) },
    });
    await expectLikeStock({ kernel: 'Relu', inputs: { x: integers([4, 5], 1) } });
  });

  it('gives one number after the other, whatever ran before in its memory', () => {
    const [out] = runOnThreads({
      kernel: 'Add',
      inputs: { a: numbers([100_003], 1), b: numbers([100_003], 1) },
    });
    const doubled = numbers([100_003], 1).values.map((value) => 2 * value);
    expect(out?.values).toEqual(doubled);
  });
});

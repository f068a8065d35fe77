/** Matrix products on simd equal stock cpu's. */
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { runsOf } from '../helpers/full';
import { expectLikeCpu, input, type KernelCall, poisoned, poisonOf } from './kernels';

const SIZE = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: 70 }) },
  { weight: 1, arbitrary: fc.integer({ min: 71, max: 500 }) },
);

/** Which matrices meet: of the one batch, of the other. */
const BATCHES: readonly (readonly [number[], number[]])[] = [
  [[], []],
  [[1], []],
  [[3], [3]],
  [[3], [1]],
  [[1], [4]],
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 2],
    [1, 1],
  ],
  [[1, 1], [5]],
  [[], [2, 2]],
];

/** `activation` of stock's that simd leaves to it, too. */
const ACTIVATIONS = [undefined, 'linear', 'relu', 'relu6', 'elu'];

const call = fc
  .record({
    m: SIZE,
    k: SIZE,
    n: SIZE,
    batches: fc.constantFrom(...BATCHES),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    fused: fc.boolean(),
    bias: fc.boolean(),
    activation: fc.constantFrom(...ACTIVATIONS),
    seed: fc.nat(999),
  })
  .filter(({ m, k, n }) => m * k * n < 20_000_000)
  .map(({ m, k, n, batches: [batchA, batchB], transposeA, transposeB, seed, ...options }) => {
    const a = input([...batchA, ...(transposeA ? [k, m] : [m, k])], `a${seed}`);
    const b = input([...batchB, ...(transposeB ? [n, k] : [k, n])], `b${seed}`);
    const bias = options.fused && options.bias && n > 0 && { bias: input([n], `bias${seed}`) };
    const { activation } = options;
    return {
      terms: k + 1,
      call: {
        kernel: options.fused ? '_FusedMatMul' : 'BatchMatMul',
        inputs: { a, b, ...(bias || {}) },
        attrs: { transposeA, transposeB, ...(options.fused && activation && { activation }) },
      } satisfies KernelCall as KernelCall,
    };
  });

describe('matrix products', () => {
  it('equal stock cpu, for every transposition, batch, bias and activation', async () => {
    await fc.assert(
      fc.asyncProperty(call, (it) => expectLikeCpu(it.call, it)),
      { numRuns: runsOf(400) },
    );
  });

  it('sum over more terms than one piece of the sum has', async () => {
    const sizes = fc.record({
      m: fc.integer({ min: 1, max: 13 }),
      k: fc.integer({ min: 380, max: 2000 }),
      n: fc.integer({ min: 1, max: 17 }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), fc.boolean(), ({ m, k, n }, transposeA, transposeB) =>
        expectLikeCpu(
          {
            kernel: 'BatchMatMul',
            inputs: {
              a: input(transposeA ? [k, m] : [m, k], 'a'),
              b: input(transposeB ? [n, k] : [k, n], 'b'),
            },
            attrs: { transposeA, transposeB },
          },
          { terms: k },
        ),
      ),
      { numRuns: runsOf(60) },
    );
  });

  it('have NaN and infinity where stock cpu has them', async () => {
    await fc.assert(
      fc.asyncProperty(call, poisonOf(['a', 'b']), (it, poison) =>
        expectLikeCpu(poisoned(it.call, poison), it),
      ),
      { numRuns: runsOf(200) },
    );
  });
});

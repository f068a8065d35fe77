/** Initial weights depend on the seed and the layer's place; any safe integer is a seed. */
import { dense, flatten, sequential } from '@deepend/nn';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const SEEDS = [
  0,
  1,
  -5,
  2 ** 31 - 1,
  2 ** 32, // its low half is that of 0
  1_764_446_400_123,
  1_764_446_400_124,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
];

beforeAll(() => use('cpu-js'));

/** The first kernels of three layers of one shape. */
function kernelsOf(seed: number): string[] {
  const model = sequential([flatten('flat'), dense(8, 'a'), dense(8, 'b'), dense(8, 'c')], {
    inputShape: [1, 8, 1],
    seed,
  });
  const kernels = model
    .getWeights()
    .filter(({ shape }) => shape.length === 2)
    .map((kernel) => kernel.dataSync().join());
  model.dispose();
  return kernels;
}

describe('initial weights', () => {
  it('differ between layers of one shape and between seeds', () => {
    const all = SEEDS.flatMap(kernelsOf);
    expect(all).toHaveLength(3 * SEEDS.length);
    expect(new Set(all).size).toBe(all.length);
  });

  it.each(SEEDS)('are the same for the same seed %s', (seed) => {
    expect(kernelsOf(seed)).toEqual(kernelsOf(seed));
  });

  it.each([0.5, Number.NaN, 2 ** 53])('refuse the seed %s', (seed) => {
    expect(() => kernelsOf(seed)).toThrow(/option "seed" must be a safe integer .*, got/);
  });
});

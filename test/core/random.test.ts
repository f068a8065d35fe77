import { checkOptions, mixSeed, rule } from '@deepend/core';
import { describe, expect, it } from 'vitest';

/** Seeds that people pass: small, a date in milliseconds and seconds, the extremes, negative. */
const SEEDS = [
  0,
  1,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32,
  1_764_446_400_000,
  1_764_446_400,
  400_000,
  Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER,
  -5,
];

describe('mixSeed', () => {
  it('is MurmurHash3 of the low and the high half of each part', () => {
    // MurmurHash3_x86_32 of the part's eight bytes, little-endian, with seed 0.
    expect(mixSeed()).toBe(0);
    expect([0, 1, -1, 2 ** 32].map((part) => mixSeed(part))).toEqual([
      1669671676, 1392991556, 1651860712, 987256456,
    ]);
  });

  it('gives another seed for other parts and another order', () => {
    const made = SEEDS.flatMap((seed) =>
      [0, 1, 2].flatMap((epoch) => Array.from({ length: 200 }, (_, i) => mixSeed(seed, epoch, i))),
    );
    expect(new Set(made).size).toBeGreaterThan(made.length - 5); // by chance 0.005 pairs are equal
    expect(mixSeed(1, 2)).not.toBe(mixSeed(2, 1));
    expect(mixSeed(1)).not.toBe(mixSeed(1, 0));
    expect(mixSeed(-5)).not.toBe(mixSeed(2 ** 32 - 5));
  });

  it('never gives two places of one seed the same number', () => {
    for (const seed of SEEDS) {
      const places = Array.from({ length: 20_000 }, (_, place) => mixSeed(seed, place));
      expect(new Set(places).size).toBe(places.length);
      for (const mixed of places.slice(0, 50)) {
        expect(mixed).toBe(mixed >>> 0);
      }
    }
  });

  it('changes half of the bits when one bit of a part changes', () => {
    let changed = 0;
    for (let bit = 0; bit < 52; bit++)
      for (const seed of [0, 1, 12345, 1_764_446_400_000]) {
        let difference = mixSeed(seed, 7) ^ mixSeed(seed + 2 ** bit, 7);
        for (; difference !== 0; difference &= difference - 1) changed++;
      }
    expect(changed / (52 * 4)).toBeGreaterThan(15);
    expect(changed / (52 * 4)).toBeLessThan(17);
  });

  it.each([0.5, Number.NaN, Infinity, 2 ** 53, '1'])('refuses %s', (part) => {
    expect(() => mixSeed(1, part as number)).toThrow(/seed: expected a safe integer .*, got/);
  });
});

describe('rule.seed', () => {
  const schema = rule.object({ seed: rule.seed().optional() });
  it.each(SEEDS)('takes %s', (seed) => {
    expect(checkOptions('[x] f', schema, { seed })).toEqual({ seed });
  });

  it.each([0.5, Number.NaN, Infinity, 2 ** 53, '1', null])('refuses %s', (seed) => {
    expect(() => checkOptions('[x] f', schema, { seed })).toThrow(
      /option "seed" must be a safe integer \(from -9007199254740991 to 9007199254740991\), got/,
    );
  });
});

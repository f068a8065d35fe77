/** Deriving seeds from seeds. */

/**
 * Mixes integers into one 32-bit seed. The same parts give the same seed on every machine; other
 * parts, or another order of them, give an unrelated one. Derive every seed with it, from the run's
 * seed and the place where the numbers are drawn: a product such as `seed * 1009 + step` exceeds
 * 2⁵³ for a seed like `Date.now()`, and then neighbouring steps share their numbers.
 *
 * With all other parts fixed, different parts from 0 to 2³² − 1 never give the same seed.
 * The hash is MurmurHash3 (Austin Appleby, x86, 32 bits) of both halves of each part.
 * @param parts any safe integers, negative ones included
 * @returns an integer from 0 to 2³² − 1
 * @throws RangeError when a part is not a safe integer
 * @example const stepSeed = mixSeed(seed, epoch, step);
 */
export function mixSeed(...parts: readonly number[]): number {
  let hash = 0;
  for (const part of parts) {
    if (!Number.isSafeInteger(part)) {
      throw new RangeError(
        `[core] seed: expected a safe integer (from ${Number.MIN_SAFE_INTEGER} to ` +
          `${Number.MAX_SAFE_INTEGER}), got ${String(part)}`,
      );
    }
    hash = absorb(hash, part | 0);
    hash = absorb(hash, Math.floor(part / 2 ** 32) | 0);
  }
  return finalize(hash ^ (parts.length * 8));
}

/** Adds one 32-bit word to the hash. */
function absorb(hash: number, word: number): number {
  const scrambled = Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
  return (Math.imul(rotate(hash ^ scrambled, 13), 5) + 0xe6546b64) | 0;
}

const rotate = (bits: number, by: number): number => (bits << by) | (bits >>> (32 - by));

/** Makes each bit of the result depend on each bit of the hash. */
function finalize(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

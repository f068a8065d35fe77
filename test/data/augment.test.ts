/** RandAugment and TrivialAugmentWide compared with torchvision's on PIL images, and their rules. */
import { createHash } from 'node:crypto';
import { type Rng, randAugment, type Transform, trivialAugmentWide } from '@deepend/data';
import { describe, expect, it } from 'vitest';
import { applyTransforms, outputShape } from '../../packages/data/src/transforms/apply';
import { magnitudeOf, RAND_AUGMENT } from '../../packages/data/src/transforms/augment';
import golden from '../golden/augment.json';
import { mix } from '../helpers/fill';

type Shape = [number, number, number];

const bytesOf = (shape: readonly number[]) => {
  const length = shape.reduce((a, b) => a * b, 1);
  return Uint8Array.from(mix(length, 'transforms'), (value) => Math.floor(256 * value));
};

/** Gives the numbers of a script, one after another. */
function scripted(numbers: readonly number[]): Rng {
  const left = [...numbers];
  return () => {
    const next = left.shift();
    if (next === undefined) throw new Error('more draws than the script has');
    return next;
  };
}

function changed(
  transform: Transform,
  images: Uint8Array | Float32Array,
  { shape, draws }: { shape: readonly number[]; draws: readonly number[] },
) {
  const labels = Int32Array.of(0);
  const batch = { images, count: 1, shape: shape as Shape, labels, numClasses: 1 };
  const rng = { image: () => scripted(draws), batch: scripted([]) };
  return applyTransforms([transform], batch, rng).images;
}

interface Row {
  readonly bytes?: string;
  readonly sha256?: string;
}

function expectPixels(images: Uint8Array | Float32Array, { bytes, sha256 }: Row): void {
  if (bytes) expect([...images]).toEqual([...Buffer.from(bytes, 'base64')]);
  else expect(createHash('sha256').update(images).digest('hex')).toBe(sha256);
}

describe("equals torchvision's", () => {
  it.each(golden.operations)('operation $op of $shape, $draws, $interpolation', (row) => {
    const interpolation = row.interpolation as 'nearest' | 'bilinear';
    const transform = trivialAugmentWide({ interpolation, fill: 0.5 });
    expectPixels(changed(transform, bytesOf(row.shape), row), row);
  });

  it.each(golden.randAugments)('RandAugment $options, $draws', (row) => {
    expectPixels(changed(randAugment(row.options), bytesOf(row.shape), row), row);
  });

  it.each(golden.magnitudes)('magnitudes of operation $op', ({ op, values }) => {
    const [, magnitudes] = RAND_AUGMENT[op] as (typeof RAND_AUGMENT)[number];
    const got = values.map((_, index) => {
      return magnitudes && magnitudeOf(magnitudes, { index, bins: 31 }, [32, 24, 3]);
    });
    expect(got).toEqual(values);
  });
});

describe('floats', () => {
  it('of 256 levels change as bytes do', () => {
    for (const { shape, draws } of golden.randAugments.slice(0, 8)) {
      const bytes = bytesOf(shape);
      const floats = Float32Array.from(bytes, (byte) => byte / 255);
      const expected = changed(randAugment({ numOps: 1 }), bytes, { shape, draws });
      const got = changed(randAugment({ numOps: 1 }), floats, { shape, draws });
      expect(got).toEqual(Float32Array.from(expected, (byte) => byte / 255));
    }
  });
});

describe('refuses', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a magnitude beyond the last bin',
      () => randAugment({ magnitude: 31 }),
      /\[data\] randAugment: expected a "magnitude" below "numMagnitudeBins" \(31\), got 31/,
    ],
    [
      'half an operation',
      () => randAugment({ numOps: 0.5 }),
      /\[data\] randAugment: option "numOps" must be .*integer.* got 0.5/,
    ],
    [
      'a single bin',
      () => trivialAugmentWide({ numMagnitudeBins: 1 }),
      /\[data\] trivialAugmentWide: option "numMagnitudeBins" must be an integer of at least 2, got 1/,
    ],
    [
      'a misspelt option',
      () => randAugment({ magnitud: 3 } as never),
      /\[data\] randAugment: there is no option "magnitud"; did you mean "magnitude"\?/,
    ],
    [
      'a magnitude where it is random',
      () => trivialAugmentWide({ magnitude: 3 } as never),
      /\[data\] trivialAugmentWide: there is no option "magnitude"/,
    ],
    [
      'four channels',
      () => outputShape([randAugment()], [4, 9, 4]),
      /\[data\] randAugment: expected images of 1 or 3 channels, got 4/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

/** Transforms of an image together with its boxes and its mask. */
import { sfc32 } from '@deepend/data';
import { type Box, joint, type VisionSample } from '@deepend/vision';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runsOf } from '../helpers/full';

/**
 * An image whose pixels are the mask's: 0, and a rectangle of 200 that the box describes. What
 * happens to one must happen to the others.
 */
function scene(
  [height, width]: readonly [number, number],
  [left, top, right, bottom]: readonly number[],
): Required<VisionSample> & { mask: Uint8Array } {
  const inside = (at: number) => {
    const [row, column] = [Math.floor(at / width), at % width];
    return (
      row >= (top ?? 0) && row < (bottom ?? 0) && column >= (left ?? 0) && column < (right ?? 0)
    );
  };
  const mask = Uint8Array.from({ length: height * width }, (_, at) => (inside(at) ? 200 : 0));
  const box: Box = [left ?? 0, top ?? 0, right ?? 0, bottom ?? 0].map(
    (value, i) => value / (i % 2 === 0 ? width : height),
  ) as unknown as Box;
  return {
    image: { data: mask.slice(), shape: [height, width, 1] },
    boxes: [box],
    labels: [7],
    mask,
  };
}

/** The smallest box around the pixels of a mask, as fractions; undefined without any. */
function boundsOf(mask: ArrayLike<number>, [height, width]: readonly number[]) {
  const at = Array.from(mask).flatMap((value, i) => (value > 0 ? [i] : []));
  if (at.length === 0) return undefined;
  const [rows, columns] = [
    at.map((i) => Math.floor(i / (width as number))),
    at.map((i) => i % (width as number)),
  ];
  return [
    ...[Math.min(...columns) / (width as number), Math.min(...rows) / (height as number)],
    ...[
      (Math.max(...columns) + 1) / (width as number),
      (Math.max(...rows) + 1) / (height as number),
    ],
  ];
}

const scenes = fc
  .record({ height: fc.integer({ min: 4, max: 20 }), width: fc.integer({ min: 4, max: 20 }) })
  .chain(({ height, width }) =>
    fc.record({
      size: fc.constant([height, width] as const),
      left: fc.integer({ min: 0, max: width - 1 }),
      top: fc.integer({ min: 0, max: height - 1 }),
      w: fc.integer({ min: 1, max: width }),
      h: fc.integer({ min: 1, max: height }),
    }),
  )
  .map(({ size, left, top, w, h }) =>
    scene(size, [left, top, Math.min(size[1], left + w), Math.min(size[0], top + h)]),
  );

const close = (got: ArrayLike<number> | undefined, expected: ArrayLike<number> | undefined) => {
  expect(got?.length).toBe(expected?.length);
  Array.from(expected ?? []).forEach((value, i) => {
    expect(got?.[i]).toBeCloseTo(value, 10);
  });
};

describe('joint transforms', () => {
  it('crop: boxes and mask stay together, and what is outside is left out', () => {
    fc.assert(
      fc.property(scenes, fc.integer(), (sample, seed) => {
        const next = sfc32(seed);
        const [height, width] = sample.image.shape;
        const size = [1 + (next() % height), 1 + (next() % width)] as const;
        const cut = joint.randomCrop(size).apply(sample, () => next() / 2 ** 32);
        expect(cut.image.shape).toEqual([...size, 1]);
        expect(Array.from(cut.mask ?? [])).toEqual(Array.from(cut.image.data));
        close(cut.boxes?.[0], boundsOf(cut.mask ?? [], size));
        expect(cut.labels).toEqual(cut.boxes?.map(() => 7));
      }),
      { numRuns: runsOf(200) },
    );
  });

  it('flip: boxes and mask stay together, and twice is the sample itself', () => {
    fc.assert(
      fc.property(scenes, (sample) => {
        const flipped = joint.horizontalFlip(sample);
        close(flipped.boxes?.[0], boundsOf(flipped.mask ?? [], sample.image.shape));
        const back = joint.horizontalFlip(flipped);
        expect(back.mask).toEqual(sample.mask);
        expect(back.image).toEqual(sample.image);
        close(back.boxes?.[0], sample.boxes[0]);
      }),
      { numRuns: runsOf(200) },
    );
  });

  it('resize: a mask has the classes that it had, each where it was', () => {
    fc.assert(
      fc.property(scenes, fc.integer({ min: 1, max: 3 }), (sample, factor) => {
        const [height, width] = sample.image.shape;
        const size = [factor * height, factor * width] as const;
        const large = joint.resize(sample, size);
        expect(large.image.data).toHaveLength(factor * factor * height * width);
        expect([...new Set(large.mask)].sort()).toEqual([...new Set(sample.mask)].sort());
        close(large.boxes?.[0], boundsOf(large.mask ?? [], size));
        expect(joint.resize(large, [height, width]).mask).toEqual(sample.mask);
      }),
      { numRuns: runsOf(100) },
    );
  });

  it('rotate: a box contains the rotated pixels, and four quarter turns change nothing', () => {
    fc.assert(
      fc.property(scenes, fc.integer({ min: -180, max: 180 }), (sample, degrees) => {
        const turned = joint.rotate(sample, degrees);
        expect(Array.from(turned.mask ?? [])).toEqual(Array.from(turned.image.data));
        const bounds = boundsOf(turned.mask ?? [], sample.image.shape);
        const [box] = turned.boxes as [Box?];
        if (!bounds || !box) return;
        // Pixels are taken where their centers are: half a pixel on each side.
        const slack = [sample.image.shape[1], sample.image.shape[0]].map((side) => 0.51 / side);
        bounds.forEach((value, i) => {
          const outside = i < 2 ? (box[i] as number) - value : value - (box[i] as number);
          expect(outside).toBeLessThanOrEqual(slack[i % 2] as number);
        });
      }),
      { numRuns: runsOf(200) },
    );
    const square = scene([8, 8], [1, 2, 4, 7]);
    const quarter = joint.rotate(square, 90);
    close(quarter.boxes?.[0], [2 / 8, 4 / 8, 7 / 8, 7 / 8]); // counter-clockwise: right is up
    close(boundsOf(quarter.mask ?? [], [8, 8]), quarter.boxes?.[0]);
    const turns = [0, 1, 2, 3].reduce((sample: VisionSample) => joint.rotate(sample, 90), square);
    expect(turns.mask).toEqual(square.mask);
  });

  it('random ones draw only from the given numbers, and say what they do', () => {
    const sample = scene([8, 10], [1, 2, 4, 7]);
    const steps = [
      joint.randomCrop([6, 6]),
      joint.randomHorizontalFlip({ probability: 0.5 }),
      joint.randomRotation(30),
      joint.resizeTo([12, 12]),
    ];
    const run = (seed: number) => {
      const next = sfc32(seed);
      return joint.applyJoint(sample, steps, () => next() / 2 ** 32);
    };
    expect(run(1)).toEqual(run(1));
    expect(run(1).mask).not.toEqual(run(2).mask);
    expect(run(1).image.shape).toEqual([12, 12, 1]);
    expect(steps.map(({ name, options }) => ({ name, ...options }))).toEqual([
      { name: 'randomCrop', size: [6, 6] },
      { name: 'randomHorizontalFlip', probability: 0.5 },
      { name: 'randomRotation', degrees: [-30, 30] },
      { name: 'resizeTo', size: [12, 12] },
    ]);
  });

  const good = scene([4, 4], [1, 1, 3, 3]);
  const REFUSED: [string, () => unknown, RegExp][] = [
    [
      'a mask of another size',
      () => joint.horizontalFlip({ ...good, mask: new Uint8Array(12) }),
      /expected a mask of the image's 4 × 4 pixels, got 12 values/,
    ],
    [
      'a box in pixels',
      () => joint.horizontalFlip({ ...good, boxes: [[1, 1, 3, 3]] }),
      /got \[1, 1, 3, 3\] as box 0; divide pixels by width and height/,
    ],
    [
      'a box with x1 > x2',
      () => joint.horizontalFlip({ ...good, boxes: [[0.5, 0, 0.2, 1]] }),
      /0 ≤ x1 < x2 ≤ 1/,
    ],
    [
      'a box of five numbers',
      () => joint.horizontalFlip({ ...good, boxes: [[0, 0, 1, 1, 1] as never] }),
      /got \[0, 0, 1, 1, 1\] as box 0/,
    ],
    [
      'a label that is no class',
      () => joint.horizontalFlip({ ...good, labels: [Number.NaN] }),
      /expected integers from 0 as labels, got NaN for box 0/,
    ],
    ['labels without boxes', () => joint.rotate({ ...good, labels: [1, 2] }, 5), /each of 1 boxes/],
    [
      'an image in floats',
      () => joint.rotate({ image: { data: new Float32Array(4), shape: [2, 2, 1] } as never }, 5),
      /expected an image \{ data, shape \} of bytes/,
    ],
    [
      'a crop outside of the image',
      () => joint.crop(good, { top: 1, left: 0, height: 4, width: 2 }),
      /expected a window within the image of 4 × 4 pixels, got top 1/,
    ],
    [
      'a crop of a smaller image',
      () => joint.randomCrop([5, 2]).apply(good, () => 0),
      /expected an image of at least 5 × 2 pixels, got 4 × 4/,
    ],
    ['an angle that is none', () => joint.rotate(good, Number.NaN), /expected an angle in degrees/],
    [
      'an unknown option',
      () => joint.randomHorizontalFlip({ p: 1 } as object),
      /there is no option "p"/,
    ],
  ];
  it.each(REFUSED)('refuse %s', (_, work, message) => {
    expect(work).toThrow(message);
  });
});

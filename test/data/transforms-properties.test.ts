/**
 * Properties of every transform for any random numbers; and the laws of MixUp, CutMix, erasing and
 * the
 * random numbers.
 */
import {
  type BatchRng,
  centerCrop,
  colorJitter,
  custom,
  cutMix,
  cutout,
  mixUp,
  normalize,
  randAugment,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomResizedCrop,
  randomRotation,
  randomVerticalFlip,
  resize,
  sfc32,
  type Transform,
  toRgb,
  trivialAugmentWide,
} from '@deepend/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyTransforms,
  isBatchwise,
  outputShape,
  transformToFloats,
} from '../../packages/data/src/transforms/apply';
import {
  below,
  beta,
  normal,
  roundHalfEven,
  shuffled,
} from '../../packages/data/src/transforms/distributions';
import { toFloats } from '../../packages/data/src/transforms/implementation';
import type { ImageBatch } from '../../packages/data/src/types';
import { runsOf } from '../helpers/full';

const random = (seed: number, stream: number) => {
  const next = sfc32(seed, stream);
  return () => next() / 2 ** 32;
};

/**
 * A generator for each image, whatever batch it is in; `first` is the place of the batch's first
 * image.
 */
const rngOf = (seed: number, first = 0): BatchRng => ({
  image: (place) => random(seed, first + place + 1),
  batch: random(seed, 0),
});

const ALL: readonly Transform[] = [
  resize(9),
  resize([4, 13], { interpolation: 'bicubic' }),
  resize([7, 3], { interpolation: 'nearest' }),
  centerCrop(5),
  centerCrop([14, 3]),
  randomCrop([3, 2], { padding: 2, fill: 0.5 }),
  randomCrop(2),
  randomResizedCrop(6),
  randomResizedCrop([3, 5], { interpolation: 'nearest' }),
  randomHorizontalFlip(),
  randomVerticalFlip(),
  randomRotation(40),
  randomRotation([20, 350], { interpolation: 'bilinear', fill: 1 }),
  normalize({ mean: [0.3], std: [0.7] }),
  colorJitter({ brightness: 0.4, contrast: 0.9 }),
  randAugment(),
  trivialAugmentWide({ interpolation: 'bilinear', fill: 1 }),
  randomErasing({ probability: 0.9 }),
  randomErasing({ value: 'random' }),
  cutout(3, { holes: 2, value: 0.25 }),
  mixUp(),
  cutMix({ alpha: 0.5 }),
  toRgb(),
  custom((batch) => ({ ...batch, images: batch.images.map((value) => value / 2) })),
];
const ALONE = ALL.filter((transform) => !isBatchwise(transform));
const RANDOM = ALL.filter((transform) => transform.random);

const copyOf = (batch: ImageBatch): ImageBatch => ({
  ...batch,
  images: batch.images.slice(),
  labels: batch.labels.slice(),
});
const title = ({ name, options }: Transform) => `${name} ${JSON.stringify(options)}`;

const NUM_CLASSES = 4;
const batches = fc
  .record({
    count: fc.integer({ min: 1, max: 5 }),
    height: fc.integer({ min: 2, max: 12 }),
    width: fc.integer({ min: 2, max: 12 }),
    channels: fc.constantFrom(1, 3),
    seed: fc.nat(),
    float: fc.boolean(),
  })
  .map(({ count, height, width, channels, seed, float }): ImageBatch => {
    const next = random(seed, 0);
    const length = count * height * width * channels;
    const images = float
      ? Float32Array.from({ length }, next)
      : Uint8Array.from({ length }, () => below(next, 256));
    const labels = Int32Array.from({ length: count }, () => below(next, NUM_CLASSES));
    return { images, count, shape: [height, width, channels], labels, numClasses: NUM_CLASSES };
  });

const one = (batch: ImageBatch, place: number): ImageBatch => {
  const size = batch.images.length / batch.count;
  const images = batch.images.slice(place * size, (place + 1) * size);
  return { ...batch, images, count: 1, labels: batch.labels.slice(place, place + 1) };
};

describe.each(ALL.map((transform) => ({ title: title(transform), transform })))(
  '$title',
  ({ transform }) => {
    it('gives images of the promised shape, bytes of bytes, and floats within their range', () => {
      fc.assert(
        fc.property(batches, fc.nat(), (batch, seed) => {
          const shape = outputShape([transform], batch.shape);
          const result = applyTransforms([transform], copyOf(batch), rngOf(seed));
          expect(result).toMatchObject({ shape, count: batch.count, numClasses: NUM_CLASSES });
          expect(result.images).toHaveLength(batch.count * shape[0] * shape[1] * shape[2]);
          const float =
            batch.images instanceof Float32Array || ['normalize', 'mixUp'].includes(transform.name);
          expect(result.images).toBeInstanceOf(float ? Float32Array : Uint8Array);
          // Normal numbers, normalization and bicubic go beyond.
          const within =
            float &&
            !['normalize', 'randomErasing'].includes(transform.name) &&
            transform.options.interpolation !== 'bicubic';
          if (within)
            expect(result.images.every((value) => value >= 0 && value <= 1.000001)).toBe(true);
        }),
      );
    });

    it('gives the same for the same seed', () => {
      fc.assert(
        fc.property(batches, fc.nat(), (batch, seed) => {
          const [a, b] = [0, 1].map(() =>
            applyTransforms([transform], copyOf(batch), rngOf(seed)),
          ) as [ImageBatch, ImageBatch];
          expect(a).toEqual(b);
        }),
        { numRuns: runsOf(20) },
      );
    });
  },
);

it.each(RANDOM.map((transform) => ({ title: title(transform), transform })))(
  '$title gives others for another seed',
  ({ transform }) => {
    const next = random(1, 0);
    const images = Uint8Array.from({ length: 6 * 10 * 10 }, () => below(next, 256));
    const batch = {
      images,
      count: 6,
      shape: [10, 10, 1] as const,
      labels: new Int32Array(6),
      numClasses: 1,
    };
    const results = [1, 2, 3].map((seed) =>
      String(applyTransforms([transform], copyOf(batch), rngOf(seed)).images),
    );
    expect(new Set(results).size).toBe(3);
  },
);

it.each(ALONE.map((transform) => ({ title: title(transform), transform })))(
  "$title of an image does not depend on its batch's others",
  ({ transform }) => {
    fc.assert(
      fc.property(batches, fc.nat(), (batch, seed) => {
        const together = applyTransforms([transform], copyOf(batch), rngOf(seed));
        for (let place = 0; place < batch.count; place++) {
          const alone = applyTransforms([transform], one(batch, place), rngOf(seed, place));
          expect(one(together, place).images).toEqual(alone.images);
        }
      }),
      { numRuns: runsOf(40) },
    );
  },
);

it('transformToFloats is applyTransforms and toFloats', () => {
  const chains = fc.array(fc.constantFrom(...ALL, resize([20, 11]), centerCrop(9)), {
    maxLength: 4,
  });
  const tails = fc.constantFrom<Transform[]>(
    [],
    [resize([12, 15])],
    [randomResizedCrop(8)],
    [resize([12, 15]), centerCrop([7, 12])],
    [resize(6), centerCrop(9)],
  );
  const last = fc.constantFrom<Transform[]>(
    [],
    [normalize({ mean: [0.1], std: [0.4] })],
    [normalize({ mean: [0.2], std: [0.5] }), normalize({ mean: [0.1], std: [0.4] })],
  );
  fc.assert(
    fc.property(batches, chains, tails, last, fc.nat(), (batch, head, tail, end, seed) => {
      const chain = [...head, randomCrop(2, { padding: 5 }), ...tail, ...end];
      const apart = applyTransforms(chain, copyOf(batch), rngOf(seed));
      const expected = new Float32Array(apart.images.length);
      toFloats(apart, expected);
      const into = new Float32Array(expected.length);
      const together = transformToFloats(chain, copyOf(batch), { rng: rngOf(seed), into });
      expect(into).toEqual(expected);
      expect(together).toEqual({ ...apart, images: into });
      expect(together.images).toBe(into);
    }),
    { numRuns: runsOf(300) },
  );
});

it('a resize with a centre crop behind it is the one and then the other', () => {
  const size = fc.integer({ min: 1, max: 20 });
  fc.assert(
    fc.property(batches, fc.tuple(size, size), fc.tuple(size, size), (batch, to, crop) => {
      const [first, second] = [resize(to), centerCrop(crop)];
      const apart = applyTransforms(
        [second],
        applyTransforms([first], copyOf(batch), rngOf(0)),
        rngOf(0),
      );
      expect(applyTransforms([first, second], copyOf(batch), rngOf(0))).toEqual(apart);
    }),
  );
});

describe('what changes nothing', () => {
  const same: [string, (batch: ImageBatch) => Transform[]][] = [
    [
      'a resize to the same size',
      ({ shape }) => [resize([shape[0], shape[1]], { interpolation: 'bicubic' })],
    ],
    [
      'the nearest of the same size',
      ({ shape }) => [resize([shape[0], shape[1]], { interpolation: 'nearest' })],
    ],
    ['a centre crop of all', ({ shape }) => [centerCrop([shape[0], shape[1]])]],
    ['a random crop of all', ({ shape }) => [randomCrop([shape[0], shape[1]])]],
    [
      'all of the area, resized to its size',
      ({ shape: [h, w] }) => [randomResizedCrop([h, w], { scale: [1, 1], ratio: [w / h, w / h] })],
    ],
    [
      'probability 0',
      () => [
        randomHorizontalFlip({ probability: 0 }),
        randomVerticalFlip({ probability: 0 }),
        randomErasing({ probability: 0 }),
      ],
    ],
    [
      'two flips',
      () =>
        [1, 1].flatMap((probability) => [
          randomHorizontalFlip({ probability }),
          randomVerticalFlip({ probability }),
        ]),
    ],
    [
      'no rotation',
      () => [randomRotation(0), randomRotation([360, 360], { interpolation: 'bilinear' })],
    ],
    [
      'two half turns',
      () => [
        randomRotation([180, 180]),
        randomRotation([-180, -180], { interpolation: 'bilinear' }),
      ],
    ],
    ['factors of 1', () => [colorJitter({})]],
    ['a function that does nothing', () => [custom((batch) => batch)]],
    ['no transform at all', () => []],
  ];
  it.each(same)('%s', (_, transforms) => {
    fc.assert(
      fc.property(batches, fc.nat(), (batch, seed) => {
        expect(applyTransforms(transforms(batch), copyOf(batch), rngOf(seed))).toEqual(batch);
      }),
      { numRuns: runsOf(40) },
    );
  });

  it('no mean and a deviation of 1 give the floats', () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const floats = new Float32Array(batch.images.length);
        toFloats(batch, floats);
        expect(
          applyTransforms([normalize({ mean: [0], std: [1] })], copyOf(batch), rngOf(0)).images,
        ).toEqual(floats);
      }),
      { numRuns: runsOf(40) },
    );
  });
});

it('flips and half turns move each pixel to its mirror place', () => {
  const mirrors: [Transform, { x: boolean; y: boolean }][] = [
    [randomHorizontalFlip({ probability: 1 }), { x: true, y: false }],
    [randomVerticalFlip({ probability: 1 }), { x: false, y: true }],
    [randomRotation([180, 180]), { x: true, y: true }],
  ];
  fc.assert(
    fc.property(batches, (batch) => {
      const [height, width, channels] = batch.shape;
      for (const [transform, mirror] of mirrors) {
        const { images } = applyTransforms([transform], copyOf(batch), rngOf(0));
        const expected = batch.images.map((_, i) => {
          const [channel, x, y, image] = [
            i % channels,
            Math.floor(i / channels) % width,
            Math.floor(i / channels / width) % height,
            Math.floor(i / channels / width / height),
          ];
          const [fromX, fromY] = [mirror.x ? width - 1 - x : x, mirror.y ? height - 1 - y : y];
          return batch.images[
            ((image * height + fromY) * width + fromX) * channels + channel
          ] as number;
        });
        expect(images).toEqual(expected);
      }
    }),
    { numRuns: runsOf(40) },
  );
});

it('asks for the generator of an image once, so that no transform draws again what another has drawn', () => {
  const asked: number[] = [];
  const rng: BatchRng = { ...rngOf(1), image: (place) => random(1, asked.push(place)) };
  const batch: ImageBatch = {
    images: new Uint8Array(3 * 16),
    count: 3,
    shape: [4, 4, 1],
    labels: new Int32Array(3),
    numClasses: 1,
  };
  applyTransforms([randomHorizontalFlip(), randomCrop(3), cutout(1)], batch, rng);
  expect(asked).toEqual([0, 1, 2]);
});

it('RGB of gray is three times the gray', () => {
  const batch: ImageBatch = {
    images: Uint8Array.of(5, 7),
    count: 2,
    shape: [1, 1, 1],
    labels: new Int32Array(2),
    numClasses: 1,
  };
  const rgb = applyTransforms([toRgb()], batch, rngOf(0));
  expect(rgb).toMatchObject({ shape: [1, 1, 3], images: Uint8Array.of(5, 5, 5, 7, 7, 7) });
});

describe('MixUp and CutMix', () => {
  const floatsOf = (batch: ImageBatch) => {
    const floats = new Float32Array(batch.images.length);
    toFloats(batch, floats);
    return floats;
  };
  const counts = (labels: ArrayLike<number>) => {
    const sums = new Array<number>(NUM_CLASSES).fill(0);
    for (let i = 0; i < labels.length; i++)
      sums[i % NUM_CLASSES] = (sums[i % NUM_CLASSES] as number) + (labels[i] as number);
    return sums;
  };

  it.each([mixUp({ alpha: 0.4 }), cutMix()])(
    '$name: every label sums to 1, and each class keeps its share of the batch',
    (transform) => {
      fc.assert(
        fc.property(batches, fc.nat(), (batch, seed) => {
          const { labels } = applyTransforms([transform], copyOf(batch), rngOf(seed));
          expect(labels).toHaveLength(batch.count * NUM_CLASSES);
          for (let place = 0; place < batch.count; place++) {
            const row = Array.from(labels.slice(place * NUM_CLASSES, (place + 1) * NUM_CLASSES));
            expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
          }
          const before = [0, 1, 2, 3].map(
            (label) => batch.labels.filter((each) => each === label).length,
          );
          counts(labels).forEach((sum, label) => {
            expect(sum).toBeCloseTo(before[label] as number, 4);
          });
        }),
      );
    },
  );

  it('MixUp: pixels are mixed in the share of the labels', () => {
    // Image i is i everywhere, and of class i: its label then says what its pixels must be.
    const labels = Int32Array.from({ length: NUM_CLASSES }, (_, i) => i);
    const images = Float32Array.from({ length: NUM_CLASSES * 4 }, (_, i) => Math.floor(i / 4));
    const batch: ImageBatch = {
      images,
      count: NUM_CLASSES,
      shape: [2, 2, 1],
      labels,
      numClasses: NUM_CLASSES,
    };
    for (let seed = 0; seed < 50; seed++) {
      const mixed = applyTransforms([mixUp()], copyOf(batch), rngOf(seed));
      mixed.images.forEach((value, i) => {
        const row = mixed.labels.slice(Math.floor(i / 4) * NUM_CLASSES).slice(0, NUM_CLASSES);
        expect(value).toBeCloseTo(
          Array.from(row).reduce((sum, share, label) => sum + share * label, 0),
          5,
        );
      });
    }
  });

  it('CutMix: a pixel is its own or its partner’s, in the share of the labels', () => {
    const size = 30;
    const labels = Int32Array.from({ length: NUM_CLASSES }, (_, i) => i);
    const images = Uint8Array.from({ length: NUM_CLASSES * size }, (_, i) => Math.floor(i / size));
    const batch: ImageBatch = {
      images,
      count: NUM_CLASSES,
      shape: [5, 6, 1],
      labels,
      numClasses: NUM_CLASSES,
    };
    for (let seed = 0; seed < 100; seed++) {
      const mixed = applyTransforms([cutMix()], copyOf(batch), rngOf(seed));
      for (let place = 0; place < NUM_CLASSES; place++) {
        const pixels = mixed.images.slice(place * size, (place + 1) * size);
        for (let label = 0; label < NUM_CLASSES; label++) {
          const seen = pixels.filter((pixel) => pixel === label).length / size;
          expect(mixed.labels[place * NUM_CLASSES + label]).toBeCloseTo(seen, 6);
        }
      }
    }
  });

  it('leave a batch of one image, and soft labels stay soft', () => {
    fc.assert(
      fc.property(batches, fc.nat(), (batch, seed) => {
        const single = one(batch, 0);
        for (const transform of [mixUp(), cutMix()]) {
          const mixed = applyTransforms([transform], copyOf(single), rngOf(seed));
          const expected = floatsOf(single);
          floatsOf(mixed).forEach((value, i) => {
            expect(value).toBeCloseTo(expected[i] as number, 5);
          });
          const twice = applyTransforms([transform], copyOf(mixed), rngOf(seed));
          expect(twice.labels).toHaveLength(NUM_CLASSES);
        }
      }),
      { numRuns: runsOf(40) },
    );
  });
});

describe('erasing', () => {
  /**
   * White images of 40 × 30 after a transform: how many pixels of each are black, and the box about
   * them.
   */
  function erased(transform: Transform, count = 200) {
    const [height, width] = [40, 30];
    const images = new Uint8Array(count * height * width).fill(255);
    const batch = {
      images,
      count,
      shape: [height, width, 1] as const,
      labels: new Int32Array(count),
      numClasses: 1,
    };
    const result = applyTransforms([transform], batch, rngOf(7));
    return Array.from({ length: count }, (_, place) => {
      const pixels = result.images.slice(place * height * width, (place + 1) * height * width);
      const black = Array.from(pixels.keys()).filter((i) => pixels[i] === 0);
      const rows = black.map((i) => Math.floor(i / width));
      const columns = black.map((i) => i % width);
      const span = (places: number[]) =>
        places.length > 0 ? Math.max(...places) - Math.min(...places) + 1 : 0;
      return { area: black.length, height: span(rows), width: span(columns) };
    });
  }

  it('random erasing blots out a full rectangle of an area within the scale, in the share of images that was asked for', () => {
    const boxes = erased(randomErasing({ probability: 0.5, scale: [0.1, 0.2], ratio: [0.5, 2] }));
    const hit = boxes.filter(({ area }) => area > 0);
    expect(hit.length).toBeGreaterThan(70); // 100 expected; fewer once in 10⁵
    expect(hit.length).toBeLessThan(130);
    for (const { area, height, width } of hit) {
      expect(area).toBe(height * width);
      expect(area / 1200).toBeGreaterThan(0.08);
      expect(area / 1200).toBeLessThan(0.22);
    }
  });

  it('Cutout blots out a square in every image, less of it at the border', () => {
    const boxes = erased(cutout(8));
    for (const { area, height, width } of boxes) {
      expect(area).toBe(height * width);
      for (const side of [height, width]) {
        expect(side).toBeGreaterThanOrEqual(4);
        expect(side).toBeLessThanOrEqual(8);
      }
    }
    expect(boxes.some(({ area }) => area === 64)).toBe(true);
    expect(boxes.some(({ area }) => area < 64)).toBe(true);
  });

  it('fills with what was asked for, bytes in units of floats', () => {
    const batch = {
      images: new Uint8Array(2 * 2 * 3),
      count: 1,
      shape: [2, 2, 3] as const,
      labels: Int32Array.of(0),
      numClasses: 1,
    };
    expect([
      ...applyTransforms([cutout(8, { value: 0.5 })], copyOf(batch), rngOf(1)).images,
    ]).toContain(128);
    const wide = { ...batch, images: new Uint8Array(20 * 20 * 3), shape: [20, 20, 3] as const };
    const options = { probability: 1, value: [0, 0.5, 1] };
    const { images } = applyTransforms([randomErasing(options)], wide, rngOf(1));
    const pixels = new Set(
      Array.from({ length: 400 }, (_, i) => String(images.slice(3 * i, 3 * i + 3))),
    );
    expect(pixels).toEqual(new Set(['0,0,0', '0,128,255']));
  });
});

describe('random numbers', () => {
  const moments = (draw: () => number, count = 40_000) => {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < count; i++) {
      const value = draw();
      sum += value;
      squares += value * value;
    }
    return { mean: sum / count, variance: squares / count - (sum / count) ** 2 };
  };

  it.each([0.02, 0.2, 1, 4])(
    'Beta(%d, %d) has its mean and variance, and stays within 0 … 1',
    (alpha) => {
      const next = random(3, 0);
      let isInside = true;
      const { mean, variance } = moments(() => {
        const value = beta(next, alpha);
        isInside &&= value >= 0 && value <= 1;
        return value;
      });
      expect(isInside).toBe(true);
      expect(Math.abs(mean - 0.5)).toBeLessThan(0.015); // the mean's standard error is at most 0.0025
      expect(Math.abs(variance * 4 * (2 * alpha + 1) - 1)).toBeLessThan(0.05); // Var = 1 / (4 (2 alpha + 1))
    },
  );

  it('standard normal has mean 0 and variance 1', () => {
    const next = random(4, 0);
    const { mean, variance } = moments(() => normal(next));
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });

  it('shuffled is a permutation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50 }), fc.nat(), (count, seed) => {
        expect([...shuffled(random(seed, 0), count)].sort((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
      }),
    );
  });

  it.each([
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [2.4, 2],
    [2.6, 3],
    [7, 7],
  ])('%d rounds to %d', (value, rounded) => {
    expect(roundHalfEven(value)).toBe(rounded);
  });
});

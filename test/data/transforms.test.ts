/**
 * Transforms compared with torchvision's, on the same images with the same draws; and what their
 * factories
 * refuse.
 */
import {
  centerCrop,
  colorJitter,
  custom,
  cutMix,
  cutout,
  mixUp,
  normalize,
  type Rng,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomResizedCrop,
  randomRotation,
  resize,
  type Transform,
  toRgb,
} from '@deepend/data';
import { describe, expect, it } from 'vitest';
import {
  applyTransforms,
  isBatchwise,
  outputShape,
  transformToFloats,
} from '../../packages/data/src/transforms/apply';
import { randomBox } from '../../packages/data/src/transforms/crop';
import { randomRectangle } from '../../packages/data/src/transforms/erasing';
import { toFloats } from '../../packages/data/src/transforms/implementation';
import golden from '../golden/transforms.json';
import { mix } from '../helpers/fill';

type Shape = [number, number, number];

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const decoded = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const floatsOf = (text: string) => new Float32Array(decoded(text).buffer);
const noise = (shape: readonly number[]) => mix(product(shape), 'transforms');
const bytesOf = (shape: readonly number[]) =>
  Uint8Array.from(noise(shape), (value) => Math.floor(256 * value));

/** Gives the numbers of a script, one after another. */
function scripted(numbers: ArrayLike<number>): Rng {
  let at = 0;
  return () => {
    if (at >= numbers.length) throw new Error('more draws than the script has');
    return numbers[at++] as number;
  };
}

/** One image through one transform. */
function changed(
  transform: Transform,
  images: Uint8Array | Float32Array,
  shape: number[],
  rng: number[] = [0.5],
) {
  const batch = {
    images,
    count: 1,
    shape: shape as Shape,
    labels: Int32Array.of(0),
    numClasses: 1,
  };
  return applyTransforms([transform], batch, {
    image: () => scripted(rng),
    batch: scripted(rng),
  });
}

function expectBytes(
  result: { images: ArrayLike<number>; shape: readonly number[] },
  row: { to: number[]; bytes: string },
) {
  expect(result.shape.slice(0, 2)).toEqual(row.to);
  expect(Array.from(result.images)).toEqual([...decoded(row.bytes)]);
}

describe("transforms equal torchvision's", () => {
  it.each(golden.rotations)('rotation by $angle, $interpolation, fill $fill, $shape', (row) => {
    const interpolation = row.interpolation as 'nearest' | 'bilinear';
    const transform = randomRotation([row.angle, row.angle], { interpolation, fill: row.fill });
    expectBytes(changed(transform, bytesOf(row.shape), row.shape), row);
  });

  it.each(golden.jitters)(
    'brightness $brightness, contrast $contrast, contrast first: $contrastFirst, $shape',
    (row) => {
      const transform = colorJitter({
        brightness: [row.brightness, row.brightness],
        contrast: [row.contrast, row.contrast],
      });
      expectBytes(
        changed(transform, bytesOf(row.shape), row.shape, [
          row.contrastFirst ? 0.2 : 0.8,
          0.5,
          0.5,
        ]),
        row,
      );
    },
  );

  it.each(golden.floatJitters)(
    'brightness $brightness, contrast $contrast of floats, $shape',
    (row) => {
      const transform = colorJitter({
        brightness: [row.brightness, row.brightness],
        contrast: [row.contrast, row.contrast],
      });
      const { images } = changed(transform, noise(row.shape), row.shape, [0.8, 0.5, 0.5]);
      const expected = floatsOf(row.values);
      images.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i] as number, 6); // PyTorch computes in float32, and deepend in double precision
      });
    },
  );

  it.each(golden.centerCrops)('centre crop of $shape to $size', (row) => {
    expectBytes(
      changed(centerCrop(row.size as [number, number]), bytesOf(row.shape), row.shape),
      row,
    );
  });

  it.each(golden.randomCrops)(
    'random crop of $shape to $size, padding $padding, draws $draws',
    (row) => {
      const transform = randomCrop(row.size as [number, number], {
        padding: row.padding,
        fill: row.fill,
      });
      expectBytes(changed(transform, bytesOf(row.shape), row.shape, row.draws), row);
    },
  );

  it.each(golden.normalized)('normalization of $shape', (row) => {
    const { images } = changed(
      normalize({ mean: row.mean, std: row.std }),
      bytesOf(row.shape),
      row.shape,
    );
    expect([...images]).toEqual([...floatsOf(row.values)]);
    const floats = Float32Array.from(bytesOf(row.shape), (byte) => byte / 255);
    expect([
      ...changed(normalize({ mean: row.mean, std: row.std }), floats, row.shape).images,
    ]).toEqual([...floatsOf(row.values)]);
  });

  it.each(golden.resizedCrops)('crop and resize, $interpolation', (row) => {
    const [height, width] = row.shape as Shape;
    const [top, left, h, w] = row.box as [number, number, number, number];
    const [share, ratio] = [(h * w) / (height * width), w / h];
    const transform = randomResizedCrop(row.size as [number, number], {
      scale: [share, share],
      ratio: [ratio, ratio],
      interpolation: row.interpolation as 'bilinear' | 'nearest',
    });
    const corner = [(top + 0.5) / (height - h + 1), (left + 0.5) / (width - w + 1)];
    expectBytes(changed(transform, bytesOf(row.shape), row.shape, [0.5, 0.5, ...corner]), row);
  });

  const rngOf = (index: number, cases: unknown[]) =>
    scripted(mix(cases.length * 22, 'draws').subarray(index * 22, (index + 1) * 22));

  it.each(golden.cropBoxes.map((row, index) => ({ ...row, index })))(
    'the part that is resized, $size, $index',
    (row) => {
      const options = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] } as const;
      const box = randomBox(
        [...row.size, 1] as unknown as Shape,
        options,
        rngOf(row.index, golden.cropBoxes),
      );
      expect([box.top, box.left, box.height, box.width]).toEqual(row.box);
    },
  );

  it.each(golden.erasingBoxes.map((row, index) => ({ ...row, index })))(
    'the part that is erased, $size, $index',
    (row) => {
      const options = { scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;
      const random = rngOf(row.index, golden.erasingBoxes);
      const none = { top: 0, left: 0, height: row.size[0], width: row.size[1] }; // torchvision's "erase nothing"
      const { top, left, height, width } =
        randomRectangle([...row.size, 1] as unknown as Shape, options, random) ?? none;
      expect([top, left, height, width]).toEqual(row.box);
    },
  );
});

describe('what a user may get wrong', () => {
  const cases: [string, () => unknown, RegExp][] = [
    [
      'a size of 0',
      () => resize(0),
      /\[data\] resize: option "size" must be an integer from 1 to 16384 or \[height, width\]/,
    ],
    [
      'an unknown interpolation',
      () => resize(8, { interpolation: 'area' as never }),
      /"interpolation" must be one of 'bilinear', 'bicubic', 'nearest', got 'area'/,
    ],
    [
      'a misspelt option',
      () => randomCrop(8, { pading: 4 } as never),
      /\[data\] randomCrop: there is no option "pading"; did you mean "padding"\?/,
    ],
    [
      'a probability above 1',
      () => randomHorizontalFlip({ probability: 2 }),
      /\[data\] randomHorizontalFlip: option "probability" must be a number from 0 to 1, got 2/,
    ],
    [
      'a range that is upside down',
      () => randomResizedCrop(8, { scale: [1, 0.5] }),
      /"scale" must be \[least, most\] of numbers from 0 to 1, got \[1, 0.5\]/,
    ],
    [
      'a ratio of 0',
      () => randomResizedCrop(8, { ratio: [0, 1] }),
      /"ratio" must be \[least, most\] of numbers above 0, got \[0, 1\]/,
    ],
    [
      'no mean',
      () => normalize({ std: [1] } as never),
      /\[data\] normalize: option "mean" must be a list of finite numbers.* got undefined/,
    ],
    [
      'a deviation of 0',
      () => normalize({ mean: [0], std: [0] }),
      /"std" must be a list of numbers above 0, one for each channel, got \[0\]/,
    ],
    [
      'a negative angle',
      () => randomRotation(-1),
      /"degrees" must be a number of at least 0 or \[least, most\] of finite numbers, got -1/,
    ],
    [
      'a negative contrast',
      () => colorJitter({ contrast: -1 }),
      /"contrast" must be a number of at least 0 or \[least, most\]/,
    ],
    [
      'an erasing value that is none',
      () => randomErasing({ value: [] }),
      /"value" must be a finite number, a list of them or 'random', got \[\]/,
    ],
    [
      'half a pixel',
      () => cutout(1.5),
      /\[data\] cutout: option "size" must be an integer from 1 to 16384, got 1.5/,
    ],
    [
      'alpha of 0',
      () => mixUp({ alpha: 0 }),
      /\[data\] mixUp: option "alpha" must be a number above 0, got 0/,
    ],
    [
      'no function',
      () => custom(3 as never),
      /\[data\] custom: option "apply" must be a function, got 3/,
    ],
    [
      'a crop larger than the image',
      () => outputShape([randomCrop(9, { padding: 2 })], [4, 9, 1]),
      /\[data\] randomCrop: expected images of at least 9 × 9, got 4 × 9 with 2 pixels of padding on each side; resize them or increase "padding"/,
    ],
    [
      'means that are not the channels',
      () => outputShape([normalize({ mean: [0, 0], std: [1] })], [4, 9, 3]),
      /\[data\] normalize: expected 1 or 3 numbers in "mean" for images of 3 channels, got 2/,
    ],
    [
      'RGB of two channels',
      () => outputShape([toRgb()], [4, 9, 2]),
      /\[data\] toRgb: expected images of 1 or 3 channels, got 2/,
    ],
    [
      'colour of four channels',
      () => outputShape([colorJitter({ contrast: 1 })], [4, 9, 4]),
      /\[data\] colorJitter: expected images of 1 or 3 channels, got 4/,
    ],
    [
      'erasing values that are not the channels',
      () => outputShape([randomErasing({ value: [1, 2] })], [4, 9, 3]),
      /\[data\] randomErasing: expected 1 or 3 numbers in "value", got 2/,
    ],
    [
      'a transform that does not exist',
      () => outputShape([{ name: 'toString', options: {}, random: false }], [4, 9, 3]),
      /\[data\] transforms: there is no transform 'toString'/,
    ],
    [
      'a label that is no class',
      () => run(cutMix(), 5),
      /expected labels from 0 to 2, got 5 at index 0 of the batch/,
    ],
    [
      'room for other floats',
      () =>
        toFloats(
          {
            images: new Uint8Array(3),
            count: 1,
            shape: [1, 3, 1],
            labels: Int32Array.of(0),
            numClasses: 1,
          },
          new Float32Array(4),
        ),
      /\[data\] toFloats: expected memory for 3 floats, got 4/,
    ],
    [
      'room for other images',
      () =>
        transformToFloats(
          [resize(3)],
          {
            images: new Uint8Array(4),
            count: 1,
            shape: [2, 2, 1],
            labels: Int32Array.of(0),
            numClasses: 1,
          },
          { rng: { image: () => Math.random, batch: Math.random }, into: new Float32Array(8) },
        ),
      /\[data\] transformToFloats: expected memory for 1 images of \[3, 3, 1\], got memory for 8 floats/,
    ],
    [
      'a function that gives nothing',
      () =>
        changed(
          custom(() => undefined as never),
          bytesOf([2, 2, 1]),
          [2, 2, 1],
        ),
      /\[data\] custom: expected a batch with images of uint8 or float32, got none/,
    ],
    [
      'a function that loses images',
      () =>
        changed(
          custom((batch) => ({ ...batch, count: 0 })),
          bytesOf([2, 2, 1]),
          [2, 2, 1],
        ),
      /\[data\] custom: expected 1 images, got 0/,
    ],
    [
      'a function that breaks its promise',
      () =>
        changed(
          custom((batch) => batch, { outputShape: [3, 2, 1] }),
          bytesOf([2, 2, 1]),
          [2, 2, 1],
        ),
      /expected images of the shape \[3, 2, 1\], got \[2, 2, 1\]/,
    ],
    [
      'a function that loses pixels',
      () =>
        changed(
          custom((batch) => ({ ...batch, images: batch.images.subarray(1) })),
          bytesOf([2, 2, 1]),
          [2, 2, 1],
        ),
      /expected 4 values in images, got 3/,
    ],
  ];
  it.each(cases)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  /** A batch of one image with a label that there may not be. */
  function run(transform: Transform, label: number) {
    const batch = {
      images: bytesOf([2, 2, 1]),
      count: 1,
      shape: [2, 2, 1] as const,
      labels: Int32Array.of(label),
      numClasses: 3,
    };
    const random = () => 0.5;
    return applyTransforms([transform], batch, { image: () => random, batch: random });
  }
});

it('knows which want the whole batch, and which are random', () => {
  const all = [
    resize(3),
    normalize({ mean: [0], std: [1] }),
    toRgb(),
    custom((batch) => batch),
    randomCrop(3),
    cutout(2),
    mixUp(),
    cutMix(),
  ];
  expect(all.map(isBatchwise)).toEqual([false, false, false, false, false, false, true, true]);
  expect(all.map(({ random }) => random)).toEqual([
    false,
    false,
    false,
    false,
    true,
    true,
    true,
    true,
  ]);
});

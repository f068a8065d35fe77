/** Region of interest pooling against the book's numbers, its definition and finite differences. */

import * as tf from '@tensorflow/tfjs-core';
import { vision } from 'deepend';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

const BOOK = [
  [
    [0, 0, 20, 20],
    [0, 10, 30, 30],
  ],
];
const ramp = () =>
  tf.tensor(
    Float32Array.from({ length: 16 }, (_, i) => i),
    [1, 4, 4, 1],
  );

it('has the numbers that the book prints in section 14.8', () => {
  const y = vision.roiPool(ramp(), BOOK, { outputSize: 2, spatialScale: 0.1 });
  expect(y.shape).toEqual([2, 2, 2, 1]);
  expect([...y.dataSync()]).toEqual([5, 6, 9, 10, 9, 11, 13, 15]);
});

const half = (value: number) => (value < 0 ? -1 : 1) * Math.floor(Math.abs(value) + 0.5);

it('is what torchvision defines, for boxes in and outside of images', () => {
  const side = fc.integer({ min: 1, max: 6 });
  const corner = fc.integer({ min: -8, max: 24 });
  const box = fc.tuple(corner, corner, corner, corner);
  const cases = fc.record({
    ...{ images: fc.integer({ min: 1, max: 2 }), height: side, width: side, channels: side },
    ...{
      out: fc.tuple(side, side),
      scale: fc.constantFrom(0.25, 0.5, 1),
      boxes: fc.array(box, { maxLength: 3 }),
    },
  });
  const property = fc.property(cases, ({ images, height, width, channels, out, scale, boxes }) => {
    const x = mix(images * height * width * channels, 'roi');
    const sorted = boxes.map(([a, b, c, d]) => [
      Math.min(a, c),
      Math.min(b, d),
      Math.max(a, c),
      Math.max(b, d),
    ]);
    const lists = Array.from({ length: images }, () => sorted);
    const y = tf.tidy(() =>
      vision
        .roiPool(tf.tensor(x, [images, height, width, channels]), lists, {
          outputSize: out,
          spatialScale: scale,
        })
        .dataSync(),
    );
    const expected: number[] = [];
    for (let image = 0; image < images; image++)
      for (const corners of sorted) {
        const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = corners.map((value) => half(value * scale));
        for (let i = 0; i < out[0]; i++)
          for (let j = 0; j < out[1]; j++)
            for (let c = 0; c < channels; c++) {
              const found = [];
              for (let row = 0; row < height; row++)
                for (let column = 0; column < width; column++) {
                  // A pixel is in part i when the part [i, i + 1) · size / parts touches it.
                  const [sizeY, sizeX] = [y2 - y1 + 1, x2 - x1 + 1];
                  const inside = (place: number, index: number, size: number, count: number) =>
                    place >= Math.floor((index * size) / count) &&
                    place < Math.ceil(((index + 1) * size) / count);
                  if (inside(row - y1, i, sizeY, out[0]) && inside(column - x1, j, sizeX, out[1]))
                    found.push(
                      x[((image * height + row) * width + column) * channels + c] as number,
                    );
                }
              expected.push(found.length > 0 ? Math.max(...found) : 0);
            }
      }
    expect([...y]).toEqual(expected);
  });
  fc.assert(property, { numRuns: 200 });
});

it('has the gradient of the largest pixels', () => {
  const options = { outputSize: 2, spatialScale: 0.1 };
  const gradient = tf.grad((x) => tf.sum(vision.roiPool(x, BOOK, options)))(ramp());
  const expected = new Array<number>(16).fill(0);
  for (const pixel of [5, 6, 9, 10, 9, 11, 13, 15]) expected[pixel] = (expected[pixel] ?? 0) + 1;
  expect([...gradient.dataSync()]).toEqual(expected);
});

it('takes no boxes, and leaves no tensor behind', () =>
  expectNoLeak(() => {
    const x = ramp();
    const none = vision.roiPool(x, [[]], { outputSize: [3, 2] });
    expect(none.shape).toEqual([0, 3, 2, 1]);
    tf.dispose([x, none, vision.roiPool(x, BOOK, { outputSize: 1 })]);
  }));

it.each<[string, () => unknown, string]>([
  [
    'features without a batch',
    () => vision.roiPool(tf.zeros([4, 4, 1]), [[]], { outputSize: 1 }),
    'got float32 [4, 4, 1]',
  ],
  [
    'boxes of other images',
    () => vision.roiPool(ramp(), [], { outputSize: 1 }),
    'for each of 1 images, got 0 lists',
  ],
  [
    'x1 > x2',
    () => vision.roiPool(ramp(), [[[2, 0, 1, 1]]], { outputSize: 1 }),
    'boxes of image 0',
  ],
  ['no size', () => vision.roiPool(ramp(), BOOK, {} as never), 'option "outputSize"'],
  [
    'a size of 0',
    () => vision.roiPool(ramp(), BOOK, { outputSize: [2, 0] }),
    'option "outputSize"',
  ],
  [
    'a scale of 0',
    () => vision.roiPool(ramp(), BOOK, { outputSize: 2, spatialScale: 0 }),
    'option "spatialScale"',
  ],
])('refuses %s', (_, work, message) => {
  expect(work).toThrow(message);
});

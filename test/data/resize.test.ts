import { createHash } from 'node:crypto';
import { resizeImages } from '@deepend/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesToFloats } from '../../packages/data/src/transforms/resample/kernel';
import {
  computeLayout,
  fullBox,
  type Resampling,
} from '../../packages/data/src/transforms/resample/layout';
import { resamplePlain } from '../../packages/data/src/transforms/resample/plain';
import { resample, resampleToFloats } from '../../packages/data/src/transforms/resample/resample';
import golden from '../golden/resize.json';
import { mix } from '../helpers/fill';
import { runsOf } from '../helpers/full';

type Shape = [number, number, number];
type Interpolation = Resampling['interpolation'];

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
const noise = (shape: readonly number[]) =>
  Uint8Array.from(mix(product(shape), 'resize'), (value) => Math.floor(256 * value));
const decoded = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));
const floatsOf = (text: string) => new Float32Array(decoded(text).buffer);

describe('resizeImages', () => {
  it.each(golden.cases)(
    "equals torchvision's on PIL images, $interpolation, $shape to $size",
    (row) => {
      const resized = resizeImages(
        noise(row.shape),
        row.shape as Shape,
        row.size as [number, number],
        {
          interpolation: row.interpolation as Interpolation,
        },
      );
      expect(resized).toHaveLength(product([...row.to, row.shape[2] as number]));
      const expected = decoded(row.bytes ?? row.row ?? '');
      expect([...resized.subarray(0, expected.length)]).toEqual([...expected]);
      if (row.sha256) expect(createHash('sha256').update(resized).digest('hex')).toBe(row.sha256);
    },
  );

  it.each(golden.floats)(
    "equals Pillow's on float images, $interpolation, $shape to $to",
    (row) => {
      const images = mix(product(row.shape), 'resize');
      const job = {
        shape: row.shape as Shape,
        to: row.to as [number, number],
        interpolation: row.interpolation as Interpolation,
      };
      expect([...resample(images, 1, job)]).toEqual([...floatsOf(row.values)]);
    },
  );

  it('resizes each image of a batch alike, and a number is the shorter side', () => {
    const one = noise([20, 10]);
    const two = resizeImages(Uint8Array.from([...one, ...one]), [20, 10, 1], 5);
    expect(two).toHaveLength(2 * 10 * 5);
    expect(two.subarray(0, 50)).toEqual(two.subarray(50));
    expect(two.subarray(0, 50)).toEqual(resizeImages(one, [20, 10, 1], [10, 5]));
  });

  it.each([0, -3, 2.5, Number.NaN, [3], [3, 0], '5', null])('refuses %s', (resize) => {
    expect(() => resizeImages(new Uint8Array(4), [2, 2, 1], resize as never)).toThrow(
      /\[data\] resizeImages: expected an integer from 1 to 16384 or \[height, width\]/,
    );
  });

  it('refuses a part of an image, and an unknown interpolation', () => {
    const partial = () => resizeImages(new Uint8Array(5), [2, 2, 1], 3);
    expect(partial).toThrow(/expected whole images of the shape \[2, 2, 1\], got 5 bytes/);
    const unknown = () =>
      resizeImages(new Uint8Array(4), [2, 2, 1], 3, { interpolation: 'cubic' as never });
    expect(unknown).toThrow(
      /"interpolation" must be one of 'bilinear', 'bicubic', 'nearest', got 'cubic'/,
    );
  });
});

/** Extreme bytes are as likely as all others: bicubic goes beyond them. */
const pixel = fc.oneof(fc.constantFrom(0, 255), fc.integer({ min: 0, max: 255 }));
const side = fc.integer({ min: 1, max: 45 });

/** Images of any shape, and what to make of which part of them. */
const job = fc
  .record({
    count: fc.integer({ min: 1, max: 5 }),
    height: side,
    width: side,
    channels: fc.integer({ min: 1, max: 4 }),
  })
  .chain(({ count, height, width, channels }) =>
    fc.record({
      count: fc.constant(count),
      shape: fc.constant([height, width, channels] as const),
      images: fc.array(pixel, { minLength: 1, maxLength: 97 }).map((some) =>
        // A few drawn bytes over and over, at a length that no row has: all the images' thousands
        // would be slow to draw and to shrink.
        Uint8Array.from(
          { length: count * height * width * channels },
          (_, i) => some[i % some.length] as number,
        ),
      ),
      to: fc.oneof(fc.tuple(side, side), fc.constant([height, width] as [number, number])),
      interpolation: fc.constantFrom('bilinear' as const, 'bicubic' as const),
      box: fc.option(boxWithin(height, width), { nil: undefined }),
    }),
  )
  .chain((drawn) =>
    fc.record({
      drawn: fc.constant(drawn),
      window: fc.option(boxWithin(...drawn.to), { nil: undefined }),
    }),
  )
  .map(({ drawn, window }) => ({ ...drawn, ...(window && { window }) }));

function boxWithin(height: number, width: number) {
  const span = (whole: number) =>
    fc
      .tuple(fc.integer({ min: 0, max: whole - 1 }), fc.integer({ min: 0, max: whole - 1 }))
      .map(([a, b]) => [Math.min(a, b), Math.abs(a - b) + 1] as const);
  return fc
    .tuple(span(height), span(width))
    .map(([[top, h], [left, w]]) => ({ top, left, height: h, width: w }));
}

describe('the WebAssembly kernel', () => {
  it('equals the plain JavaScript form, to the byte', () => {
    fc.assert(
      fc.property(job, ({ images, count, ...rest }) => {
        const { box = fullBox(rest.shape[0], rest.shape[1]) } = rest;
        const resampling = { ...rest, box };
        const plan = computeLayout(resampling, rest.interpolation);
        expect(resample(images, count, resampling)).toEqual(resamplePlain(images, count, plan));
      }),
      { numRuns: runsOf(300) },
    );
  });

  it('gives the floats of those bytes, normalized on request', () => {
    const numbers = fc.array(fc.double({ min: 0.1, max: 0.9, noNaN: true }), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(job, numbers, numbers, ({ images, count, ...rest }, means, stds) => {
        const { box = fullBox(rest.shape[0], rest.shape[1]), shape } = rest;
        const [mean, std] = [means.slice(0, shape[2]), stds.slice(0, shape[2])];
        const bytes = resample(images, count, { ...rest, box });
        const unit = new Float32Array(bytes.length);
        resampleToFloats(images, { ...rest, box }, { into: unit });
        expect(unit).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
        const normalized = new Float32Array(bytes.length);
        resampleToFloats(
          images,
          { ...rest, box },
          { into: normalized, normalization: { mean, std } },
        );
        const expected = Float32Array.from(bytes, (byte, i) => {
          const channel = i % shape[2];
          const centered = Math.fround(
            Math.fround(byte / 255) - Math.fround(mean[channel] as number),
          );
          return centered / Math.fround(std[channel] as number);
        });
        expect(normalized).toEqual(expected);
      }),
      { numRuns: runsOf(100) },
    );
  });

  // Batches and images that do not fit into one portion of the kernel's memory.
  it.each<[number, Shape, [number, number]]>([
    [150, [28, 28, 1], [96, 96]],
    [3, [400, 500, 3], [90, 300]],
    [1, [300, 300, 3], [310, 900]],
    [2, [7, 5000, 3], [7, 40]],
    [2, [700, 3, 1], [900, 500]],
    [2, [600, 400, 2], [600, 400]],
  ])('works in portions: %i of %j to %j', (count, shape, to) => {
    const images = noise([count, ...shape]);
    const resampling: Resampling = { shape, to, interpolation: 'bilinear' };
    const expected = resamplePlain(images, count, computeLayout(resampling, 'bilinear'));
    expect(Buffer.compare(resample(images, count, resampling) as Uint8Array, expected)).toBe(0);
    const floats = new Float32Array(expected.length);
    resampleToFloats(images, resampling, { into: floats });
    const wanted = Float32Array.from(expected, (byte) => byte / 255);
    expect(Buffer.compare(new Uint8Array(floats.buffer), new Uint8Array(wanted.buffer))).toBe(0);
  });

  it.each([0, 1, 15, 16, 17, 65_536, 65_537, 200_001])(
    'makes floats of %i bytes, each byte / 255 rounded once',
    (count) => {
      const bytes = Uint8Array.from({ length: count }, (_, i) => (i + (i >> 8)) % 256);
      const floats = new Float32Array(count);
      bytesToFloats(bytes, floats);
      const wanted = Float32Array.from(bytes, (byte) => byte / 255);
      expect(Buffer.compare(new Uint8Array(floats.buffer), new Uint8Array(wanted.buffer))).toBe(0);
    },
  );
});

it('nearest of a part is a part of nearest', () => {
  fc.assert(
    fc.property(job, ({ images, count, shape, to, window = fullBox(...to) }) => {
      const common = { shape, to, interpolation: 'nearest' as const };
      const whole = resample(images, count, common);
      const part = resample(images, count, { ...common, window });
      const [height, width, channels] = [...to, shape[2]];
      const expected = Array.from(part, (_, i) => {
        const [inRow, row] = [
          i % (window.width * channels),
          Math.floor(i / (window.width * channels)),
        ];
        const [image, y] = [Math.floor(row / window.height), row % window.height];
        return whole[((image * height + window.top + y) * width + window.left) * channels + inRow];
      });
      expect([...part]).toEqual(expected);
    }),
  );
});

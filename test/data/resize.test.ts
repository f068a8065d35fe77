import { resizeImages } from '@deepend/data';
import { describe, expect, it } from 'vitest';
import golden from '../golden/resize.json';
import { mix } from '../helpers/fill';

type Shape = [number, number, number];

describe('resizeImages', () => {
  it.each(golden.cases)("equals Pillow's, $shape to $to", ({ shape, to, bytes }) => {
    const pixels = Uint8Array.from(
      mix(
        shape.reduce((a, b) => a * b, 1),
        'resize',
      ),
      (value) => Math.floor(256 * value),
    );
    const resized = resizeImages(pixels, shape as Shape, to as [number, number]);
    expect([...resized]).toEqual([...Buffer.from(bytes, 'base64')]);
  });

  it('resizes each image of a batch alike, and a number is the shorter side', () => {
    const one = Uint8Array.from(mix(20 * 10, 'resize'), (value) => Math.floor(256 * value));
    const two = resizeImages(Uint8Array.from([...one, ...one]), [20, 10, 1], 5);
    expect(two).toHaveLength(2 * 10 * 5);
    expect(two.subarray(0, 50)).toEqual(two.subarray(50));
    expect(two.subarray(0, 50)).toEqual(resizeImages(one, [20, 10, 1], [10, 5]));
  });

  it.each([0, -3, 2.5, Number.NaN, [3], [3, 0], '5', null])('refuses %s', (resize) => {
    expect(() => resizeImages(new Uint8Array(4), [2, 2, 1], resize as never)).toThrow(
      /\[data\] resize: expected a whole number of at least 1 or \[height, width\]/,
    );
  });

  it('refuses a part of an image', () => {
    expect(() => resizeImages(new Uint8Array(5), [2, 2, 1], 3)).toThrow(
      /expected whole images of the shape \[2, 2, 1\], got 5 bytes/,
    );
  });
});

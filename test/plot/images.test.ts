import { toCsv, toJsonl } from '@deepend/core';
import { showImages } from '@deepend/plot';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';

const batch = (shape: number[], dtype?: string) => {
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
    i % 2 === 0 ? 1 : 0,
  );
  return { shape, ...(dtype && { dtype }), data: () => values };
};

describe('showImages', () => {
  it('puts images in rows, with their titles', async () => {
    const figure = await showImages(batch([5, 4, 4, 1]), {
      cols: 3,
      titles: ['a', 'b', 'c', 'd', 'e\nsecond'],
    });
    expect(figure.svg.match(/<image /g)).toHaveLength(5);
    expect(figure.svg).toContain('>second<');
    expect(figure.svg).toContain('5 images: a; b; c; d; e, second');
    const { width, height } = await sharp(await figure.toPng()).metadata();
    expect([width, height]).toEqual([2 * figure.width, 2 * figure.height]);
  });

  it('keeps each pixel a sharp square of its grey or colour', async () => {
    const figure = await showImages(
      { shape: [1, 1, 2, 3], dtype: 'int32', data: () => [255, 0, 0, 0, 0, 255] },
      { size: 40 },
    );
    const { data, info } = await sharp(await figure.toPng())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number) => [
      ...data.subarray(3 * (y * info.width + x), 3 * (y * info.width + x) + 3),
    ];
    const middle = Math.floor(info.height / 2);
    expect(at(Math.floor(info.width / 2) - 5, middle)).toEqual([255, 0, 0]);
    expect(at(Math.floor(info.width / 2) + 5, middle)).toEqual([0, 0, 255]);
  });

  it('takes the rows and columns of the book, and its scale', async () => {
    const figure = await showImages(batch([6, 4, 4]), 2, 3, { titles: [...'abcdef'], scale: 2 });
    expect(figure.svg).toBe(
      (await showImages(batch([6, 4, 4]), { rows: 2, cols: 3, titles: [...'abcdef'], size: 128 }))
        .svg,
    );
    expect(figure.points.map(({ label }) => label)).toEqual(
      [...'abcdef'].map((title, i) => `image ${i}: ${title}`),
    );
  });

  it('takes bytes as 0 to 255, floats as 0 to 1, whoever holds them', async () => {
    const svg = async (images: Parameters<typeof showImages>[0]) => (await showImages(images)).svg;
    const bytes = await svg({ shape: [1, 1, 2], data: new Uint8Array([0, 51]) });
    expect(await svg({ shape: [1, 1, 2], data: [0, 0.2] })).toBe(bytes);
    expect(await svg({ shape: [1, 1, 2], data: new Float32Array([0, 0.2]) })).toBe(bytes);
    expect(await svg({ shape: [1, 1, 2], data: [0, 51], dtype: 'int32' })).toBe(bytes);
    expect(await svg([{ shape: [1, 2], data: new Uint8Array([0, 51]) }])).toBe(bytes);
    expect(await svg({ shape: [1, 1, 2], data: new Uint8Array([0, 1]), dtype: 'bool' })).toBe(
      await svg({ shape: [1, 1, 2], data: [0, 1] }),
    );
  });

  it('takes tensors, which stay the caller’s, and lists of them', async () => {
    const images = [tf.zeros([4, 4]), tf.ones([4, 8, 3])];
    const before = tf.memory().numTensors;
    const figure = await showImages(images, { size: 64 });
    expect(tf.memory().numTensors).toBe(before);
    expect(figure.svg.match(/<image [^>]*width="64" height="(64|32)"/g)).toHaveLength(2);
    tf.dispose(images);
  });

  it('reads a large photograph without jagged edges', async () => {
    const photo = {
      shape: [1, 400, 400],
      data: new Uint8Array(160000).map((_, i) => (i % 2 === 0 ? 255 : 0)),
    };
    const figure = await showImages(photo, { size: 50 });
    const [, data = ''] = /base64,([^"]*)/.exec(figure.svg) ?? [];
    const pixels = await sharp(Buffer.from(data, 'base64')).greyscale().raw().toBuffer();
    expect(pixels.length).toBe(100 * 100);
    expect(pixels[5050]).toBeGreaterThan(100); // the mean of black and white, not one of them
    expect(pixels[5050]).toBeLessThan(155);
  });

  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'no images',
      () => showImages(batch([0, 4, 4])),
      /expected a tensor or \{ data, shape \} of \[count, height, width\].*got \[0, 4, 4\]/,
    ],
    [
      'two channels',
      () => showImages(batch([1, 4, 4, 2])),
      /\[count, height, width, 1 or 3\], or a list .*got \[1, 4, 4, 2\]/,
    ],
    ['something else', () => showImages([1, 2] as never), /got \[1, 2\]/],
    [
      'another number of titles',
      () => showImages(batch([2, 4, 4]), { titles: ['a'] }),
      /expected 2 "titles", one an image, got 1/,
    ],
    [
      'too few places',
      () => showImages(batch([5, 4, 4]), { rows: 2, cols: 2 }),
      /expected at least 5 places for 5 images, got 2 × 2/,
    ],
    [
      'fewer values than the shape has',
      () => showImages({ shape: [1, 2, 2], data: [0, 1] }),
      /expected 4 values for shape \[1, 2, 2\], got 2/,
    ],
    [
      'plain numbers beyond 1',
      () => showImages({ shape: [1, 1, 2], data: [0, 255] }),
      /expected values from 0 to 1, got 255; .* pass a Uint8Array/,
    ],
    ['an empty list', () => showImages([]), /got an empty list/],
    [
      'a batch in a list',
      () => showImages([batch([2, 2, 2, 2])]),
      /got an image \[2, 2, 2, 2\] in a list/,
    ],
    [
      'both size and scale',
      () => showImages(batch([1, 4, 4]), { size: 64, scale: 1 }),
      /expected "size" or "scale", got both/,
    ],
    [
      'an unknown option',
      () => showImages(batch([1, 4, 4]), { columns: 2 } as never),
      /there is no option "columns"/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, act, message) => {
    await expect(act()).rejects.toThrow(message);
  });
});

describe('exports of a history', () => {
  const history = [
    { epoch: 1, loss: 0.5, testAcc: null },
    { epoch: 2, loss: Number.NaN, testAcc: 0.75 },
  ];

  it('are JSON lines', () => {
    const lines = toJsonl(history)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([history[0], { ...history[1], loss: null }]);
    expect(toJsonl([])).toBe('');
  });

  it('are comma-separated values', () => {
    expect(toCsv(history)).toBe('epoch,loss,testAcc\n1,0.5,\n2,NaN,0.75\n');
    expect(toCsv([{ note: 'a "b", c' }])).toBe('note\n"a ""b"", c"\n');
  });
});

import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { csvDataset, DataError } from '@deepend/data';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CsvParser } from '../../packages/data/src/datasets/csv';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

async function write(content: string | Uint8Array, name = 'x.csv'): Promise<string> {
  await fs.writeFile(path.join(dir, name), content);
  return path.join(dir, name);
}

const rows = fc
  .record({
    height: fc.integer({ min: 1, max: 4 }),
    width: fc.integer({ min: 1, max: 4 }),
    count: fc.integer({ min: 1, max: 6 }),
  })
  .chain(({ height, width, count }) =>
    fc.record({
      shape: fc.constant([height, width, 1] as const),
      labels: fc.array(fc.integer({ min: 0, max: 300 }), { minLength: count, maxLength: count }),
      pixels: fc.array(fc.uint8Array({ minLength: height * width, maxLength: height * width }), {
        minLength: count,
        maxLength: count,
      }),
    }),
  );

describe('csvDataset', () => {
  it('reads the form of Kaggle: a header, a label, a gray square', async () => {
    const file = await write(
      'label,pixel1,pixel2,pixel3,pixel4\n9,0,1,2,255\r\n0,"7", 8 ,9,10\n\n',
    );
    const { images, labels, imageShape, source } = await csvDataset(file);
    expect([...images]).toEqual([0, 1, 2, 255, 7, 8, 9, 10]);
    expect([[...labels], imageShape, source]).toEqual([[9, 0], [2, 2, 1], file]);
  });

  it('reads any shape, any place of the label, packed or not, with a header or without', async () => {
    const text = '\ufeff1,2,3,4,5,6,1\n6,5,4,3,2,1,0\n';
    for (const file of [await write(text), await write(gzipSync(text), 'x.csv.gz')]) {
      const set = await csvDataset(file, {
        labelColumn: -1,
        imageShape: [1, 2, 3],
        classNames: ['a', 'b'],
      });
      expect([[...set.images], [...set.labels], set.imageShape]).toEqual([
        [1, 2, 3, 4, 5, 6, 6, 5, 4, 3, 2, 1],
        [1, 0],
        [1, 2, 3],
      ]);
    }
    expect((await csvDataset(await write('1,2\n3,4\n'), { header: true })).labels).toHaveLength(1);
  });

  it('reads the same for any division into pieces', () => {
    fc.assert(
      fc.property(
        rows,
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        fc.boolean(),
        ({ shape, labels, pixels }, sizes, windows) => {
          const end = windows ? '\r\n' : '\n';
          const bytes = Buffer.from(
            labels.map((label, i) => [label, ...(pixels[i] ?? [])].join()).join(end),
          );
          const parser = new CsvParser('x.csv', { imageShape: shape });
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] as number;
            parser.add(bytes.subarray(at, at + size));
            at += size;
          }
          const { images, labels: read } = parser.finish();
          expect([[...read], [...images]]).toEqual([labels, pixels.flatMap((image) => [...image])]);
        },
      ),
    );
  });

  it('returns a dataset or an error that names the line, for any bytes', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc.stringMatching(/^[0-9,\n" x-]{0,60}$/).map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        try {
          const parser = new CsvParser('x.csv', {});
          parser.add(bytes);
          const { images, labels, imageShape } = parser.finish();
          expect(images).toHaveLength(labels.length * imageShape[0] * imageShape[1]);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
          expect((error as DataError).file).toMatch(/^x\.csv(, line \d+)?$/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  const cases: [string, string | Uint8Array, object, RegExp][] = [
    [
      'a text for a pixel',
      '1,2\n3,x\n',
      {},
      /x\.csv, line 2: expected an integer from 0 to 255 in column 2, got 'x'; correct it/,
    ],
    [
      'a pixel of 256',
      '1,256',
      {},
      /line 1: expected an integer from 0 to 255 in column 2, got '256'/,
    ],
    ['a pixel below 0', 'a,b\n1,-1', {}, /line 2: .* got '-1'/],
    ['half a pixel', '1,2.5', { header: false }, /line 1: .* got '2\.5'/],
    ['an empty cell', '1,2\n1,', {}, /line 2: .* in column 2, got ''/],
    [
      'a label beyond the class names',
      '1,2\n2,2',
      { classNames: ['a', 'b'] },
      /line 2: expected an integer from 0 to 1 in column 1, got '2'/,
    ],
    [
      'a short row',
      '1,2,3,4,5\n1,2,3',
      {},
      /line 2: expected 5 columns, as in the first row, got 3/,
    ],
    ['a long row', '1,2\n1,2,3', {}, /line 2: expected 2 columns, as in the first row, got more/],
    [
      'no square',
      '1,2,3',
      {},
      /line 1: expected a label and the pixels of a gray square, unless "imageShape" is given, got 3 columns/,
    ],
    [
      'another shape',
      '1,2,3',
      { imageShape: [2, 2, 1] },
      /expected a label and 4 pixels for images of \[2, 2, 1\], got 3 columns/,
    ],
    [
      'no such label column',
      '1,2',
      { labelColumn: 5 },
      /expected more than 5 columns, for the label, got 2/,
    ],
    ['a header alone', 'label,p', {}, /expected rows of a label and pixels, got none/],
    ['an empty file', '', {}, /expected rows of a label and pixels, got none/],
    [
      'a file without an end of line',
      '1'.repeat(2 ** 24 + 1),
      {},
      /expected lines of at most 16777216 bytes, got a longer one/,
    ],
    [
      'a packed file cut off',
      gzipSync('1,2\n3,4\n'.repeat(99)).subarray(0, 25),
      {},
      /expected a complete gzip file, got a damaged one/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, content, options, message) => {
    const file = await write(content);
    const error = await csvDataset(file, options).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
  });

  it('refuses a folder, and unknown options', async () => {
    await expect(csvDataset(dir)).rejects.toThrow(/expected a file, got a folder or device/);
    await expect(csvDataset(path.join(dir, 'none'))).rejects.toThrow(/nothing there \(ENOENT\)/);
    await expect(csvDataset('x', { labels: 1 } as never)).rejects.toThrow(
      /there is no option "labels"/,
    );
  });
});

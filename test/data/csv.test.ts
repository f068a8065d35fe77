import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { csvDataset, DataError } from '@deepend/data';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CsvParser } from '../../packages/data/src/datasets/csv-parser';
import { runsOf } from '../helpers/full';

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

  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
  const pixels = Array.from({ length: 64 }, (_, i) => (37 * i) % 256);
  const sample = { images: [...pixels, ...pixels], labels: [3, 5], classNames: undefined };
  const words = { ...sample, labels: [1, 0], classNames: ['cat', 'dog'] };
  const readable: [string, string | Uint8Array, object, object][] = [
    ['the column numbers of pandas', `${numbers(65)}\n3,${pixels}\n5,${pixels}\n`, {}, sample],
    [
      "pandas' index before column numbers",
      `,${numbers(65)}\n0,3,${pixels}\n1,5,${pixels}\n`,
      {},
      sample,
    ],
    [
      "pandas' index, saved and read once more",
      `Unnamed: 0,label,${numbers(64)}\n0,3,${pixels}\n1,5,${pixels}\n`,
      {},
      sample,
    ],
    [
      'an id, and the label last',
      `id,${pixels.map((_, i) => `p${i}`)},label\n7,${pixels},3\n8,${pixels},5\n`,
      {},
      sample,
    ],
    [
      'column numbers and a named label at the end',
      `${numbers(64)},target\n${pixels},3\n${pixels},5\n`,
      {},
      sample,
    ],
    [
      'floats',
      `label,${numbers(64)}\n3.0,${pixels.map((p) => p.toFixed(1))}\n` +
        `5.,${pixels.map((p) => p.toExponential(18))}\n`,
      {},
      sample,
    ],
    ['semicolons', `3;${pixels.join(';')}\n5;${pixels.join(';')}\n`, {}, sample],
    ['tabs', `3\t${pixels.join('\t')}\r\n5\t${pixels.join('\t')}\r\n`, {}, sample],
    ['words for labels', `dog,${pixels}\n"cat",${pixels}\n`, {}, words],
    ['words and a header', `class,${numbers(64)}\ndog,${pixels}\ncat,${pixels}\n`, {}, words],
    [
      'names of given classes',
      `dog,${pixels}\n"cat, small",${pixels}\n`,
      { classNames: ['cat, small', 'ant', 'dog'] },
      { ...sample, labels: [2, 0], classNames: ['cat, small', 'ant', 'dog'] },
    ],
    [
      'UTF-16 with tabs',
      Buffer.from(
        `\ufefflabel\t${numbers(64).join('\t')}\r\n` +
          `dog\t${pixels.join('\t')}\r\ncat\t${pixels.join('\t')}\r\n`,
        'utf16le',
      ),
      {},
      words,
    ],
    [
      'UTF-16, big-endian',
      Buffer.from(`\ufeff3,${pixels}\n5,${pixels}\n`, 'utf16le').swap16(),
      {},
      sample,
    ],
    [
      'lines of blanks and of empty cells at the end',
      `\n3,${pixels}\n \n5,${pixels}\n\n  \r\n${','.repeat(64)}\n${','.repeat(64)}\r\n`,
      {},
      sample,
    ],
  ];
  it.each(readable)('reads %s', async (_, content, options, expected) => {
    const { images, labels, classNames } = await csvDataset(await write(content), options);
    expect({ images: [...images], labels: [...labels], classNames }).toEqual(expected);
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
      { numRuns: runsOf(1000) },
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
    ['a sample without its label', `,${pixels}\n`, {}, /line 1: expected an integer .*, got ''/],
    ['a missing pixel in the first row', '5,0,nan,1,2\n', {}, /column 3, got 'nan'; correct it/],
    [
      'a word among the pixels of the first row',
      '5,0,x,1,2\n',
      {},
      /line 1: expected names in all cells, or numbers in all but the label, got 'x' among numbers; correct it, or pass "header: true"/,
    ],
    [
      'pixels in [0, 1]',
      '5,0.0,0.25,1.0,0.5\n',
      {},
      /line 1: .* in column 3, got '0\.25'; multiply pixels in \[0, 1\] by 255/,
    ],
    ['floats of 0 and 1 only', '5,0.0,1.0,1.0,0.0\n', {}, /got floats from 0 to 1; multiply/],
    ['decimal commas', '5;0,0;1,0;2,0;3,0\n', {}, /got '0,0' among numbers/],
    ['a number among words', 'dog,1\n7,1\n', {}, /line 2: expected a word, as .*, got '7'/],
    ['a word among numbers', '7,1\ndog,1\n', {}, /line 2: expected an integer, as .*, got 'dog'/],
    [
      'a word that is no class',
      'cat,1\nfox,1\n',
      { classNames: ['cat', 'dog'] },
      /line 2: expected one of cat, dog in column 1, got 'fox'/,
    ],
    [
      'a label that is an id',
      '2147483646,1\n',
      {},
      /expected an integer from 0 to 1048575 in column 1, got '2147483646'/,
    ],
    ['an index without a name', '0,7,1,2,3,4\n', {}, /got 6 columns; if one column is an index/],
    ['the index as label', ',label,p\n0,1,2\n', { labelColumn: 0 }, /got an index in column 1/],
    ['spaces between cells', '7 1 2 3 4\n', {}, /got 1 columns; separate cells by commas/],
    ['empty cells between samples', '7,1\n,\n7,1\n', {}, /line 2: .* got a row of empty cells/],
    ['lines that end with CR', '7,1\r7,2\r', {}, /got carriage returns without line feeds/],
    [
      'UTF-16 without a mark',
      Buffer.from('7,1\n', 'utf16le'),
      {},
      /got bytes of zero; save it as CSV in UTF-8/,
    ],
    [
      'half a character of UTF-16',
      Buffer.from([0xff, 0xfe, 0x37, 0, 0x2c]),
      {},
      /expected text in UTF-16, got other bytes/,
    ],
    [
      'an Excel workbook',
      Buffer.from('PK\x03\x04etc.'),
      {},
      /expected a CSV file, got a zip archive or an Excel workbook; save it as CSV/,
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

import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { DataError, parseIdx, readIdx } from '@deepend/data';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runsOf } from '../helpers/full';
import { idx, sha256 } from '../helpers/idx';
import { hasRightsToTest, withoutRights } from '../helpers/rights';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const arrays = shapes.chain((shape) => {
  const length = shape.reduce((a, b) => a * b, 1);
  return fc.record({
    shape: fc.constant(shape),
    values: fc.uint8Array({ minLength: length, maxLength: length }),
  });
});

describe('parseIdx', () => {
  it('reads any array of bytes', () => {
    fc.assert(
      fc.property(arrays, ({ shape, values }) => {
        const parsed = parseIdx(idx(shape, values));
        expect(parsed.shape).toEqual(shape);
        expect([...parsed.values]).toEqual([...values]);
        expect(parsed.values.constructor).toBe(Uint8Array);
      }),
    );
  });

  it('refuses a file cut off anywhere, or with bytes to spare', () => {
    fc.assert(
      fc.property(arrays, fc.nat(), ({ shape, values }, at) => {
        const whole = idx(shape, values);
        expect(() => parseIdx(whole.subarray(0, at % whole.length))).toThrow(DataError);
        expect(() => parseIdx(Buffer.concat([whole, Buffer.alloc(1 + (at % 9))]))).toThrow(
          /expected \d+ bytes for the shape/,
        );
      }),
    );
  });

  it('takes no other bytes for an array', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        let result: unknown;
        try {
          result = parseIdx(bytes);
        } catch (error) {
          result = error;
        }
        if (!(result instanceof DataError)) {
          const { shape, values } = result as ReturnType<typeof parseIdx>;
          expect(Buffer.compare(idx(shape, values), bytes)).toBe(0);
        }
      }),
      { numRuns: runsOf(2000) },
    );
  });

  it('says what a web page looks like', () => {
    expect(() => parseIdx(Buffer.from('<html>'), 'x.gz')).toThrow(
      '[data] x.gz: expected an IDX file of unsigned bytes, which begins with 00 00 08 01 or 00 00 08 03, got 3c 68 74 6d, which looks like a web page; get the file again',
    );
  });
});

describe('readIdx', () => {
  const bytes = idx([2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));
  const write = async (name: string, content: Uint8Array) => {
    await fs.writeFile(path.join(dir, name), content);
    return path.join(dir, name);
  };

  it.each(['packed.gz', 'plain'])('reads %s', async (name) => {
    const file = await write(name, name === 'plain' ? bytes : gzipSync(bytes));
    const { shape, values } = await readIdx(file, { sha256: sha256(bytes), shape: [2, 3] });
    expect(shape).toEqual([2, 3]);
    expect([...values]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('refuses a packed file cut off anywhere', async () => {
    const packed = gzipSync(bytes);
    for (let length = 0; length < packed.length; length++) {
      await expect(readIdx(await write('cut.gz', packed.subarray(0, length)))).rejects.toThrow(
        DataError,
      );
    }
  });

  const bomb = idx([2 ** 31], new Uint8Array(8));
  const cases: [string, () => Promise<string>, object, RegExp][] = [
    [
      'one that is not there',
      async () => path.join(dir, 'none'),
      {},
      /none: expected a file that can be read, got nothing there \(ENOENT\); get the file again/,
    ],
    ['a folder', async () => dir, {}, /expected a file, got a folder/],
    [
      'other content',
      () => write('other', bytes),
      { sha256: 'ab' },
      /expected content with SHA-256 ab, got [0-9a-f]{64}/,
    ],
    [
      'another shape',
      () => write('shape', bytes),
      { shape: [3, 2] },
      /expected the shape \[3, 2\], got \[2, 3\]/,
    ],
    [
      'a header that promises more than there can be',
      () => write('bomb.gz', gzipSync(bomb)),
      {},
      /which cannot contain that/,
    ],
    [
      'a header of 4 GiB in a file of 1 KB',
      () => write('huge', idx([65536, 256, 256], new Uint8Array(1000))),
      {},
      /expected 4294967312 bytes for the shape \[65536, 256, 256\] in its header, got 1016/,
    ],
    [
      'a packed header of 4 GiB',
      () => write('huge.gz', gzipSync(idx([65536, 256, 256], new Uint8Array(1000)))),
      {},
      /which cannot contain that/,
    ],
    [
      'a bomb that is larger than the shape, before unpacking it',
      () => write('large.gz', gzipSync(idx([1000, 256, 256], new Uint8Array(65_536_000)))),
      { shape: [10, 256, 256] },
      /expected the shape \[10, 256, 256\], got \[1000, 256, 256\]/,
    ],
    [
      'a file that is larger than the shape, before reading it',
      () => write('long', Buffer.alloc(5000)),
      { shape: [10, 2, 2] },
      /expected at most \d+ bytes, got 5000/,
    ],
    ['a device', async () => '/dev/zero', {}, /expected a file, got a device or pipe/],
    [
      'a gzip bomb behind a small header',
      () => write('zeros.gz', gzipSync(Buffer.concat([bytes, Buffer.alloc(50_000_000)]))),
      {},
      /more: bytes follow the last value/,
    ],
    [
      'a packing whose sum is none of those known',
      () => write('packed.gz', gzipSync(bytes)),
      { gzipSha256: ['ab'] },
      /expected a gzip file with SHA-256 ab, got [0-9a-f]{64}/,
    ],
    [
      'other bytes behind a packed file',
      () => write('tail.gz', Buffer.concat([gzipSync(bytes), Buffer.from('tail')])),
      {},
      /expected a complete gzip file, got a damaged one/,
    ],
    [
      'bytes after the last',
      () => write('long.gz', gzipSync(Buffer.concat([bytes, Buffer.alloc(9)]))),
      {},
      /more: bytes follow the last value/,
    ],
    [
      'damaged packing',
      () => write('bad.gz', gzipSync(bytes).fill(0, gzipSync(bytes).length - 8)),
      {},
      /expected a complete gzip file, got a damaged one/,
    ],
  ];
  it.each(cases)('refuses %s', async (_, file, options, message) => {
    await expect(readIdx(await file(), options)).rejects.toThrow(message);
  });

  it.skipIf(!hasRightsToTest)('says so when it has no rights (needs users)', async () => {
    const file = await write('secret', bytes);
    await fs.chmod(dir, 0o755);
    await fs.chmod(file, 0);
    await withoutRights(() => expect(readIdx(file)).rejects.toThrow(/no rights to it \(EACCES\)/));
  });
});

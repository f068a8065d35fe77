/** CIFAR's records, and the archives that sets come in. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DataError, parseCifar } from '@deepend/data';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseTar } from '../../packages/data/src/datasets/files/tar';
import { readZip } from '../../packages/data/src/datasets/files/zip';
import golden from '../golden/data-files.json';
import { tar, tarHeader, zip } from '../helpers/archives';
import { runsOf } from '../helpers/full';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const side = fc.integer({ min: 1, max: 5 });
const records = fc
  .record({
    shape: fc.tuple(side, side, fc.integer({ min: 1, max: 4 })),
    labelBytes: fc.integer({ min: 1, max: 2 }),
    count: side,
  })
  .chain(({ shape, labelBytes, count }) => {
    const length = count * (labelBytes + shape[0] * shape[1] * shape[2]);
    return fc.record({
      shape: fc.constant(shape),
      labelBytes: fc.constant(labelBytes),
      count: fc.constant(count),
      bytes: fc.uint8Array({ minLength: length, maxLength: length }),
    });
  });

describe('parseCifar', () => {
  it('converts planes to pixels, and uses the last label byte, for any shape', () => {
    fc.assert(
      fc.property(records, ({ shape, labelBytes, count, bytes }) => {
        const [height, width, channels] = shape;
        const { images, labels } = parseCifar(bytes, { imageShape: shape, labelBytes });
        expect([images.length, labels.length]).toEqual([count * height * width * channels, count]);
        const record = labelBytes + height * width * channels;
        for (let i = 0; i < count; i++) {
          expect(labels[i]).toBe(bytes[i * record + labelBytes - 1]);
          for (let y = 0; y < height; y++)
            for (let x = 0; x < width; x++)
              for (let c = 0; c < channels; c++)
                expect(images[((i * height + y) * width + x) * channels + c]).toBe(
                  bytes[i * record + labelBytes + (c * height + y) * width + x],
                );
        }
      }),
      { numRuns: runsOf(50) },
    );
  });

  it('refuses an incomplete record', () => {
    fc.assert(
      fc.property(records, fc.nat(), ({ shape, labelBytes, bytes }, cut) => {
        const record = labelBytes + shape[0] * shape[1] * shape[2];
        const short = bytes.subarray(0, bytes.length - 1 - (cut % (record - 1 || 1)));
        if (short.length % record !== 0 || short.length === 0) {
          expect(() => parseCifar(short, { imageShape: shape, labelBytes, file: 'x.bin' })).toThrow(
            /x\.bin: expected records of \d+ bytes each/,
          );
        }
      }),
    );
  });
});

const members = fc.dictionary(
  fc.stringMatching(/^[a-z][a-z/.]{0,30}$/),
  fc.uint8Array({ maxLength: 1500 }),
  { minKeys: 1, maxKeys: 4, noNullPrototype: true },
);
/** What a parser makes of bytes: its result, or a DataError; anything else fails the test. */
function outcome<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return undefined;
  }
}

describe('parseTar', () => {
  it('reads what Python writes', () => {
    const found = parseTar(Buffer.from(golden.archives['files.tar'], 'base64'));
    const expected = Object.entries(golden.members);
    expect(
      found.map(({ path: name, bytes }) => [name, Buffer.from(bytes).toString('base64')]),
    ).toEqual(expected);
  });

  it('reads any files, and refuses a truncated archive', () => {
    fc.assert(
      fc.property(members, fc.nat(), (files, at) => {
        const whole = tar(files);
        const found = parseTar(whole).map(({ path: name, bytes }) => [name, [...bytes]]);
        expect(found).toEqual(Object.entries(files).map(([name, bytes]) => [name, [...bytes]]));
        expect(() => parseTar(whole.subarray(0, at % (whole.length - 1024 + 1)))).toThrow(
          DataError,
        );
      }),
      { numRuns: runsOf(50) },
    );
  });

  it('takes no other bytes for an archive, and no damaged one for another', () => {
    fc.assert(
      fc.property(
        members,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.uint8Array({ maxLength: 2000 }),
        (files, at, change, noise) => {
          if (noise.length < 512 || noise.some((byte, i) => i < 512 && byte !== 0))
            expect(outcome(() => parseTar(noise))).toBeUndefined();
          const whole = tar(files);
          const damaged = Buffer.from(whole);
          damaged[at % whole.length] = (damaged[at % whole.length] as number) ^ change;
          const names = outcome(() => parseTar(damaged))?.map(({ path: name }) => name);
          if (names) expect(names).toEqual(Object.keys(files)); // content may differ: sums of the files catch that
        },
      ),
      { numRuns: runsOf(200) },
    );
  });

  it.each([
    [
      'a member of 8 GB in 1 KB',
      Buffer.concat([tarHeader('a', 8 ** 11 - 1), Buffer.alloc(512)]),
      /a member of 8589934591 bytes that does not fit into it/,
    ],
    [
      'a size that is no number',
      Buffer.from(tarHeader('a', 3)).fill('x', 124, 135),
      /something else at byte 0, or a damaged header/,
    ],
    ['nothing', Buffer.alloc(0), /one that is truncated/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseTar(bytes, 'x.tar')).toThrow(message);
  });

  it('passes over folders and links', () => {
    const link = tarHeader('link', 0, '2');
    expect(
      parseTar(Buffer.concat([tarHeader('folder/', 0, '5'), link, tar({ a: Uint8Array.of(1) })])),
    ).toHaveLength(1);
  });
});

describe('readZip', () => {
  const read = async (content: Uint8Array, options: object = {}) => {
    await fs.writeFile(path.join(dir, 'x.zip'), content);
    return readZip(path.join(dir, 'x.zip'), {
      wanted: () => true,
      maxBytes: () => 5000,
      next: 'get it again',
      ...options,
    });
  };

  it('reads what Python writes, packed or stored, and only what is wanted', async () => {
    const file = Buffer.from(golden.archives['files.zip'], 'base64');
    const found = await read(file);
    expect(
      found.map(({ path: name, bytes }) => [name, Buffer.from(bytes).toString('base64')]),
    ).toEqual(Object.entries(golden.members));
    expect(await read(file, { wanted: (name: string) => name.endsWith('b.bin') })).toHaveLength(1);
  });

  it('reads any files, and refuses an archive truncated anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(members, fc.nat(), async (files, at) => {
        const whole = zip(files);
        const found = (await read(whole)).map(({ path: name, bytes }) => [name, [...bytes]]);
        expect(found).toEqual(Object.entries(files).map(([name, bytes]) => [name, [...bytes]]));
        await expect(read(whole.subarray(0, at % whole.length))).rejects.toThrow(DataError);
      }),
      { numRuns: runsOf(50) },
    );
  });

  it('ends in an error or in files when bytes are wrong, and in nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(
        members,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 6,
        }),
        async (files, changes) => {
          const damaged = zip(files);
          for (const [at, byte] of changes) damaged[at % damaged.length] = byte;
          const error = await read(damaged).then(
            () => undefined,
            (caught: unknown) => caught,
          );
          if (error !== undefined) expect(error).toBeInstanceOf(DataError);
        },
      ),
      { numRuns: runsOf(200) },
    );
  });

  it.each([
    ['no archive', Buffer.alloc(100, 'x'), /without a directory at its end/],
    ['an empty file', Buffer.alloc(0), /without a directory at its end/],
    [
      'a member larger than it can be',
      zip({ big: Buffer.alloc(6000) }),
      /big of 6000 bytes, more than the 5000 that it may have/,
    ],
    [
      'a bomb that hides its size',
      zip({ bomb: Buffer.alloc(4_000_000) }, () => 10),
      /bomb, which cannot be unpacked/,
    ],
    [
      'a length that is not true',
      zip({ a: Buffer.alloc(10) }, () => 20),
      /10 of the 20 bytes of a/,
    ],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(read(bytes)).rejects.toThrow(message);
  });

  it('refuses members that are too large together, and a device', async () => {
    const options = { wanted: () => true, maxBytes: () => 5000, next: 'x' };
    const file = path.join(dir, 'many.zip');
    const members = Object.fromEntries([...'abc'].map((name) => [name, Buffer.alloc(4000)]));
    await fs.writeFile(file, zip(members));
    await expect(readZip(file, { ...options, maxTotalBytes: 10_000 })).rejects.toThrow(
      /members of 12000 bytes in all, more than the 10000 that it may have/,
    );
    await expect(readZip('/dev/zero', options)).rejects.toThrow(/got a folder, device or pipe/);
  });

  it('says so when there is no file', async () => {
    await expect(
      readZip(path.join(dir, 'none.zip'), { wanted: () => true, maxBytes: () => 1, next: 'x' }),
    ).rejects.toThrow(/nothing there/);
  });
});

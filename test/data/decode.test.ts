import { tmpdir } from 'node:os';
import path from 'node:path';
import { DataError, decodeImage } from '@deepend/data';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/data-files.json';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

async function write(name: string, content: Uint8Array): Promise<string> {
  await fs.writeFile(path.join(dir, name), content);
  return path.join(dir, name);
}
const goldenFile = (name: string) =>
  bytes(golden.images.find((image) => image.name === name)?.file ?? '');
const bytes = (base64: string) => Buffer.from(base64, 'base64');

describe('decodeImage', () => {
  it.each(golden.images)("equals Pillow's, $name", async ({ name, file, shape, RGB, L }) => {
    const where = await write(name, bytes(file));
    for (const [channels, expected] of [
      [3, RGB],
      [1, L],
    ] as const) {
      const decoded = await decodeImage(where, channels);
      expect(decoded.shape).toEqual([...shape, channels]);
      expect([...decoded.pixels]).toEqual([...bytes(expected)]);
    }
  });

  it('keeps the upper eight bits of 16-bit gray, which Pillow would make white', async () => {
    const gray = Uint16Array.from([0, 255, 256, 0x7fff, 0x8000, 0xffff]);
    const raw = { width: 3, height: 2, channels: 1 } as const;
    const file = await write(
      'gray16.png',
      await sharp(gray, { raw }).toColourspace('grey16').png().toBuffer(),
    );
    expect((await sharp(file).metadata()).depth).toBe('ushort');
    expect([...(await decodeImage(file, 1)).pixels]).toEqual([0, 0, 1, 0x7f, 0x80, 0xff]);
  });

  it('reads the first image of an AVIF file', async () => {
    const raw = { width: 8, height: 8, channels: 3 } as const;
    const red = Buffer.alloc(192, Buffer.from([255, 0, 0]));
    const file = await write(
      'red.avif',
      await sharp(red, { raw }).avif({ quality: 90 }).toBuffer(),
    );
    const { pixels, shape } = await decodeImage(file, 3);
    expect(shape).toEqual([8, 8, 3]);
    expect(pixels[0]).toBeGreaterThan(245);
    expect(pixels[1]).toBeLessThan(10);
  });

  const [photo, picture] = ['rgb.jpg', 'rgb.png'].map((name) =>
    bytes(golden.images.find((image) => image.name === name)?.file ?? ''),
  );
  const whole = photo as Buffer;
  const cases: [string, () => Promise<string>, RegExp][] = [
    [
      'a JPEG cut off',
      () => write('cut.jpg', whole.subarray(0, whole.length - 30)),
      /cut\.jpg: expected a complete image, got one that cannot be decoded/,
    ],
    [
      'a PNG cut off',
      () => write('cut.png', (picture as Buffer).subarray(0, 200)),
      /cut\.png: expected a complete image/,
    ],
    [
      'a JPEG with its beginning gone',
      () => write('headless.jpg', whole.subarray(60)),
      /headless\.jpg: expected a complete image/,
    ],
    [
      'noise',
      () => write('noise.jpg', Buffer.alloc(500, 'noise')),
      /noise\.jpg: .*; replace or remove the file/,
    ],
    [
      'a BMP cut off',
      () => write('cut.bmp', goldenFile('rgb.bmp').subarray(0, 200)),
      /cut\.bmp: expected a complete image, got one that .* \(a BMP of 13 × 10 that is truncated\)/,
    ],
    [
      'a BMP of another compression',
      () => {
        const file = Buffer.from(goldenFile('gray.bmp'));
        file.writeUInt32LE(1, 30);
        return write('rle.bmp', file);
      },
      /a BMP of 8 bits and compression 1/,
    ],
    [
      'a PPM cut off',
      () => write('cut.ppm', goldenFile('rgb.ppm').subarray(0, 100)),
      /a Netpbm image of 13 × 10 that is truncated/,
    ],
    [
      'a PPM that promises more than it has',
      () => write('bomb.ppm', Buffer.from('P6 60000 60000 255\n')),
      /a Netpbm image of 60000 × 60000 that is truncated/,
    ],
    ['a PGM without numbers', () => write('x.pgm', Buffer.from('P5 x')), /without its numbers/],
    ['a PGM above its limit', () => write('y.pgm', Buffer.from('P2 1 1 9 10')), /10, above 9/],
    ['a device', async () => '/dev/zero', /got a device or pipe/],
    ['an empty file', () => write('empty.png', Buffer.alloc(0)), /got an empty file/],
    [
      'one that is not there',
      async () => path.join(dir, 'none.png'),
      /expected an image file that can be read, got nothing there \(ENOENT\)/,
    ],
    ['a folder', async () => dir, /got a folder \(EISDIR\)/],
  ];
  it.each(cases)('refuses %s', async (_, file, message) => {
    const error = await decodeImage(await file(), 3).then(
      () => undefined,
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(DataError);
    expect((error as DataError).message).toMatch(message);
  });

  it('does not believe a PNG of 60,000 × 60,000 pixels in a hundred bytes', async () => {
    const bomb = Buffer.from(picture as Buffer);
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    await expect(decodeImage(await write('bomb.png', bomb), 3)).rejects.toThrow(DataError);
  });

  it.each([
    ['an empty path', ''],
    ['no path', undefined],
  ])('refuses %s', async (_, file) => {
    await expect(decodeImage(file as string, 3)).rejects.toThrow('expected the path of an image');
  });
});

/**
 * Decodes one image file as torchvision's `ImageFolder` does: Pillow's
 * `Image.open(file).convert('RGB')`, or `convert('L')`.
 */
import { readFile, stat } from 'node:fs/promises';
import { formatValue } from '@deepend/core';
import { DataError, reason } from '../errors';
import type { ImageShape } from '../types';
import { decodeBitmap } from './bitmaps';

const BY_SHARP = ['jpg', 'jpeg', 'jpe', 'jfif', 'png', 'webp', 'gif', 'tif', 'tiff', 'avif'];
const BY_BITMAPS = ['bmp', 'ppm', 'pgm', 'pbm', 'pnm'];
/** Extensions of the files that `decodeImage` reads. It decides by their content, not by these. */
export const IMAGE_EXTENSIONS: readonly string[] = [...BY_SHARP, ...BY_BITMAPS];

/** An image in memory. */
export interface DecodedImage {
  /** uint8 `[height, width, channels]`. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
}

const NEXT = 'replace or remove the file';
/** The largest file that is read: a raw photo of 100 megapixels has half of it. */
const MAX_FILE_BYTES = 2 ** 30;
/** Pillow refuses more, because a small file may unpack to that. */
const MAX_PIXELS = 178_956_970;

/**
 * Decodes a JPEG, PNG, WebP, GIF, TIFF, AVIF, BMP or Netpbm (PPM, PGM, PBM) file; of an animation
 * or several pages, the first image. Alpha is dropped without blending, palettes are looked up, and
 * CMYK becomes RGB by Pillow's formula. 16-bit images keep their upper 8 bits (Pillow does so for
 * color, but makes bright gray values white). Color profiles and the camera's orientation are
 * ignored.
 * @throws TypeError for a path that is no string, or an empty one
 * @throws DataError when the file cannot be read, is not an image, or is damaged or truncated
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<DecodedImage> {
  if (typeof path !== 'string' || path === '') {
    throw new TypeError(
      `[data] decodeImage: expected the path of an image, got ${formatValue(path)}; name a file`,
    );
  }
  const file = await readImageFile(path);
  try {
    return await decode(file, channels);
  } catch (cause) {
    const detail = reason(cause).split('\n')[0];
    const got = file.length === 0 ? 'an empty file' : `one that cannot be decoded (${detail})`;
    throw new DataError(path, 'a complete image', got, NEXT, { cause });
  }
}

async function readImageFile(path: string): Promise<Buffer> {
  const expected = 'an image file that can be read';
  try {
    const info = await stat(path);
    if (!info.isFile() && !info.isDirectory())
      throw new DataError(path, expected, 'a device or pipe', NEXT);
    if (info.size > MAX_FILE_BYTES)
      throw new DataError(path, expected, `one of ${info.size} bytes`, NEXT);
    return await readFile(path);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(path, expected, reason(cause), NEXT, { cause });
  }
}

/** Loads sharp's native code only when an image is decoded. */
async function loadSharp() {
  const { default: sharp } = await import('sharp');
  // For many small images, one thread each and no cache is fastest.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}
let loading: ReturnType<typeof loadSharp> | undefined;

async function decode(file: Buffer, channels: 1 | 3): Promise<DecodedImage> {
  const bitmap = decodeBitmap(file);
  if (bitmap) {
    const { pixels, height, width } = bitmap;
    const values = channels === 3 ? pixels : rgbToGray(pixels);
    return { pixels: values, shape: [height, width, channels] };
  }
  loading ??= loadSharp();
  const sharp = await loading;
  const options = { failOn: 'error', ignoreIcc: true, limitInputPixels: MAX_PIXELS } as const;
  const image = sharp(file, options);
  const { space, channels: stored, depth } = await image.metadata();
  const isCmyk = space === 'cmyk';
  // Most images are 8-bit RGB and need no conversion; asking for one takes time.
  const isRgb = space === 'srgb' && stored === 3 && depth === 'uchar';
  const converted = isCmyk
    ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
    : image.removeAlpha().toColourspace('srgb');
  const { data, info } = await (isRgb ? image : converted)
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const rgb = isCmyk ? cmykToRgb(data) : info.channels === 1 ? grayToRgb(data) : data;
  const pixels = channels === 3 ? rgb : rgbToGray(rgb);
  return { pixels, shape: [info.height, info.width, channels] };
}

/** `[..., 4]` → `[..., 3]`, Pillow's `cmyk2rgb` (src/libImaging/Convert.c). */
function cmykToRgb(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const light = 255 - (cmyk[from + 3] as number); // that black leaves, for each ink to darken
    for (let ink = 0; ink < 3; ink++) {
      const product = (cmyk[from + ink] as number) * light + 128;
      rgb[to++] = light - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** `[..., 1]` → `[..., 3]`. */
function grayToRgb(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * gray.length);
  for (let i = 0; i < gray.length; i++) rgb.fill(gray[i] as number, 3 * i, 3 * i + 3);
  return rgb;
}

/** `[..., 3]` → `[..., 1]`, ITU-R 601 in Pillow's fixed point: gray pixels keep their value. */
function rgbToGray(rgb: Uint8Array): Uint8Array {
  const gray = new Uint8Array(rgb.length / 3);
  for (let i = 0, from = 0; i < gray.length; i++, from += 3) {
    const red = rgb[from] as number;
    const green = rgb[from + 1] as number;
    const blue = rgb[from + 2] as number;
    gray[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return gray;
}

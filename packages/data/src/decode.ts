/**
 * Decodes one image file as torchvision's `ImageFolder` does: Pillow's
 * `Image.open(file).convert('RGB')`, or `convert('L')`.
 */
import { readFile } from 'node:fs/promises';
import { DataError, reason } from './errors';
import type { ImageShape } from './types';

/** An image in memory. */
export interface DecodedImage {
  /** uint8 `[height, width, channels]`. */
  readonly pixels: Uint8Array;
  readonly shape: ImageShape;
}

const NEXT = 'replace or remove the file';

/**
 * Decodes a jpg, png or webp file, the first picture of it where it has several. Alpha is dropped,
 * not blended; 16 bits keep their upper
 * eight (Pillow does so for colour and makes all bright gray white); a palette is looked up; CMYK
 * becomes RGB by Pillow's formula; colour
 * profiles and the camera's orientation are ignored.
 * @throws DataError when the file cannot be read, is no image, or is damaged or cut off
 */
export async function decodeImage(path: string, channels: 1 | 3): Promise<DecodedImage> {
  const file = await readFile(path).catch((error) => {
    throw new DataError(path, 'an image file that can be read', reason(error), NEXT, {
      cause: error,
    });
  });
  try {
    return await decode(file, channels);
  } catch (error) {
    const got =
      file.length === 0
        ? 'an empty file'
        : `one that cannot be decoded (${reason(error).split('\n')[0]})`;
    throw new DataError(path, 'a whole image', got, NEXT, { cause: error });
  }
}

/**
 * Loads native code, so only who decodes waits for it. Images are many and small: one thread each,
 * and no results kept, is fastest.
 */
async function decoder() {
  const { default: sharp } = await import('sharp');
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}
let loading: ReturnType<typeof decoder> | undefined;

async function decode(file: Buffer, channels: 1 | 3): Promise<DecodedImage> {
  loading ??= decoder();
  const sharp = await loading;
  const image = sharp(file, { failOn: 'error', ignoreIcc: true });
  const { space, channels: stored, depth } = await image.metadata();
  const cmyk = space === 'cmyk';
  const isRgb = space === 'srgb' && stored === 3 && depth === 'uchar'; // most are: nothing is to be done, and asking costs
  const plain = isRgb
    ? image
    : cmyk
      ? image.pipelineColourspace('cmyk').toColourspace('cmyk')
      : image.removeAlpha().toColourspace('srgb');
  const { data, info } = await plain.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  const rgb = cmyk ? fromCmyk(data) : info.channels === 1 ? spread(data) : data;
  return { pixels: channels === 3 ? rgb : luma(rgb), shape: [info.height, info.width, channels] };
}

/**
 * `[..., 4]` → `[..., 3]`, Pillow's `cmyk2rgb` (src/libImaging/Convert.c): each ink darkens what
 * black has left.
 */
function fromCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let from = 0, to = 0; from < cmyk.length; from += 4) {
    const left = 255 - (cmyk[from + 3] as number);
    for (let ink = 0; ink < 3; ink++) {
      const product = (cmyk[from + ink] as number) * left + 128;
      rgb[to++] = left - (((product >> 8) + product) >> 8);
    }
  }
  return rgb;
}

/** `[..., 1]` → `[..., 3]`. */
function spread(gray: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * gray.length);
  for (let i = 0; i < gray.length; i++) rgb.fill(gray[i] as number, 3 * i, 3 * i + 3);
  return rgb;
}

/**
 * `[..., 3]` → `[..., 1]`, Pillow's fixed-point form of ITU-R 601: gray pixels keep their value.
 */
function luma(rgb: Uint8Array): Uint8Array {
  const gray = new Uint8Array(rgb.length / 3);
  for (let i = 0, from = 0; i < gray.length; i++, from += 3) {
    const [red, green, blue] = [
      rgb[from] as number,
      rgb[from + 1] as number,
      rgb[from + 2] as number,
    ];
    gray[i] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;
  }
  return gray;
}

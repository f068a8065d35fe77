/** Reads the images that callers pass, tensors or arrays, into bytes. */
import { formatValue, isFloat32Array, isFloat64Array } from '@deepend/core';
import type { Pixels } from './blocks';
import type { Rgb } from './characters';

/**
 * Images as a tensor or like one: `[count, height, width]` or `[count, height, width, channels]`,
 * with 1 or 3 channels.
 */
export interface ImageBatch {
  readonly shape: readonly number[];
  /**
   * Integer types have values from 0 to 255, floats from 0 to 1. @default the type of a typed
   * array; plain numbers are floats
   *
   */
  readonly dtype?: string | undefined;
  readonly data: ArrayLike<number> | (() => Promise<ArrayLike<number>> | ArrayLike<number>);
}

/** The bytes of one image, `[height, width, channels]`. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly bytes: Uint8Array;
}

const EXPECTED =
  'a tensor or { data, shape } of [count, height, width] or [count, height, width, 1 or 3], ' +
  'or a list of such images without the count';

/**
 * Reads images of 1 or 3 channels. Values of integer types are 0 to 255; floats and plain numbers
 * are clamped to 0 to 1. NaN is black.
 * @throws RangeError for another shape, when shape and number of values differ, or when plain
 *   numbers exceed 1
 */
export async function readImages(
  where: string,
  images: ImageBatch | readonly ImageBatch[],
): Promise<Raster[]> {
  if (Array.isArray(images)) {
    if (images.length === 0)
      throw new RangeError(`${where}: expected ${EXPECTED}, got an empty list`);
    const singles = images.map((image: ImageBatch) => {
      const { shape } = image ?? {};
      if (!Array.isArray(shape) || ![2, 3].includes(shape.length)) {
        throw new RangeError(
          `${where}: expected ${EXPECTED}, ` +
            `got ${shape ? `an image ${formatValue(shape)} in a list` : formatValue(images)}`,
        );
      }
      const data = () => (typeof image.data === 'function' ? image.data() : image.data);
      return readBatch(where, { shape: [1, ...shape], dtype: image.dtype, data });
    });
    return (await Promise.all(singles)).flat();
  }
  return readBatch(where, images as ImageBatch);
}

async function readBatch(where: string, images: ImageBatch): Promise<Raster[]> {
  const { count, height, width, channels } = readShape(where, images);
  const values = await (typeof images.data === 'function' ? images.data() : images.data);
  const size = height * width * channels;
  if (values?.length !== count * size) {
    throw new RangeError(
      `${where}: expected ${count * size} values for shape ${formatValue(images.shape)}, ` +
        `got ${values?.length ?? formatValue(values)}`,
    );
  }
  const factor = toByte(where, values, images.dtype);
  return Array.from({ length: count }, (_, i) => ({
    width,
    height,
    channels,
    bytes: Uint8Array.from({ length: size }, (__, j) =>
      Math.round(Math.min(Math.max((values[i * size + j] ?? 0) * factor, 0), 255)),
    ),
  }));
}

/** The factor from a value to a byte. */
function toByte(where: string, values: ArrayLike<number>, dtype: string | undefined): 1 | 255 {
  if (dtype !== undefined) return /^(float|bool)/.test(dtype) ? 255 : 1;
  if (isFloat32Array(values) || isFloat64Array(values)) return 255;
  if (ArrayBuffer.isView(values)) return 1;
  for (let i = 0; i < values.length; i++) {
    if ((values[i] ?? 0) > 1) {
      throw new RangeError(
        `${where}: expected values from 0 to 1, got ${values[i]}; ` +
          "for values from 0 to 255, pass a Uint8Array or dtype: 'int32'",
      );
    }
  }
  return 255;
}

function readShape(where: string, images: ImageBatch) {
  const shape = images?.shape;
  const [count = 0, height = 0, width = 0, channels = 1] = shape ?? [];
  const isImages =
    Array.isArray(shape) &&
    [3, 4].includes(shape.length) &&
    [count, height, width].every((n) => Number.isInteger(n) && n >= 1) &&
    [1, 3].includes(channels);
  const filled = typeof images?.data === 'function' || typeof images?.data === 'object';
  if (isImages && filled) return { count, height, width, channels: channels as 1 | 3 };
  throw new RangeError(
    `${where}: expected ${EXPECTED}, got ${shape ? formatValue(shape) : formatValue(images)}`,
  );
}

/** Makes an image readable for `toBlocks`. */
export function toPixels({ width, height, channels, bytes }: Raster): Pixels {
  const at = (x: number, y: number): Rgb => {
    const from = (y * width + x) * channels;
    const red = bytes[from] ?? 0;
    return channels === 1 ? [red, red, red] : [red, bytes[from + 1] ?? 0, bytes[from + 2] ?? 0];
  };
  return { width, height, at };
}

/**
 * Encodes an image, `zoom` times as large, as a PNG for an SVG's image element. Pixels are enlarged
 * to squares here, since viewers would blur them.
 */
export async function toDataUri(
  { width, height, channels, bytes }: Raster,
  zoom: number,
): Promise<string> {
  const { default: sharp } = await import('sharp');
  const size = {
    width: Math.max(1, Math.round(width * zoom)),
    height: Math.max(1, Math.round(height * zoom)),
  };
  const png = await sharp(bytes, { raw: { width, height, channels } })
    .resize({ ...size, kernel: zoom > 1 ? 'nearest' : 'lanczos3', fit: 'fill' })
    .png()
    .toBuffer();
  return `data:image/png;base64,${png.toString('base64')}`;
}

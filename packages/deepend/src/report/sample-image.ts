/** A sample's image as a small PNG that a page holds in itself. */
import { deflateSync } from 'node:zlib';
import { resizeImages } from '@deepend/data';

export interface SampleImage {
  /** `data:image/png;base64,…` */
  readonly uri: string;
  readonly width: number;
  readonly height: number;
  /**
   * Whether its values were outside [0, 1], as a normalization leaves them, and its darkest and
   * lightest were made black and white.
   */
  readonly stretched: boolean;
}

/** Larger images are made smaller: two dozen photographs would make a page of many megabytes. */
const LARGEST = 128;

/**
 * @param image `[height, width, 1 or 3]`, in [0, 1] or normalized. undefined where that is no
 * picture
 */
export function sampleImage({
  shape,
  values,
}: {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}): SampleImage | undefined {
  const [height = 0, width = 0, channels = 0] = shape;
  if (shape.length !== 3 || (channels !== 1 && channels !== 3) || !values.every(Number.isFinite))
    return undefined;
  const [low, high] = values.reduce(
    ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
    [0, 1],
  );
  const stretched = low < 0 || high > 1;
  const bytes = Uint8Array.from(values, (value) =>
    Math.round((255 * (value - low)) / (high - low)),
  );
  const shrink = Math.min(1, LARGEST / Math.max(height, width));
  const [h, w] = [height, width].map((side) => Math.max(1, Math.round(side * shrink))) as [
    number,
    number,
  ];
  const pixels = shrink < 1 ? resizeImages(bytes, [height, width, channels], [h, w]) : bytes;
  return {
    uri: `data:image/png;base64,${png(pixels, [h, w, channels]).toString('base64')}`,
    width: w,
    height: h,
    stretched,
  };
}

/**
 * PNG, https://www.w3.org/TR/png-3/: 8 bits a channel, grey or RGB, rows as they are (filter 0).
 */
export function png(
  pixels: Uint8Array,
  [height, width, channels]: readonly [number, number, 1 | 3],
): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 3 ? 2 : 0, 0, 0, 0], 8); // bit depth, colour type, deflate, ...
  const stride = width * channels;
  const rows = Buffer.alloc(height * (stride + 1)); // a filter's byte before each row
  for (let y = 0; y < height; y++)
    rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** The CRC of PNG, annex D. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

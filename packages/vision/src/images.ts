/** Images in memory, from files. */
import { decodeImage } from '@deepend/data';
import type { VisionImage } from './transforms/sample';

/**
 * Reads an image file as bytes, in any format that `decodeImage` knows: JPEG, PNG, WebP, BMP, ....
 * @param file its path
 * @param channels 3 for RGB, 1 for gray @default 3
 * @throws DataError when the file cannot be read, is not an image, or is damaged
 */
export async function readImage(file: string, channels: 1 | 3 = 3): Promise<VisionImage> {
  const { pixels, shape } = await decodeImage(file, channels);
  return { data: pixels, shape };
}

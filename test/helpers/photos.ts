/** Small image files of several sizes, for loaders to decode. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FileDataset } from '@deepend/data';
import sharp from 'sharp';

/** Removes the folder of such a set. */
export const forgetPhotos = ({ files }: FileDataset) =>
  rmSync(path.dirname(files[0] as string), { recursive: true });

/**
 * Writes `count` pictures of noise, no two alike, and gives them as a set; the files at `corrupt`
 * are none.
 */
export async function photos(
  count: number,
  { corrupt = [] }: { corrupt?: readonly number[] } = {},
): Promise<FileDataset> {
  const folder = mkdtempSync(path.join(tmpdir(), 'deepend-photos-'));
  const files = Array.from({ length: count }, (_, i) =>
    path.join(folder, `${String(i).padStart(3, '0')}.png`),
  );
  for (const [i, file] of files.entries()) {
    const [width, height] = [20 + (i % 5), 24 - (i % 3)];
    const pixels = Uint8Array.from(
      { length: width * height * 3 },
      (_, k) => (k * (i + 7) * 31) % 256,
    );
    await sharp(pixels, { raw: { width, height, channels: 3 } }).toFile(file);
    if (corrupt.includes(i)) writeFileSync(file, 'not a picture');
  }
  return { files, labels: Int32Array.from({ length: count }, (_, i) => i % 4), channels: 3 };
}

/**
 * A folder of JPEG files like photographs of a camera, for loaders to read: colours that run into
 * each other, edges, fine grain.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { datasets, type FileDataset, imageFolder } from 'deepend';
import type SharpModule from 'sharp';

const COUNT = 500;
const [WIDTH, HEIGHT] = [500, 375];
const CLASSES = 2;
/**
 * An epoch of both sides has the files so many times, so that it outlasts what is made ahead of its
 * first batch.
 */
export const TIMES = 4;

/**
 * Widths of the grids of noise that are laid over one another, and how strong each is: an image has
 * less of what is finer.
 */
const GRIDS = [
  [4, 90],
  [16, 60],
  [64, 30],
  [WIDTH, 10],
] as const;

export interface Photographs {
  readonly folder: string;
  readonly dataset: FileDataset;
}

/** Writes them into a folder of the system's for such files: some 40 MB. */
export async function photographs(): Promise<Photographs> {
  const folder = mkdtempSync(path.join(tmpdir(), 'deepend-bench-'));
  for (let label = 0; label < CLASSES; label++) mkdirSync(path.join(folder, `class${label}`));
  for (let i = 0; i < COUNT; i++)
    await photograph(path.join(folder, `class${i % CLASSES}`, `${i}.jpg`), i);
  const dataset = await imageFolder(folder);
  return { folder, dataset: datasets.concat(...Array.from({ length: TIMES }, () => dataset)) };
}

async function photograph(file: string, seed: number): Promise<void> {
  // sharp is the data package's: the bench itself asks for no package but deepend
  const sharp = createRequire(import.meta.url)('sharp') as typeof SharpModule;
  const random = datasets.sfc32(seed, 1);
  const sum = new Float32Array(WIDTH * HEIGHT * 3).fill(128);
  for (const [width, strength] of GRIDS) {
    const height = Math.round((width * HEIGHT) / WIDTH);
    const noise = Uint8Array.from({ length: width * height * 3 }, () => random() >>> 24);
    const grid = sharp(noise, { raw: { width, height, channels: 3 } });
    const pixels = await grid
      .resize(WIDTH, HEIGHT, { kernel: 'cubic', fit: 'fill' })
      .raw()
      .toBuffer();
    pixels.forEach((value, at) => {
      sum[at] = (sum[at] as number) + (strength * (value - 128)) / 128;
    });
  }
  await sharp(Uint8ClampedArray.from(sum), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } })
    .jpeg({ quality: 90 })
    .toFile(file);
}

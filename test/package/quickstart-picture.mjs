/**
 * Draws the README's picture from a finished quickstart: npm run quickstart, then
 * node test/package/quickstart-picture.mjs
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import sharp from 'sharp';

const root = path.resolve(import.meta.dirname, '../..');
const HEIGHT = 440; // pixels of each half
const GAP = 16;

const halves = await Promise.all(
  ['curves.png', 'predictions.png'].map((name) =>
    sharp(path.join(root, 'runs/quickstart', name))
      .resize({ height: HEIGHT })
      .toBuffer({ resolveWithObject: true }),
  ),
);
const width = halves.reduce((sum, { info }) => sum + info.width, GAP);
await mkdir(path.join(root, 'docs/images'), { recursive: true });
await sharp({ create: { width, height: HEIGHT, channels: 3, background: 'white' } })
  .composite([
    { input: halves[0].data, left: 0, top: 0 },
    { input: halves[1].data, left: halves[0].info.width + GAP, top: 0 },
  ])
  .png({ palette: true })
  .toFile(path.join(root, 'docs/images/quickstart.png'));

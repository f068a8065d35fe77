/**
 * Keeps a picture that a run drew for the site: `tsx docs/figures/keep-picture.ts NAME FILE` writes
 * docs/images/NAME.png.
 */
import path from 'node:path';
import sharp from 'sharp';
import { ROOT } from './results';

const WIDTH = 1200; // pixels at most

const [name, file] = process.argv.slice(2);
if (!name || !file) {
  console.error('[figures] keep-picture: expected a name and the file of a picture');
  process.exit(1);
}
await sharp(file)
  .resize({ width: WIDTH, withoutEnlargement: true })
  .png({ palette: true, colours: 128, dither: 0, effort: 10 })
  .toFile(path.join(ROOT, `docs/images/${name}.png`));

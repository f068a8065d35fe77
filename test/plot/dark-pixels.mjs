/**
 * Prints how many dark pixels a chart with the title in argv has: run with an emptied font
 * configuration.
 */
import { plot } from '@deepend/plot';
import sharp from 'sharp';

const png = await plot([1, 2], undefined, { title: process.argv[2] }).toPng();
const pixels = await sharp(png).greyscale().raw().toBuffer();
console.log(pixels.filter((value) => value < 90).length);

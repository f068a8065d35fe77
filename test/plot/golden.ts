/**
 * Figures are committed as SVG and reviewed as figures. `UPDATE_GOLDEN=1 npx vitest run
 * test/plot` accepts the new ones.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import fs from 'fs-extra';
import sharp from 'sharp';
import { expect } from 'vitest';

const GOLDEN = path.join(import.meta.dirname, '..', 'golden', 'charts');

export async function expectGolden(name: string, svg: string): Promise<void> {
  const file = path.join(GOLDEN, `${name}.svg`);
  if (process.env.UPDATE_GOLDEN) await fs.outputFile(file, svg);
  expect(svg, 'if the new figure is right: UPDATE_GOLDEN=1 npx vitest run test/plot').toBe(
    await fs.readFile(file, 'utf8'),
  );
}

/** Images by what they show: how a PNG is packed is the encoder's affair. */
export async function withoutPacking(svg: string): Promise<string> {
  const parts = svg.split(/(data:image\/png;base64,[^"]+)/);
  const shown = parts.map(async (part) => {
    if (!part.startsWith('data:')) return part;
    const pixels = await sharp(Buffer.from(part.slice(part.indexOf(',') + 1), 'base64'))
      .raw()
      .toBuffer();
    return `pixels:${createHash('sha256').update(pixels).digest('hex').slice(0, 16)}`;
  });
  return (await Promise.all(shown)).join('');
}

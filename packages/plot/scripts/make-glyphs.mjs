/**
 * Writes src/fonts/inter.json: the letter outlines that PNGs are drawn with, from Inter 3.19 (SIL
 * Open Font License 1.1). Run it from the repository's root; FONTS is any folder outside it:
 *
 *   npm install --prefix FONTS opentype.js@2.0.0 inter-ui@3.19.3
 *   node packages/plot/scripts/make-glyphs.mjs FONTS
 */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const fonts = resolve(process.argv[2] ?? '.');
const { parse } = createRequire(join(fonts, 'package.json'))('opentype.js');
const target = new URL('../src/fonts/', import.meta.url);

const UNITS_PER_EM = 1000;
const SYMBOLS = '–—‘’“”•…−←→↑↓≤≥≈≠×·√∞∂∑€✓✗▲▼⁰¹²³⁴⁵⁶⁷⁸⁹⁻ΔΣΩαβγδεζηθλμπρστφχψω';

const range = (from, to) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i));
const LETTERS = [
  range(0x20, 0x7e), // ASCII
  range(0xa0, 0x17f), // Western, Central and Eastern Europe, Turkish
  range(0x218, 0x21b), // Romanian
  range(0x384, 0x3ce), // Greek
  range(0x400, 0x45f), // Cyrillic
  range(0x1ea0, 0x1ef9), // Vietnamese
];
const ABSENT = new Set('ŉ΋΍΢'); // the font lacks the first; the others are no letters
const characters = [...LETTERS.flat(), ...SYMBOLS].filter((character) => !ABSENT.has(character));

const file = readFileSync(join(fonts, 'node_modules/inter-ui/Inter (web)/Inter-Regular.woff'));
const font = parse(file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength));

/**
 * An outline as SVG path data in integers. Coordinates are relative after each first point, which
 * makes the data a third shorter than absolute ones.
 */
function outline(commands) {
  let x = 0;
  let y = 0;
  let data = '';
  for (const { type, ...points } of commands) {
    if (type === 'Z') {
      data += 'Z';
      continue;
    }
    const rounded = ['x1', 'y1', 'x2', 'y2', 'x', 'y']
      .filter((key) => key in points)
      .map((key) => Math.round(points[key]));
    const numbers = type === 'M' ? rounded : rounded.map((value, i) => value - (i % 2 ? y : x));
    const stays = type === 'L' && numbers.every((value) => value === 0);
    if (!stays)
      data += (type === 'M' ? 'M' : type.toLowerCase()) + numbers.join(' ').replaceAll(' -', '-');
    [x, y] = rounded.slice(-2);
  }
  return data;
}

const scale = UNITS_PER_EM / font.unitsPerEm;
const glyphs = [...new Set(characters)].sort().map((character) => {
  if (font.charToGlyphIndex(character) === 0) throw new Error(`the font has no ${character}`);
  const glyph = font.charToGlyph(character);
  const path = outline(glyph.getPath(0, 0, UNITS_PER_EM).commands);
  const advance = Math.round(glyph.advanceWidth * scale);
  return [character.codePointAt(0).toString(16), `${advance} ${path}`.trimEnd()];
});

writeFileSync(
  new URL('inter.json', target),
  `${JSON.stringify(
    {
      font: 'Inter Regular 3.19',
      copyright: 'Copyright (c) 2016-2018 The Inter Project Authors',
      license: 'SIL Open Font License 1.1, see OFL.txt',
      writtenBy: 'scripts/make-glyphs.mjs; do not edit',
      format:
        'code point in hexadecimal: "advance width, SVG path with y downwards from the baseline"',
      unitsPerEm: UNITS_PER_EM,
      glyphs: Object.fromEntries(glyphs),
    },
    undefined,
    2,
  )}\n`,
);
copyFileSync(join(fonts, 'node_modules/inter-ui/LICENSE.txt'), new URL('OFL.txt', target));
console.log(`${glyphs.length} glyphs`);

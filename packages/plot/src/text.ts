/**
 * Measuring and outlining text without a system font. The package bundles one font, Inter Regular.
 */
import { measureColumns } from './characters';
import inter from './fonts/inter.json';

interface Glyph {
  /** Thousandths of an em. */
  advance: number;
  /** SVG path data in thousandths of an em, y downwards from the baseline. */
  path: string;
}

/** The fonts that an SVG asks its viewer for; widths are measured in the first. */
export const FONT_FAMILY = "Inter, Helvetica, Arial, 'DejaVu Sans', sans-serif";

const UNITS_PER_EM = inter.unitsPerEm;
/** The frame drawn around the code point of a character that the font lacks. */
const FRAME = 'M60-727l0 727l580 0l0-727ZM110-677l480 0l0 627l-480 0Z';
const FRAME_ADVANCE = 700;

let glyphs: Map<string, Glyph> | undefined;

function findGlyph(character: string): Glyph | undefined {
  glyphs ??= new Map(Object.entries(inter.glyphs).map(parseGlyph));
  return glyphs.get(character);
}

function parseGlyph([code, glyph]: [string, string]): [string, Glyph] {
  const [advance = '', ...path] = glyph.split(' ');
  const character = String.fromCodePoint(Number.parseInt(code, 16));
  return [character, { advance: Number(advance), path: path.join(' ') }];
}

/**
 * A character that the font lacks is measured by its kind: East Asian characters and emoji are one
 * em wide, combining marks have no width.
 */
function advance(character: string): number {
  return (
    findGlyph(character)?.advance ??
    [0, FRAME_ADVANCE, UNITS_PER_EM][measureColumns(character)] ??
    UNITS_PER_EM
  );
}

/** The characters of `text` that the bundled font lacks. */
export function missingLetters(text: string): string[] {
  return [...new Set(text)].filter((character) => !findGlyph(character));
}

/** Width in pixels of `text` on one line at `size` pixels an em. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const character of text) units += advance(character);
  return (units * size) / UNITS_PER_EM;
}

/**
 * Makes `text` at most `width` pixels wide: the font shrinks down to `smallest` first, then the
 * text is cut with an ellipsis.
 * @param options.size the preferred size, pixels an em
 * @param options.smallest the smallest legible size, pixels an em @default 8
 */
export function fitText(
  text: string,
  width: number,
  options: { size: number; smallest?: number },
): { text: string; size: number } {
  const { size, smallest = 8 } = options;
  const whole = textWidth(text, size);
  if (whole <= width) return { text, size };
  const shrunk = Math.floor(((size * width) / whole) * 10) / 10;
  if (shrunk >= smallest) return { text, size: shrunk };
  return { text: cutText(text, width, Math.min(size, smallest)), size: Math.min(size, smallest) };
}

/**
 * Cuts `text` with an ellipsis to at most `width` pixels at `size`; empty where not even the
 * ellipsis fits.
 */
export function cutText(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text;
  let kept = '';
  for (const character of text) {
    if (textWidth(`${kept}${character}…`, size) > width) break;
    kept += character;
  }
  return textWidth(`${kept}…`, size) <= width ? `${kept.trimEnd()}…` : '';
}

/**
 * The outline of `text` as SVG elements that begin at (0, 0) on the baseline, in thousandths of an
 * em.
 */
export function textOutline(text: string): string {
  let at = 0;
  let elements = '';
  for (const character of text) {
    const glyph = findGlyph(character);
    const centered = at + (advance(character) - FRAME_ADVANCE) / 2;
    if (!glyph) elements += `<g transform="translate(${centered})">${framed(character)}</g>`;
    else if (glyph.path) elements += `<path transform="translate(${at})" d="${glyph.path}"/>`;
    at += advance(character);
  }
  return elements;
}

/** A frame with the character's code point in small digits, two or three a line. */
function framed(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  const across = Math.ceil(code.length / 2);
  const scale = across === 2 ? 0.36 : 0.24;
  const digits = [...code].map((digit, i) => {
    const left = Math.round(350 + ((i % across) - across / 2) * 640 * scale);
    const bottom = i < across ? -400 : -100;
    const transform = `translate(${left} ${bottom}) scale(${scale})`;
    return `<path transform="${transform}" d="${findGlyph(digit)?.path ?? ''}"/>`;
  });
  return `<path fill-rule="evenodd" d="${FRAME}"/>${digits.join('')}`;
}

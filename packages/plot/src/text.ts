/** Text without a system font: how wide it is, and its outline. One bundled font, Inter Regular. */
import { INTER } from './fonts/inter';

interface Glyph {
  /** Thousandths of an em. */
  advance: number;
  /** SVG path data in thousandths of an em, y downwards from the baseline. */
  path: string;
}

/** What browsers and viewers may use for an SVG's text; widths are measured in the first. */
export const FONT_FAMILY = "Inter, Helvetica, Arial, 'DejaVu Sans', sans-serif";
/** Height of a capital letter above the baseline, in ems. */
export const CAP_HEIGHT = 0.727;
/** How far a letter such as g reaches below the baseline, in ems. */
export const DESCENT = 0.21;

const UNITS_PER_EM = 1000;
/** Stands for a character that the font lacks: a box, so that the reader sees that something is missing. */
const BOX: Glyph = { advance: 700, path: 'M90-727l520 0l0 727l-520 0ZM160-657l0 587l380 0l0-587Z' };

let glyphs: Map<string, Glyph> | undefined;

function glyph(character: string): Glyph {
  glyphs ??= readTable(INTER);
  return glyphs.get(character) ?? BOX;
}

function readTable(table: string): Map<string, Glyph> {
  const rows = table.trim().split('\n');
  return new Map(
    rows.map((row) => {
      const [code = '', advance = '', ...path] = row.split(' ');
      return [String.fromCodePoint(Number.parseInt(code, 16)), { advance: Number(advance), path: path.join(' ') }];
    }),
  );
}

/** Width in pixels of `text` on one line at `size` pixels an em. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const character of text) units += glyph(character).advance;
  return (units * size) / UNITS_PER_EM;
}

/**
 * `text` and a font size at which it is at most `width` pixels wide: shrunk down to `smallest`, and then cut with an ellipsis.
 * @param options.size the size wanted, pixels an em
 * @param options.smallest the least size that is still read @default 8
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

/** The beginning of `text` and an ellipsis, at most `width` pixels wide at `size`; empty where not even the ellipsis fits. */
export function cutText(text: string, width: number, size: number): string {
  if (textWidth(text, size) <= width) return text;
  let kept = '';
  for (const character of text) {
    if (textWidth(`${kept}${character}…`, size) > width) break;
    kept += character;
  }
  return textWidth(`${kept}…`, size) <= width ? `${kept.trimEnd()}…` : '';
}

/** The outline of `text` as SVG elements that begin at (0, 0) on the baseline, in thousandths of an em. */
export function textOutline(text: string): string {
  let at = 0;
  let elements = '';
  for (const character of text) {
    const { advance, path } = glyph(character);
    if (path) elements += `<path transform="translate(${at})" d="${path}"/>`;
    at += advance;
  }
  return elements;
}

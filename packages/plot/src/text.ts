/** Text without a system font: how wide it is, and its outline. One bundled font, Inter Regular. */
import { columnsOf } from './characters';
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
/**
 * The frame around the code point of a character that the font lacks: a reader sees what is
 * missing.
 */
const FRAME = 'M60-727l0 727l580 0l0-727ZM110-677l480 0l0 627l-480 0Z';
const FRAME_ADVANCE = 700;

let glyphs: Map<string, Glyph> | undefined;

function glyphOf(character: string): Glyph | undefined {
  glyphs ??= readTable(INTER);
  return glyphs.get(character);
}

/**
 * Letters of other fonts are measured by their kind: East Asian ones and emoji are a square, marks
 * stand over their letter.
 */
function advance(character: string): number {
  return (
    glyphOf(character)?.advance ??
    [0, FRAME_ADVANCE, UNITS_PER_EM][columnsOf(character)] ??
    UNITS_PER_EM
  );
}

/** The characters of `text` that the bundled font has not. */
export function missingLetters(text: string): string[] {
  return [...new Set(text)].filter((character) => !glyphOf(character));
}

function readTable(table: string): Map<string, Glyph> {
  const rows = table.trim().split('\n');
  return new Map(
    rows.map((row) => {
      const [code = '', advance = '', ...path] = row.split(' ');
      return [
        String.fromCodePoint(Number.parseInt(code, 16)),
        { advance: Number(advance), path: path.join(' ') },
      ];
    }),
  );
}

/** Width in pixels of `text` on one line at `size` pixels an em. */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const character of text) units += advance(character);
  return (units * size) / UNITS_PER_EM;
}

/**
 * `text` and a font size at which it is at most `width` pixels wide: shrunk down to `smallest`, and
 * then cut with an ellipsis.
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

/**
 * The beginning of `text` and an ellipsis, at most `width` pixels wide at `size`; empty where not
 * even the ellipsis fits.
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
    const known = glyphOf(character);
    if (!known)
      elements += `<g transform="translate(${at + (advance(character) - FRAME_ADVANCE) / 2})">${framed(character)}</g>`;
    else if (known.path) elements += `<path transform="translate(${at})" d="${known.path}"/>`;
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
    const left = 350 + ((i % across) - across / 2) * 640 * scale;
    const bottom = i < across ? -400 : -100;
    return `<path transform="translate(${Math.round(left)} ${bottom}) scale(${scale})" d="${glyphOf(digit)?.path ?? ''}"/>`;
  });
  return `<path fill-rule="evenodd" d="${FRAME}"/>${digits.join('')}`;
}

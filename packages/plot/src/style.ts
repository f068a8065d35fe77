/**
 * How a series looks: the book's format strings, in colours that the colour-blind can tell apart.
 */

export interface SeriesStyle {
  color: string;
  /** The same colour of a terminal's 256. */
  ansi: number;
  /** Lengths of strokes and gaps in pixels; empty is solid, null no line at all. */
  dash: readonly number[] | null;
  marker: Marker | undefined;
}

export type Marker = 'circle' | 'dot' | 'square' | 'triangle' | 'cross' | 'plus';

/**
 * Okabe and Ito 2008, https://jfly.uni-koeln.de/color/; keyed by the letters of matplotlib that
 * come nearest. Their orange and sky
 * blue are darkened: every colour has a contrast of 3 to white (WCAG 2.2, 1.4.11); on dark paper
 * theme.ts gives the published ones.
 */
const COLORS: Record<string, readonly [hex: string, ansi: number]> = {
  b: ['#0072B2', 25],
  m: ['#CC79A7', 175],
  g: ['#009E73', 36],
  r: ['#D55E00', 166],
  y: ['#6B5200', 178],
  c: ['#0F9AEC', 74],
  k: ['#262626', 244], // a grey on the terminal: black would vanish on a dark one
};

const DASHES: Record<string, readonly number[]> = {
  '-': [],
  '--': [7, 4],
  '-.': [9, 3.5, 2, 3.5],
  ':': [2, 3],
};
const MARKERS: Record<string, Marker> = {
  o: 'circle',
  '.': 'dot',
  s: 'square',
  '^': 'triangle',
  x: 'cross',
  '+': 'plus',
};

/** The book's four, then as many again that differ from them in colour. */
export const DEFAULT_FMTS: readonly string[] = ['-', 'm--', 'g-.', 'r:', 'y-', 'c--', 'k-.', 'b:'];

const FMT = /^([bmgrcyk]?)(--|-\.|-|:)?([o.s^x+]?)$/;
const MARKER_FIRST = /^([bmgrcyk]?)([o.s^x+])(--|-\.|-|:)?$/;

/**
 * Whether `fmt` is a format string: a colour of `bmgrcyk`, a line of `-`, `--`, `-.`, `:` and a
 * marker of `o.s^x+`, each optional.
 */
export function isFmt(fmt: unknown): fmt is string {
  return typeof fmt === 'string' && (FMT.test(fmt) || MARKER_FIRST.test(fmt));
}

/** The style that a format string such as `m--` stands for; without a colour letter, blue. */
export function styleOf(fmt: string): SeriesStyle {
  const [, color, line, marker] = FMT.exec(fmt) ?? reordered(fmt);
  const [hex, ansi] = COLORS[color || 'b'] ?? ['#0072B2', 25];
  const dash = line ? (DASHES[line] ?? []) : marker ? null : [];
  return { color: hex, ansi, dash, marker: marker ? MARKERS[marker] : undefined };
}

function reordered(fmt: string): (string | undefined)[] {
  const [whole, color, marker, line] = MARKER_FIRST.exec(fmt) ?? [];
  return [whole, color, line, marker];
}

/** The style of the `index`th of several series; formats are taken in turn. */
export function styleAt(fmts: readonly string[], index: number): SeriesStyle {
  return styleOf(fmts[index % fmts.length] ?? '-');
}

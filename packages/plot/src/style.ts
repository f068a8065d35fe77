/**
 * How a series looks: matplotlib's format strings, in colours that colour-blind people can tell
 * apart.
 */

export interface SeriesStyle {
  color: string;
  /** The nearest of a terminal's 256 colours. */
  ansi: number;
  /** Lengths of strokes and gaps in pixels; empty for a solid line, null for no line. */
  dash: readonly number[] | null;
  marker: Marker | undefined;
}

export type Marker = 'circle' | 'dot' | 'square' | 'triangle' | 'cross' | 'plus';

/**
 * Colours of Okabe and Ito 2008, https://jfly.uni-koeln.de/color/, under the nearest of
 * matplotlib's letters. Their orange and sky blue are darkened, so that every colour has a contrast
 * of 3 to white (WCAG 2.2, 1.4.11); in the dark theme, theme.ts uses the published ones.
 */
const COLORS: Record<string, readonly [hex: string, ansi: number]> = {
  b: ['#0072B2', 25],
  m: ['#CC79A7', 175],
  g: ['#009E73', 36],
  r: ['#D55E00', 166],
  y: ['#6B5200', 178],
  c: ['#0F9AEC', 74],
  k: ['#262626', 244], // grey on the terminal: black would be invisible on a dark one
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

/** The book's four, then four more in other colours. */
export const DEFAULT_FMTS: readonly string[] = ['-', 'm--', 'g-.', 'r:', 'y-', 'c--', 'k-.', 'b:'];

const FMT = /^([bmgrcyk]?)(--|-\.|-|:)?([o.s^x+]?)$/;
const MARKER_FIRST = /^([bmgrcyk]?)([o.s^x+])(--|-\.|-|:)?$/;

/**
 * Whether `fmt` is a format string: a colour of `bmgrcyk`, a line style of `-`, `--`, `-.`, `:` and
 * a marker of `o.s^x+`, each optional.
 */
export function isFmt(fmt: unknown): fmt is string {
  return typeof fmt === 'string' && (FMT.test(fmt) || MARKER_FIRST.test(fmt));
}

/** Parses a format string such as `m--`; without a colour letter the colour is blue. */
export function parseFmt(fmt: string): SeriesStyle {
  const [, color, line, marker] = FMT.exec(fmt) ?? parseMarkerFirst(fmt);
  const [hex, ansi] = COLORS[color || 'b'] ?? ['#0072B2', 25];
  const dash = line ? (DASHES[line] ?? []) : marker ? null : [];
  return { color: hex, ansi, dash, marker: marker ? MARKERS[marker] : undefined };
}

function parseMarkerFirst(fmt: string): (string | undefined)[] {
  const [whole, color, marker, line] = MARKER_FIRST.exec(fmt) ?? [];
  return [whole, color, line, marker];
}

/** The style of series number `index`; the format strings are used in turn. */
export function styleAt(fmts: readonly string[], index: number): SeriesStyle {
  return parseFmt(fmts[index % fmts.length] ?? '-');
}

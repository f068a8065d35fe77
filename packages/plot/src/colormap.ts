/** Colormaps, which are the same in both themes, and scales from values to colours. */
import type { Rgb } from './characters';
import { ON_DARK, ON_LIGHT } from './theme';

/**
 * Colours at even steps; colours between them are interpolated.
 * - `viridis`: steps of even lightness, for values from low to high. Smith, van der Walt and Firing
 *   2015 (CC0), https://bids.github.io/colormap/. Every eighth of its 256 colours is enough to give
 *   all of them to within 2 levels of 255.
 * - `coolwarm`: blue below the middle, red above it. Moreland 2009, Diverging Color Maps for
 *   Scientific Visualization, table of 33.
 * - `greys`: black to white.
 */
const TABLES = {
  viridis: `
    440154 470d60 48186a 482374 472d7b 453681 424086 3f4989 3b528b 375a8d 33638d
    2f6a8e 2c728e 297a8e 26818e 23898e 21908c 1f988b 1f9f88 21a685 28ae80 31b57b
    3ebc74 4cc26c 5dc963 6ece58 82d34c 96d83f abdc32 c0df24 d5e21a eae51a fde725`,
  coolwarm: `
    3b4cc0 445acc 4d68d7 5775e1 6282ea 6c8ef1 779af7 82a5fb 8db0fe 98b9ff a3c2ff
    aec9fd b8d0f9 c2d5f4 ccd9ee d5dbe6 dddddd e5d8d1 ecd3c5 f1ccb9 f5c4ad f7bba0
    f7b194 f7a687 f49a7b f18d6f ec7f63 e57058 de604d d55042 cb3e38 c0282f b40426`,
  greys: '000000 ffffff',
} as const;

export type ColormapName = keyof typeof TABLES;
export const COLORMAPS = Object.keys(TABLES) as [ColormapName, ...ColormapName[]];

const parsed = new Map<ColormapName, readonly Rgb[]>();

function parseColormap(name: ColormapName): readonly Rgb[] {
  const known = parsed.get(name);
  if (known) return known;
  const channel = (hex: string, at: number) => Number.parseInt(hex.slice(at, at + 2), 16);
  const table = TABLES[name]
    .trim()
    .split(/\s+/)
    .map((hex): Rgb => [channel(hex, 0), channel(hex, 2), channel(hex, 4)]);
  parsed.set(name, table);
  return table;
}

const BLACK: Rgb = [0, 0, 0];

/** The colour at a fraction of the colormap; below 0 and above 1, the colours of the ends. */
export function colorAt(name: ColormapName, fraction: number): Rgb {
  const table = parseColormap(name);
  const at = Math.min(Math.max(fraction, 0), 1) * (table.length - 1);
  const from = Math.min(Math.floor(at), table.length - 2);
  const low = table[from] ?? BLACK;
  const high = table[from + 1] ?? BLACK;
  const mix = (i: 0 | 1 | 2) => Math.round(low[i] + (at - from) * (high[i] - low[i]));
  return [mix(0), mix(1), mix(2)];
}

export const toHex = (rgb: Rgb) =>
  `#${rgb.map((value) => value.toString(16).padStart(2, '0')).join('')}`;

/** Relative luminance, 0 to 1 (WCAG 2.2). */
export function luminance(rgb: Rgb): number {
  const [red, green, blue] = rgb.map((value) => {
    const level = value / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The colour of text over `rgb`: the one of black and white with more contrast. */
export const contrastingInk = (rgb: Rgb) => (luminance(rgb) > 0.179 ? ON_LIGHT : ON_DARK);

/** Maps values to colours: `low` and `high` have the colours at the ends of the colormap. */
export interface ColorScale {
  readonly name: ColormapName;
  readonly low: number;
  readonly high: number;
}

/** The colour of a value; undefined for a value that is not finite. */
export function valueColor({ name, low, high }: ColorScale, value: number): Rgb | undefined {
  if (!Number.isFinite(value)) return undefined;
  return colorAt(name, high > low ? (value - low) / (high - low) : 0.5);
}

/** The smallest and the largest of the finite values; 0 and 1 if there are none. */
export function finiteExtent(values: Iterable<number>): [low: number, high: number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low <= high ? [low, high] : [0, 1];
}

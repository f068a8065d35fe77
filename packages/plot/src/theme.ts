/**
 * Light and dark. Marks are written in the light theme's colours; drawing them dark, or both ways
 * by CSS, goes through this table.
 * A colour that is not in it (a heatmap's cell, a photograph) stays as it is, and so do `ON_LIGHT`
 * and `ON_DARK`.
 */

/** `auto` follows the reader's `prefers-color-scheme`; a PNG, which cannot, is light then. */
export type Theme = 'light' | 'dark' | 'auto';

export const THEMES = ['light', 'dark', 'auto'] as const satisfies readonly Theme[];

/** Text. */
export const INK = '#262626';
/** What everything is drawn on. */
export const PAPER = '#ffffff';
/** Lines that one should hardly see. */
export const GRID = '#e4e4e4';
/** Frames. */
export const EDGE = '#b8b8b8';
/** Text over a light cell of a heatmap, in both themes. */
export const ON_LIGHT = '#000';
/** Text over a dark cell of a heatmap, in both themes. */
export const ON_DARK = '#fff';

/** Each colour of the light theme in the dark one. */
export const DARK: Readonly<Record<string, string>> = {
  [INK]: '#e6e6e6',
  [PAPER]: '#18181b',
  [GRID]: '#333338',
  [EDGE]: '#5c5c63',
  '#0072B2': '#3D7BE0',
  '#6B5200': '#E69F00', // Okabe and Ito's two lightest colours as they published them; style.ts darkens them for white paper
  '#0F9AEC': '#56B4E9',
  '#C03A00': '#FF7A45', // a wrong prediction's title
};

const BY_LOWER = new Map(Object.entries(DARK).map(([light, dark]) => [light.toLowerCase(), dark]));

/** The colour that stands for `light` in the dark theme. */
export function darkOf(light: string): string {
  return BY_LOWER.get(light.toLowerCase()) ?? light;
}

/**
 * SVG text with its fills and strokes turned dark. Escaped text and attributes hold no bare quotes:
 * only colours match.
 */
export function darken(svg: string): string {
  return svg.replace(
    / (fill|stroke)="(#[0-9a-fA-F]{6})"/g,
    (_, name, color) => ` ${name}="${darkOf(color)}"`,
  );
}

/** The class of figures that follow the reader's theme; `darkRules` belongs to it. */
export const AUTO_CLASS = 'deepend-auto';

/**
 * CSS that turns figures of `AUTO_CLASS` dark: a rule wins over the attributes that give SVG its
 * colours.
 */
export function darkRules(): string {
  const rules = Object.entries(DARK).flatMap(([light, dark]) =>
    ['fill', 'stroke'].map((name) => `.${AUTO_CLASS} [${name}="${light}" i]{${name}:${dark}}`),
  );
  return `@media (prefers-color-scheme:dark){${rules.join('')}}`;
}

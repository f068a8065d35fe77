/**
 * The light and the dark theme. Marks are written in the colours of the light theme. The table
 * `DARK` replaces them for the dark theme, and CSS made from it replaces them for `auto`. Colours
 * that are not in the table stay: heatmap cells, photographs, `ON_LIGHT` and `ON_DARK`.
 */

/** `auto` follows the viewer's `prefers-color-scheme`; a PNG, which cannot, is light. */
export type Theme = 'light' | 'dark' | 'auto';

export const THEMES = ['light', 'dark', 'auto'] as const satisfies readonly Theme[];

/** Text. */
export const INK = '#262626';
/** Background. */
export const PAPER = '#ffffff';
/** Grid lines. */
export const GRID = '#e4e4e4';
/** Frames. */
export const EDGE = '#b8b8b8';
/** Text over a light cell of a heatmap, in both themes. */
export const ON_LIGHT = '#000';
/** Text over a dark cell of a heatmap, in both themes. */
export const ON_DARK = '#fff';

/** From each colour of the light theme to its colour in the dark theme. */
export const DARK: Readonly<Record<string, string>> = {
  [INK]: '#e6e6e6',
  [PAPER]: '#18181b',
  [GRID]: '#333338',
  [EDGE]: '#5c5c63',
  '#0072B2': '#3D7BE0',
  // Okabe and Ito's two lightest colours as published; style.ts darkens them for white paper.
  '#6B5200': '#E69F00',
  '#0F9AEC': '#56B4E9',
  '#C03A00': '#FF7A45', // the title of a wrong prediction
};

const BY_LOWER = new Map(Object.entries(DARK).map(([light, dark]) => [light.toLowerCase(), dark]));

/** The dark theme's colour for a colour of the light theme; other colours stay. */
export function toDark(light: string): string {
  return BY_LOWER.get(light.toLowerCase()) ?? light;
}

/**
 * Replaces fills and strokes in SVG by those of the dark theme. Escaped text and attributes contain
 * no bare quotes, so only colours match.
 */
export function darken(svg: string): string {
  return svg.replace(
    / (fill|stroke)="(#[0-9a-fA-F]{6})"/g,
    (_, name, color) => ` ${name}="${toDark(color)}"`,
  );
}

/** The class of SVGs that follow the viewer's theme; `darkRules` selects it. */
export const AUTO_CLASS = 'deepend-auto';

/** CSS that turns SVGs of `AUTO_CLASS` dark; CSS rules win over SVG's colour attributes. */
export function darkRules(): string {
  const rules = Object.entries(DARK).flatMap(([light, dark]) =>
    ['fill', 'stroke'].map((name) => `.${AUTO_CLASS} [${name}="${light}" i]{${name}:${dark}}`),
  );
  return `@media (prefers-color-scheme:dark){${rules.join('')}}`;
}

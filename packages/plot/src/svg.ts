/** Figures as lists of marks, and marks as SVG text. */
import { FONT_FAMILY, missingLetters, textOutline, textWidth } from './text';
import { AUTO_CLASS, darken, darkRules, INK, PAPER, type Theme } from './theme';

/**
 * One line of text. `x` is where `anchor` stands, `y` the baseline, both in pixels; `rotate` in
 * degrees about that point.
 */
export interface TextMark {
  text: string;
  x: number;
  y: number;
  /** Pixels an em. */
  size: number;
  /** @default 'start' */
  anchor?: 'start' | 'middle' | 'end';
  /** @default INK */
  fill?: string;
  rotate?: number;
}

/**
 * What a figure is made of, from back to front: SVG elements as text, and texts that may yet
 * become outlines.
 */
export type Mark = string | TextMark;

/** A rectangle in pixels, y downwards. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export { EDGE, GRID, INK, PAPER } from './theme';

export interface SvgOptions {
  width: number;
  height: number;
  /** What a screen reader says. */
  description: string;
  /** `elements` can be selected and searched; `outlines` need no font. */
  text: 'elements' | 'outlines';
  /**
   * With outlines: letters that the bundled font lacks and the viewer has. Texts with one of them
   * become elements. @default none
   */
  letters?: ReadonlySet<string> | undefined;
  theme: Theme;
  /** Whether a figure of theme `auto` brings its CSS, or the page around it does. @default true */
  styled?: boolean;
}

/** The SVG document that shows `marks` on paper. */
export function toSvg(marks: readonly Mark[], options: SvgOptions): string {
  const { width, height, description, text, letters, theme, styled = true } = options;
  const attributes = {
    xmlns: 'http://www.w3.org/2000/svg',
    width,
    height,
    viewBox: `0 0 ${decimal(width)} ${decimal(height)}`,
    'font-family': FONT_FAMILY,
    class: theme === 'auto' ? AUTO_CLASS : undefined,
    role: 'img',
    'aria-label': description,
  };
  const asElement = (mark: TextMark) =>
    text === 'elements' || missingLetters(mark.text).some((letter) => letters?.has(letter));
  const body = marks.map((mark) =>
    typeof mark === 'string' ? mark : asElement(mark) ? textElement(mark) : outlines(mark),
  );
  const paper = tag('rect', { width, height, fill: PAPER });
  const style = theme === 'auto' && styled ? [tag('style', {}, darkRules())] : [];
  const drawn = [paper, ...body].join('\n');
  return `${tag('svg', attributes, `\n${[...style, theme === 'dark' ? darken(drawn) : drawn].join('\n')}\n`)}\n`;
}

function textElement({ text, x, y, size, anchor = 'start', fill = INK, rotate }: TextMark): string {
  const transform =
    rotate === undefined ? undefined : `rotate(${decimal(rotate)} ${decimal(x)} ${decimal(y)})`;
  const placed = {
    x,
    y,
    'font-size': size,
    'text-anchor': anchor === 'start' ? undefined : anchor,
    fill,
    transform,
  };
  return tag('text', placed, escapeXml(text));
}

function outlines({
  text,
  x,
  y,
  size,
  anchor = 'start',
  fill = INK,
  rotate = 0,
}: TextMark): string {
  const width = textWidth(text, size);
  const shift = anchor === 'start' ? 0 : anchor === 'middle' ? -width / 2 : -width;
  const place = `translate(${decimal(x)} ${decimal(y)}) rotate(${decimal(rotate)}) translate(${decimal(shift)})`;
  return tag('g', { transform: `${place} scale(${size / 1000})`, fill }, textOutline(text));
}

/**
 * One SVG element. Attributes that are undefined are left out; numbers are rounded to hundredths of
 * a pixel.
 */
export function tag(
  name: string,
  attributes: Record<string, string | number | undefined>,
  content?: string,
): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === 'number' ? decimal(value) : escapeXml(String(value))}"`,
    )
    .join('');
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** A number for SVG: hundredths at most, so that a figure is the same text on every machine. */
export function decimal(value: number): string {
  return String(Math.round(value * 100) / 100 || 0);
}

/** Text for XML: markup escaped, and what XML cannot hold shown as a replacement character. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

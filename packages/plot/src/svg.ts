/** Marks, which figures are made of, and how they are written as SVG. */
import { FONT_FAMILY, missingLetters, textOutline, textWidth } from './text';
import { AUTO_CLASS, darken, darkRules, INK, PAPER, type Theme } from './theme';

/**
 * One line of text. `x` is the place of its `anchor`, `y` that of its baseline, both in pixels;
 * `rotate` turns it about that point, in degrees.
 */
export interface TextMark {
  text: string;
  x: number;
  y: number;
  /** Font size in pixels. */
  size: number;
  /** @default 'start' */
  anchor?: 'start' | 'middle' | 'end';
  /** @default INK */
  fill?: string;
  rotate?: number;
}

/**
 * A part of a figure: an SVG element as a string, or words, which become a `<text>` element or an
 * outline. A figure lists its marks from back to front.
 */
export type Mark = string | TextMark;

/** A rectangle in pixels, y downwards. */
export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface SvgOptions {
  width: number;
  height: number;
  /** The text that a screen reader reads. */
  description: string;
  /** `elements` can be selected and searched; `outlines` need no font on the viewer's machine. */
  text: 'elements' | 'outlines';
  /**
   * With outlines: letters that the bundled font lacks and a system font has. Text with one of
   * them is written as an element. @default none
   */
  letters?: ReadonlySet<string> | undefined;
  theme: Theme;
  /**
   * Whether an SVG with theme `auto` contains its CSS; if not, the page must. @default true
   */
  styled?: boolean;
}

/** Writes `marks` over the paper colour as an SVG document. */
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
    typeof mark === 'string' ? mark : asElement(mark) ? textElement(mark) : outlineElement(mark),
  );
  const paper = tag('rect', { width, height, fill: PAPER });
  const style = theme === 'auto' && styled ? [tag('style', {}, darkRules())] : [];
  const drawn = [paper, ...body].join('\n');
  const content = [...style, theme === 'dark' ? darken(drawn) : drawn].join('\n');
  return `${tag('svg', attributes, `\n${content}\n`)}\n`;
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

function outlineElement({
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
  const transform = [
    `translate(${decimal(x)} ${decimal(y)})`,
    `rotate(${decimal(rotate)})`,
    `translate(${decimal(shift)})`,
    `scale(${size / 1000})`,
  ].join(' ');
  return tag('g', { transform, fill }, textOutline(text));
}

/**
 * Writes one SVG element. Undefined attributes are left out; numbers are rounded to hundredths of a
 * pixel.
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

/** A number for SVG, rounded to hundredths so that a figure is the same on every machine. */
export function decimal(value: number): string {
  return String(Math.round(value * 100) / 100 || 0);
}

/** Escapes markup in text, and replaces characters that XML cannot hold. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

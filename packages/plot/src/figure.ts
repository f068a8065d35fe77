/** The one type that every chart gives: a figure with many ways out. */
import path from 'node:path';
import { checkOptions, rule } from '@deepend/core';
import { type TerminalOptions, type TextSize, textSize } from './characters';
import { writeWhole } from './files';
import { toFigure, toPage } from './html';
import { printed } from './notebook';
import { type Mark, type SvgOptions, toSvg } from './svg';
import { systemLetters } from './system-fonts';
import { missingLetters } from './text';
import { darkOf, PAPER, THEMES, type Theme } from './theme';
import type { VegaLiteSpec } from './vega';

/** A place of a figure with a value behind it, in pixels. */
export interface FigurePoint {
  readonly x: number;
  readonly y: number;
  /** Such as `test acc: 0.85 at epoch 3`. */
  readonly label: string;
}

export interface FigureOptions {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** What a screen reader says in the figure's place. */
  description: string;
  /** Values that an HTML page shows under the pointer. @default none */
  points?: readonly FigurePoint[];
  /** How far from a point the pointer may be, in pixels. @default 40 */
  reach?: number;
  /** Draws the figure in characters. @default its description alone */
  text?: (size: TextSize) => string;
  /** Gives the figure as a Vega-Lite specification, where it is a chart of lines. */
  vegaLite?: () => VegaLiteSpec;
}

/** What notebooks choose from: the richest that they can show. */
export interface MimeBundle {
  'image/svg+xml': string;
  /** Base64. */
  'image/png'?: string;
  'text/plain': string;
}

const themeRule = { theme: rule.oneOf(THEMES).optional() };
const themeOptions = rule.object(themeRule);
const svgOptions = rule.object({
  ...themeRule,
  text: rule.oneOf(['elements', 'outlines']).optional(),
});
const pngOptions = rule.object({
  ...themeRule,
  scale: rule
    .custom<number>(
      (value) => typeof value === 'number' && value > 0 && value <= 8,
      'a number above 0 and at most 8',
    )
    .optional(),
});
const textOptions = rule.object({
  width: rule.positiveInteger().min(20, 'an integer of at least 20').optional(),
  height: rule.positiveInteger().min(6, 'an integer of at least 6').optional(),
  color: rule.oneOf(['ansi256', 'truecolor']).or(rule.boolean()).optional(),
});

export class Figure {
  /** Pixels; a PNG has twice as many. */
  readonly width: number;
  /** Pixels; a PNG has twice as many. */
  readonly height: number;
  /** What a screen reader says in the figure's place. */
  readonly description: string;
  /** Values that an HTML page shows under the pointer. */
  readonly points: readonly FigurePoint[];
  readonly #reach: number;
  readonly #marks: readonly Mark[];
  readonly #text: (size: TextSize) => string;
  readonly #vegaLite: (() => VegaLiteSpec) | undefined;

  constructor(marks: readonly Mark[], options: FigureOptions) {
    const {
      width,
      height,
      description,
      points = [],
      reach = 40,
      text = () => description,
    } = options;
    this.width = width;
    this.height = height;
    this.description = description;
    this.points = points;
    this.#reach = reach;
    this.#marks = marks;
    this.#text = text;
    this.#vegaLite = options.vegaLite;
  }

  /**
   * The figure as an SVG document on white; its texts are text, in whatever font the viewer has.
   */
  get svg(): string {
    return this.toSvg();
  }

  /**
   * The figure as an SVG document.
   * @param options.theme @default 'light'
   * @param options.text `elements` are text, in whatever font the viewer has; `outlines` carry the
   *   letters' shapes @default 'elements'
   */
  toSvg(options: { theme?: Theme; text?: 'elements' | 'outlines' } = {}): string {
    const { theme = 'light', text = 'elements' } = checkOptions(
      '[plot] toSvg',
      svgOptions,
      options,
    );
    return this.#draw({ text, theme });
  }

  /**
   * The figure as a PNG. Its letters are drawn from a bundled font (Latin, Greek, Cyrillic), so
   * that they are there on a machine
   * without any. A text with other letters is drawn in the system's fonts; letters that no font has
   * are shown as code points and
   * named in a warning.
   * @param options.scale pixels of the PNG for each of the figure's @default 2
   * @param options.theme `auto` is light @default 'light'
   */
  async toPng(options: { scale?: number; theme?: Theme } = {}): Promise<Buffer> {
    const { scale = 2, theme = 'light' } = checkOptions('[plot] toPng', pngOptions, options);
    const { default: sharp } = await import('sharp'); // loads native code: only who wants a PNG waits for it
    const texts = this.#marks
      .flatMap((mark) => (typeof mark === 'string' ? [] : [mark.text]))
      .join('');
    const letters = await systemLetters(missingLetters(texts));
    const svg = Buffer.from(
      this.#draw({ text: 'outlines', letters, theme: theme === 'auto' ? 'light' : theme }),
    );
    return sharp(svg, { density: 72 * scale, unlimited: true })
      .flatten({ background: theme === 'dark' ? darkOf(PAPER) : PAPER })
      .png({ compressionLevel: 9 })
      .toBuffer();
  }

  /**
   * The figure as a page of its own that shows the value under the pointer. It asks the network
   * for nothing.
   * @param options.theme @default 'auto'
   */
  toHtml(options: { theme?: Theme } = {}): string {
    const { theme = 'auto' } = checkOptions('[plot] toHtml', themeOptions, options);
    return toPage(this.toHtmlFragment({ theme }), { title: this.description, theme });
  }

  /**
   * A `<figure>` for a page that holds `figureStyle` in a style element and `hoverScript` in a
   * script element, once for all figures.
   * @param options.theme @default 'auto'
   */
  toHtmlFragment(options: { theme?: Theme } = {}): string {
    const { theme = 'auto' } = checkOptions('[plot] toHtmlFragment', themeOptions, options);
    return toFigure(this.#draw({ text: 'elements', theme, styled: false }), {
      points: this.points,
      reach: this.#reach,
      theme,
    });
  }

  /**
   * The figure in characters, for a terminal or a log; a chart in braille, images and heatmaps in
   * half blocks.
   */
  toText(size: TerminalOptions = {}): string {
    return this.#text(
      textSize(checkOptions('[plot] toText', textOptions, size) as TerminalOptions),
    );
  }

  /** A chart of lines as a Vega-Lite specification, plain JSON; undefined for other figures. */
  get vegaLite(): VegaLiteSpec | undefined {
    return this.#vegaLite?.();
  }

  /** What a notebook shows. Pass what `toPng` gave for readers that draw no SVG. */
  mimeBundle({ png }: { png?: Buffer } = {}): MimeBundle {
    return {
      'image/svg+xml': this.svg,
      ...(png && { 'image/png': png.toString('base64') }),
      'text/plain': this.toText({ width: 72 }),
    };
  }

  /** Printed as a line; in tslab's notebooks, which print what ends a cell, shown. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: { depth?: number | null },
  ): string {
    return printed(this, depth, options);
  }

  /** Deno's notebooks show a figure that ends a cell. */
  [Symbol.for('Jupyter.display')](): MimeBundle {
    return this.mimeBundle();
  }

  /**
   * Writes the figure as its extension says, `.svg`, `.png`, `.html` or `.txt`: the whole file or
   * nothing. Folders are made.
   * @throws RangeError for another extension; Error where the file cannot be written
   */
  async save(file: string): Promise<void> {
    const extension = path.extname(file).toLowerCase();
    const ways: Record<string, () => string | Promise<Buffer>> = {
      '.svg': () => this.svg,
      '.png': () => this.toPng(),
      '.html': () => this.toHtml(),
      '.txt': () => `${this.toText()}\n`,
    };
    const way = ways[extension];
    if (!way)
      throw new RangeError(`[plot] ${file}: a figure is saved as ${Object.keys(ways).join(', ')}`);
    return writeWhole(file, await way());
  }

  #draw(options: Omit<SvgOptions, 'width' | 'height' | 'description'>): string {
    return toSvg(this.#marks, {
      width: this.width,
      height: this.height,
      description: this.description,
      ...options,
    });
  }
}

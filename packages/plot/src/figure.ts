/** `Figure`, which every chart function returns, and its output formats. */
import path from 'node:path';
import { checkOptions, notebook, rule, writeFileAtomic } from '@deepend/core';
import { type TerminalOptions, type TextSize, textSize } from './characters';
import { inspectFigure } from './display';
import { toFigureElement, toPage } from './html';
import { renderPngNow } from './png-now';
import { type Mark, type SvgOptions, toSvg } from './svg';
import { findSystemLetters } from './system-fonts';
import { missingLetters } from './text';
import { PAPER, THEMES, type Theme, toDark } from './theme';
import type { VegaLiteSpec } from './vega';

/** A place in a figure and the value that is drawn there. */
export interface FigurePoint {
  /** Pixels from the left. */
  readonly x: number;
  /** Pixels from the top. */
  readonly y: number;
  /** Such as `test acc: 0.85 at epoch 3`. */
  readonly label: string;
}

export interface FigureOptions {
  /**
   * Pixels.
   * @example 560
   */
  width: number;
  /**
   * Pixels.
   * @example 400
   */
  height: number;
  /**
   * The text that a screen reader reads in place of the figure.
   * @example 'Loss over epochs: it falls from 0.9 to 0.2'
   */
  description: string;
  /** Values that an HTML page shows under the pointer. @default none */
  points?: readonly FigurePoint[];
  /** Distance from a point within which the pointer shows its value, in pixels. @default 40 */
  reach?: number;
  /** Draws the figure in characters. @default prints the description */
  text?: (size: TextSize) => string;
  /** Makes the Vega-Lite specification of a line chart. @default the figure has none */
  vegaLite?: () => VegaLiteSpec;
}

/** The same figure in several formats; a notebook shows the best that it can. */
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
  width: rule.integer({ min: 20 }).optional(),
  height: rule.integer({ min: 6 }).optional(),
  color: rule
    .either(
      rule.oneOf(['ansi256', 'truecolor']),
      rule.boolean(),
      "'ansi256', 'truecolor', true or false",
    )
    .optional(),
});

/** A drawn chart or image grid, to be shown or saved as SVG, PNG, HTML or text. */
export class Figure {
  /** Pixels; by default a PNG has twice as many. */
  readonly width: number;
  /** Pixels; by default a PNG has twice as many. */
  readonly height: number;
  /** The text that a screen reader reads in place of the figure. */
  readonly description: string;
  /** Values that an HTML page shows under the pointer. */
  readonly points: readonly FigurePoint[];
  readonly #reach: number;
  readonly #marks: readonly Mark[];
  readonly #text: (size: TextSize) => string;
  readonly #vegaLite: (() => VegaLiteSpec) | undefined;

  constructor(marks: readonly Mark[], options: FigureOptions) {
    const { description, points = [], reach = 40, text = () => description } = options;
    this.width = options.width;
    this.height = options.height;
    this.description = description;
    this.points = points;
    this.#reach = reach;
    this.#marks = marks;
    this.#text = text;
    this.#vegaLite = options.vegaLite;
  }

  /** The figure as an SVG document in the light theme, with text as text elements. */
  get svg(): string {
    return this.toSvg();
  }

  /**
   * The figure as an SVG document.
   * @param options.theme @default 'light'
   * @param options.text `elements` writes text elements, which the viewer draws in a font that it
   *   has; `outlines` writes the letters as paths, which need no font @default 'elements'
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
   * The figure as a PNG. Latin, Greek and Cyrillic letters come from a bundled font, so they need
   * no font on the machine. Text with other letters is drawn in a system font. A letter that no
   * font has is drawn as its code point, and a warning names it.
   * @param options.scale PNG pixels for each pixel of the figure @default 2
   * @param options.theme `auto` means light @default 'light'
   */
  async toPng(options: { scale?: number; theme?: Theme } = {}): Promise<Buffer> {
    const { scale = 2, theme = 'light' } = checkOptions('[plot] toPng', pngOptions, options);
    const { default: sharp } = await import('sharp'); // native code: load it only for a PNG
    const texts = this.#marks
      .flatMap((mark) => (typeof mark === 'string' ? [] : [mark.text]))
      .join('');
    const letters = await findSystemLetters(missingLetters(texts));
    const svg = Buffer.from(
      this.#draw({ text: 'outlines', letters, theme: theme === 'auto' ? 'light' : theme }),
    );
    return sharp(svg, { density: 72 * scale, unlimited: true })
      .flatten({ background: theme === 'dark' ? toDark(PAPER) : PAPER })
      .png({ compressionLevel: 9 })
      .toBuffer();
  }

  /**
   * The figure as a web page that shows the value under the pointer. The page loads nothing from
   * the network.
   * @param options.theme @default 'auto'
   */
  toHtml(options: { theme?: Theme } = {}): string {
    const { theme = 'auto' } = checkOptions('[plot] toHtml', themeOptions, options);
    return toPage(this.toHtmlFragment({ theme }), { title: this.description, theme });
  }

  /**
   * A `<figure>` element for your own page. The page needs `figureStyle` in a style element and
   * `hoverScript` in a script element, once for all its figures.
   * @param options.theme @default 'auto'
   */
  toHtmlFragment(options: { theme?: Theme } = {}): string {
    const { theme = 'auto' } = checkOptions('[plot] toHtmlFragment', themeOptions, options);
    return toFigureElement(this.#draw({ text: 'elements', theme, styled: false }), {
      points: this.points,
      reach: this.#reach,
      theme,
    });
  }

  /**
   * The figure in characters, for a terminal or a log: line charts in braille dots, images and
   * heatmaps in half blocks.
   */
  toText(size: TerminalOptions = {}): string {
    return this.#text(
      textSize(checkOptions('[plot] toText', textOptions, size) as TerminalOptions),
    );
  }

  /** A line chart as a Vega-Lite specification (plain JSON); undefined for other figures. */
  get vegaLite(): VegaLiteSpec | undefined {
    return this.#vegaLite?.();
  }

  /**
   * The formats that a notebook chooses from.
   * @param options.png a PNG from `toPng`, for viewers that cannot show SVG @default none
   */
  mimeBundle({ png }: { png?: Buffer } = {}): MimeBundle {
    return {
      'image/svg+xml': this.svg,
      ...(png && { 'image/png': png.toString('base64') }),
      'text/plain': this.toText({ width: 72 }),
    };
  }

  /**
   * `mimeBundle` with a PNG of at most 256 colors, which it waits for. The PNG has letters that the
   * bundled font lacks in the system's fonts, and code points in frames where no font has them,
   * which a warning then names.
   */
  notebookBundle(): MimeBundle {
    if (notebook()?.kernel === 'page') return this.mimeBundle(); // a browser draws the SVG itself
    const texts = this.#marks.flatMap((mark) => (typeof mark === 'string' ? [] : [mark.text]));
    const foreign = missingLetters(texts.join(''));
    const svg = this.#draw({ text: 'outlines', letters: new Set(foreign), theme: 'light' });
    if (foreign.length > 0) findSystemLetters(foreign).catch(() => {}); // warns; no PNG, no warning
    const png = renderPngNow(svg, { density: 144, background: PAPER });
    return this.mimeBundle(png ? { png } : {});
  }

  /** `console.log` prints one line. In tslab, a figure at the end of a cell is shown. */
  [Symbol.for('nodejs.util.inspect.custom')](
    depth: number,
    options: { depth?: number | null },
  ): string {
    return inspectFigure(this, depth, options);
  }

  /** Deno's notebooks call this to show a figure at the end of a cell. */
  [Symbol.for('Jupyter.display')](): MimeBundle {
    return this.notebookBundle();
  }

  /**
   * Writes the figure in the format of the file's extension: `.svg`, `.png`, `.html` or `.txt`.
   * The file appears complete or not at all. Missing folders are made.
   * @throws RangeError for another extension; Error when the file cannot be written
   */
  async save(file: string): Promise<void> {
    const extension = path.extname(file).toLowerCase();
    const formats: Record<string, () => string | Promise<Buffer>> = {
      '.svg': () => this.svg,
      '.png': () => this.toPng(),
      '.html': () => this.toHtml(),
      '.txt': () => `${this.toText()}\n`,
    };
    const format = formats[extension];
    if (!format) {
      const known = Object.keys(formats).join(', ');
      throw new RangeError(
        `[plot] ${file}: expected a file name that ends in one of ${known}, got "${extension}"`,
      );
    }
    return writeFileAtomic(file, await format(), { where: '[plot] save' });
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

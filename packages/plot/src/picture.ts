/** The one type that every chart gives: an SVG that can also become a PNG or a file. */
import path from 'node:path';
import { writeWhole } from './files';
import { type Mark, toSvg } from './svg';

export interface PictureOptions {
  /** Pixels. */
  width: number;
  /** Pixels. */
  height: number;
  /** What a screen reader says in the picture's place. */
  description: string;
}

export class Picture {
  /** Pixels; a PNG has twice as many. */
  readonly width: number;
  /** Pixels; a PNG has twice as many. */
  readonly height: number;
  readonly #marks: readonly Mark[];
  readonly #description: string;

  constructor(marks: readonly Mark[], { width, height, description }: PictureOptions) {
    this.width = width;
    this.height = height;
    this.#marks = marks;
    this.#description = description;
  }

  /** The picture as an SVG document; its texts are text, in whatever font the viewer has. */
  get svg(): string {
    return this.#draw('elements');
  }

  /**
   * The picture as a PNG. Its letters are drawn from a bundled font, so that they are there on a machine without any.
   * @param options.scale pixels of the PNG for each of the picture's @default 2
   */
  async toPng({ scale = 2 }: { scale?: number } = {}): Promise<Buffer> {
    if (!(scale > 0 && scale <= 8))
      throw new RangeError(`[plot] toPng: option "scale" must be a number above 0 and at most 8, got ${scale}`);
    const { default: sharp } = await import('sharp'); // loads native code: only who wants a PNG waits for it
    const svg = Buffer.from(this.#draw('outlines'));
    return sharp(svg, { density: 72 * scale, unlimited: true })
      .flatten({ background: '#ffffff' })
      .png({ compressionLevel: 9 })
      .toBuffer();
  }

  /**
   * Writes the picture as its extension says, `.svg` or `.png`: the whole file or nothing. Folders are made.
   * @throws RangeError for another extension; Error where the file cannot be written
   */
  async save(file: string): Promise<void> {
    const extension = path.extname(file).toLowerCase();
    if (extension === '.svg') return writeWhole(file, this.svg);
    if (extension === '.png') return writeWhole(file, await this.toPng());
    throw new RangeError(`[plot] ${file}: a picture is saved as .svg or .png`);
  }

  #draw(text: 'elements' | 'outlines'): string {
    return toSvg(this.#marks, { width: this.width, height: this.height, description: this.#description, text });
  }
}

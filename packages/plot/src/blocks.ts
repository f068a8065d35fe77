/** Block characters: images, heatmaps and bars as text. */
import {
  type Cell,
  fitColumns,
  measureColumns,
  paint,
  paintLine,
  printable,
  type Rgb,
  type TextSize,
} from './characters';

/** An image of any size; an undefined pixel is left blank. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): Rgb | undefined;
}

const SHADES = ' ░▒▓█';
const GAP = 2; // columns between images
const LEAST = 14; // columns; a narrower image cannot be recognized
const LINES = 48; // of a grid without a given height

/**
 * Draws an image as lines of half blocks, two pixels a character. Without colours each character is
 * one of five shades, the denser the lighter the pixels. Small images grow by integer factors,
 * large ones are averaged.
 * @param room the largest numbers of columns and lines
 *
 */
export function toBlocks(
  image: Pixels,
  room: { columns: number; lines: number },
  color: TextSize['color'],
): string[] {
  const { width, height } = zoomed(image, room);
  const pixel = (x: number, y: number) =>
    y < height ? average(image, { x, y, width, height }) : undefined;
  return Array.from({ length: Math.ceil(height / 2) }, (_, line) => {
    const cells = Array.from({ length: width }, (__, x) => {
      const upper = pixel(x, 2 * line);
      const lower = pixel(x, 2 * line + 1);
      return color ? half(upper, lower) : { text: shade(upper, lower) };
    });
    return paintLine(cells, color);
  });
}

/** The size of an image, in half blocks, at which it fits its room. */
function zoomed(
  image: Pixels,
  { columns, lines }: { columns: number; lines: number },
): { width: number; height: number } {
  const zoom = Math.min(columns / image.width, (2 * lines) / image.height);
  const factor = zoom >= 1 ? Math.floor(zoom) : zoom;
  return {
    width: Math.max(1, Math.floor(image.width * factor)),
    height: Math.max(1, Math.floor(image.height * factor)),
  };
}

/** The mean colour of the image's pixels that one half block of `width` × `height` covers. */
function average(
  image: Pixels,
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
): Rgb | undefined {
  const span = (at: number, parts: number, whole: number) => {
    const from = Math.floor((at * whole) / parts);
    return [from, Math.max(from + 1, Math.floor(((at + 1) * whole) / parts))] as const;
  };
  const [left, right] = span(x, width, image.width);
  const [top, bottom] = span(y, height, image.height);
  const sum: [number, number, number] = [0, 0, 0];
  let count = 0;
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const rgb = image.at(column, row);
      if (!rgb) continue;
      count++;
      rgb.forEach((value, i) => {
        sum[i as 0 | 1 | 2] += value;
      });
    }
  }
  return count > 0 ? [sum[0] / count, sum[1] / count, sum[2] / count] : undefined;
}

function half(upper: Rgb | undefined, lower: Rgb | undefined): Cell {
  if (!upper) return lower ? { text: '▄', fore: lower } : { text: ' ' };
  return { text: '▀', fore: upper, back: lower };
}

function shade(upper: Rgb | undefined, lower: Rgb | undefined): string {
  const light = [upper, lower].flatMap((rgb) =>
    rgb ? [0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]] : [],
  );
  if (light.length === 0) return ' ';
  const mean = light.reduce((a, b) => a + b, 0) / light.length / 255;
  return SHADES[Math.min(SHADES.length - 1, Math.floor(mean * SHADES.length))] ?? ' ';
}

/**
 * Draws images in rows with their titles. Uses fewer columns than `cols` where the images would
 * become too small to recognize.
 */
export function blockGrid(
  images: readonly Pixels[],
  { titles, cols, size }: { titles?: readonly string[] | undefined; cols: number; size: TextSize },
): string {
  const widest = Math.max(1, ...images.map((image) => image.width));
  const columnsFor = (count: number) => Math.floor((size.width + GAP) / count) - GAP;
  let across = Math.max(1, Math.min(cols, images.length));
  while (across > 1 && columnsFor(across) < Math.min(widest, LEAST)) across--;
  const columns = Math.max(1, Math.min(columnsFor(across), Math.max(2 * LEAST, widest)));
  const lines: string[] = [];
  const limit = size.height ?? LINES;
  for (let first = 0; first < images.length; first += across) {
    const row = images.slice(first, first + across);
    const bodies = row.map((image) =>
      toBlocks(image, { columns, lines: Math.max(1, limit - 2) }, size.color),
    );
    const tall = Math.max(...bodies.map((body) => body.length));
    const heads = titleLines(titles?.slice(first, first + across), columns);
    if (lines.length > 0 && lines.length + heads.length + tall + 1 > limit) {
      return [...lines, `… and ${images.length - first} more`].join('\n');
    }
    lines.push(
      ...heads,
      ...Array.from({ length: tall }, (_, line) =>
        joined(row, bodies, { line, columns, color: size.color }),
      ),
      '',
    );
  }
  return lines.slice(0, -1).join('\n');
}

function titleLines(titles: readonly string[] | undefined, columns: number): string[] {
  if (!titles) return [];
  const split = titles.map((title) => title.split('\n'));
  const count = Math.max(...split.map((parts) => parts.length));
  return Array.from({ length: count }, (_, i) =>
    split
      .map((parts) => fitColumns(parts[i] ?? '', columns))
      .join(' '.repeat(GAP))
      .trimEnd(),
  );
}

/** One line through the images of a row, padded by visible width: escape codes have none. */
function joined(
  row: readonly Pixels[],
  bodies: readonly (readonly string[])[],
  { line, columns, color }: { line: number; columns: number; color: TextSize['color'] },
): string {
  const parts = row.map((_, i) => {
    const text = bodies[i]?.[line] ?? '';
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this removes the escape codes
    const shown = color ? text.replace(/\u001b\[[0-9;]*m/g, '') : text;
    return text + ' '.repeat(Math.max(0, columns - shown.length));
  });
  return parts.join(' '.repeat(GAP)).trimEnd();
}

export interface TextBar {
  label: string;
  /** The length of the bar; 0 if negative or not finite. */
  value: number;
  /** Printed after the bar. */
  text: string;
  /** The number of one of a terminal's 256 colours. */
  ansi: number;
}

const EIGHTHS = ' ▏▎▍▌▋▊▉';

/** One line for each bar: label, bar to an eighth of a character, value. */
export function barLines(bars: readonly TextBar[], { width, height, color }: TextSize): string[] {
  const shown =
    height !== undefined && bars.length > height ? bars.slice(0, Math.max(1, height - 1)) : bars;
  const label = Math.min(
    Math.floor(width / 3),
    Math.max(0, ...bars.map((bar) => measureColumns(printable(bar.label)))),
  );
  const value = Math.max(0, ...bars.map((bar) => measureColumns(printable(bar.text))));
  const room = Math.max(1, width - label - value - 3);
  const length = (bar: TextBar) => (Number.isFinite(bar.value) ? Math.max(0, bar.value) : 0);
  const longest = Math.max(...bars.map(length), Number.MIN_VALUE);
  const lines = shown.map((bar) => {
    const eighths = Math.round((length(bar) / longest) * room * 8);
    const body = `${'█'.repeat(eighths >> 3)}${eighths & 7 ? EIGHTHS[eighths & 7] : ''}`;
    const painted = paint(body, { fore: bar.ansi }, color);
    return `${fitColumns(bar.label, label, 'end')} │${painted} ${printable(bar.text)}`;
  });
  return shown.length < bars.length
    ? [...lines, `… and ${bars.length - shown.length} more`]
    : lines;
}

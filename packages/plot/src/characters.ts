/**
 * Text for terminals: its width in columns, colours as escape codes, and control characters removed
 * from names.
 */

export interface TerminalOptions {
  /** Characters. @default the terminal's width, at most 100; 72 without a terminal */
  width?: number;
  /** Lines. @default 16 for a line chart, as many as needed for other figures */
  height?: number;
  /**
   * Colours, as escape codes. `true` means `truecolor` if the variable COLORTERM promises it, else
   * `ansi256`. @default false
   */
  color?: boolean | 'ansi256' | 'truecolor';
}

/** TerminalOptions with the defaults filled in. */
export interface TextSize {
  readonly width: number;
  readonly height: number | undefined;
  readonly color: false | 'ansi256' | 'truecolor';
}

/** 0 to 255 each. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Fills in the defaults of TerminalOptions. */
export function textSize({ width, height, color = false }: TerminalOptions | TextSize): TextSize {
  const { isTTY, columns = 80 } = process.stdout;
  const best = /truecolor|24bit/i.test(process.env.COLORTERM ?? '') ? 'truecolor' : 'ansi256';
  return {
    width: width ?? (isTTY ? Math.min(columns - 1, 100) : 72),
    height,
    color: color === true ? best : color,
  };
}

export interface Cell {
  readonly text: string;
  /** A colour, or the number of one of a terminal's 256 colours. */
  readonly fore?: Rgb | number | undefined;
  readonly back?: Rgb | number | undefined;
}

/**
 * Joins the cells of a line, with one escape code for neighbours of equal colours. A blank without
 * a background belongs to the cells before it.
 *
 */
export function paintLine(cells: readonly Cell[], color: TextSize['color']): string {
  let line = '';
  let run: Cell | undefined;
  const key = ({ fore, back }: Cell) => `${fore}/${back}`;
  for (const cell of cells) {
    const same =
      run &&
      (key(run) === key(cell) ||
        (cell.text === ' ' && cell.back === undefined && run.back === undefined));
    if (run && same) run = { ...run, text: run.text + cell.text };
    else {
      if (run) line += paint(run.text, run, color);
      run = cell;
    }
  }
  return run ? line + paint(run.text, run, color) : line;
}

/** Colours `text`; returns it unchanged where colours are off. */
export function paint(text: string, ink: Omit<Cell, 'text'>, color: TextSize['color']): string {
  if (!color || text === '') return text;
  const { fore, back } = ink;
  const start = [
    fore === undefined ? '' : code(38, fore, color),
    back === undefined ? '' : code(48, back, color),
  ].join('');
  const end = `${fore === undefined ? '' : '\u001b[39m'}${back === undefined ? '' : '\u001b[49m'}`;
  return `${start}${text}${end}`;
}

function code(ground: 38 | 48, ink: Rgb | number, color: 'ansi256' | 'truecolor'): string {
  if (typeof ink !== 'number' && color === 'truecolor')
    return `\u001b[${ground};2;${ink.map(Math.round).join(';')}m`;
  return `\u001b[${ground};5;${typeof ink === 'number' ? ink : ansi256(ink)}m`;
}

const CUBE: readonly number[] = [0, 95, 135, 175, 215, 255]; // levels of xterm's 6 × 6 × 6 cube

/** The nearest of a terminal's 256 colours, of its 6 × 6 × 6 cube or of its 24 greys. */
export function ansi256(rgb: Rgb): number {
  const steps = rgb.map((value) =>
    CUBE.reduce(
      (best, level, i) =>
        Math.abs(level - value) < Math.abs((CUBE[best] ?? 0) - value) ? i : best,
      0,
    ),
  );
  const mean = (rgb[0] + rgb[1] + rgb[2]) / 3;
  const grey = Math.min(23, Math.max(0, Math.round((mean - 8) / 10)));
  const distance = (other: readonly number[]) =>
    other.reduce((sum, value, i) => sum + (value - (rgb[i] ?? 0)) ** 2, 0);
  const level = 8 + 10 * grey;
  const cube = distance(steps.map((step) => CUBE[step] ?? 0));
  const [red = 0, green = 0, blue = 0] = steps;
  return distance([level, level, level]) < cube ? 232 + grey : 16 + 36 * red + 6 * green + blue;
}

/**
 * Makes a name safe to print: control characters, which could move the cursor, and direction marks
 * are replaced.
 */
export function printable(text: string): string {
  return (
    text
      .replace(/[\t\n\r]+/g, ' ')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not reach a terminal
      .replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '\ufffd')
  );
}

/** Characters that take two columns: East Asian Width W and F, and emoji. */
const WIDE = new RegExp(
  [
    '[\\u1100-\\u115f\\u2e80-\\u303e\\u3041-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7a3\\uf900-\\ufaff',
    '\\ufe30-\\ufe6f\\uff00-\\uff60\\uffe0-\\uffe6\\u{16fe0}-\\u{18aff}\\u{1b000}-\\u{1b2ff}',
    '\\u{1f200}-\\u{1f265}\\u{20000}-\\u{3fffd}]|\\p{Emoji_Presentation}',
  ].join(''),
  'u',
);
/** Characters that take no column. */
const NONE = /\p{Mn}|\p{Me}|\p{Cf}|\ufe0f/u;

/** The number of columns that a printable string takes. */
export function measureColumns(text: string): number {
  let columns = 0;
  for (const character of text) columns += NONE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return columns;
}

/** Makes `text` printable and exactly `columns` wide: cut with an ellipsis, or padded. */
export function fitColumns(
  text: string,
  columns: number,
  align: 'start' | 'end' = 'start',
): string {
  let shown = printable(text);
  if (measureColumns(shown) > columns) {
    let kept = '';
    for (const character of shown) {
      if (measureColumns(kept + character) > columns - 1) break;
      kept += character;
    }
    shown = columns > 0 ? `${kept}…` : '';
  }
  const padding = ' '.repeat(Math.max(0, columns - measureColumns(shown)));
  return align === 'start' ? shown + padding : padding + shown;
}

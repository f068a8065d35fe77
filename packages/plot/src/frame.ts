/** The frame of a chart: where its axes lie, their lines and labels, its title. */
import type { Axis } from './axis';
import { type Box, decimal, type Mark, type TextMark, tag } from './svg';
import { fitText, textWidth } from './text';
import { EDGE, GRID } from './theme';

export const SIZE = 13; // pixels an em of labels
export const TITLE_SIZE = 15;
export const PAD = 12; // pixels around everything

/** Two axes and the box between them, in pixels. */
export interface Plane {
  x: Axis;
  y: Axis;
  box: Box;
}

type MakeAxis = (pixels: readonly [from: number, to: number], room: number) => Axis;

export interface PlaneOptions {
  x: MakeAxis;
  y: MakeAxis;
  top: number;
  bottom: number;
  /** The right edge of the box. */
  right: number;
  ylabel?: string | undefined;
  /**
   * How far from the box's edges the ends of the axes stay. @default 10 and 6, so that no line
   * there is cut
   */
  inset?: { x: number; y: number };
}

/**
 * The left margin depends on the widest label of the y axis, and that on the axis: so y comes
 * first.
 */
export function layOutPlane(options: PlaneOptions): Plane {
  const { top, bottom, right, ylabel, inset = { x: 10, y: 6 } } = options;
  const y = options.y(
    [bottom - inset.y, top + inset.y],
    Math.max(2, Math.floor((bottom - top) / 48)),
  );
  const widest = Math.max(0, ...y.ticks.map(({ label }) => textWidth(label, SIZE)));
  const left = Math.min(PAD + (ylabel ? SIZE + 8 : 0) + roomFor(widest) + 8, right - 40);
  const x = options.x(
    [left + inset.x, right - inset.x],
    Math.max(2, Math.floor((right - left) / 64)),
  );
  return { x, y, box: { x: left, y: top, width: right - left, height: bottom - top } };
}

/**
 * Pixels to keep for names: the font that a viewer has may be wider than the one that is measured.
 */
export const roomFor = (width: number) => width + 0.15 * Math.max(0, width - 60);

/** The axes' labels, the box, and lines across it at the ticks of the axes named by `lines`. */
export function axesMarks(
  { x, y, box }: Plane,
  lines: 'both' | 'x' | 'y' | 'none' = 'both',
): Mark[] {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  const has = (axis: 'x' | 'y') => lines === 'both' || lines === axis;
  const across = y.ticks.flatMap(({ value, label }): Mark[] => {
    const at = y.at(value);
    return [
      ...(has('y') ? [tag('line', { x1: box.x, y1: at, x2: right, y2: at, stroke: GRID })] : []),
      { text: label, x: box.x - 8, y: at + SIZE * 0.36, size: SIZE, anchor: 'end' },
    ];
  });
  const up = x.ticks.flatMap(({ value, label }): Mark[] => {
    const at = x.at(value);
    return [
      ...(has('x') ? [tag('line', { x1: at, y1: box.y, x2: at, y2: bottom, stroke: GRID })] : []),
      { text: label, x: at, y: bottom + SIZE + 6, size: SIZE, anchor: 'middle' },
    ];
  });
  return [...across, ...up, tag('rect', { ...box, fill: 'none', stroke: EDGE })];
}

export interface Names {
  title?: string | undefined;
  xlabel?: string | undefined;
  ylabel?: string | undefined;
}

/** The title over a figure and the names of its axes, as small as they must be to fit. */
export function nameMarks(
  { title, xlabel, ylabel }: Names,
  { box, width, height }: { box: Box; width: number; height: number },
): Mark[] {
  const middle = box.x + box.width / 2;
  const within = (text: string, room: number, size: number) => fitText(text, room, { size });
  const marks: TextMark[] = [];
  if (title) {
    const fitted = within(title, width - 2 * PAD, TITLE_SIZE);
    const half = textWidth(fitted.text, fitted.size) / 2;
    const x = Math.min(Math.max(middle, PAD + half), width - PAD - half); // over the box, as far as it has room there
    marks.push({ ...fitted, x, y: PAD + TITLE_SIZE, anchor: 'middle' });
  }
  if (xlabel)
    marks.push({
      ...within(xlabel, box.width, SIZE),
      x: middle,
      y: height - PAD,
      anchor: 'middle',
    });
  if (ylabel) {
    marks.push({
      ...within(ylabel, box.height, SIZE),
      x: PAD + SIZE - 3,
      y: box.y + box.height / 2,
      anchor: 'middle',
      rotate: -90,
    });
  }
  return marks;
}

/** Elements of which no part is seen beyond the box. */
export function clipped(elements: readonly string[], box: Box): string {
  const { x, y, width, height } = box;
  return tag(
    'svg',
    { ...box, viewBox: [x, y, width, height].map(decimal).join(' ') },
    elements.join('\n'),
  );
}

/** Height above the box that a title takes. */
export const titleHeight = (title: string | undefined) => (title ? TITLE_SIZE + 10 : 0);
/** Height below the box that the x axis's labels and name take. */
export const footHeight = (xlabel: string | undefined) => PAD + SIZE + 8 + (xlabel ? SIZE + 8 : 0);

/** A number as one reads it aloud: five digits at most. */
export const short = (value: number) => String(Number(value.toPrecision(5)));

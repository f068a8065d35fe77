/** The frame of a chart: the layout of its axes, their lines and labels, its title. */
import type { Axis } from './axis';
import { type Box, decimal, type Mark, type TextMark, tag } from './svg';
import { fitText, textWidth } from './text';
import { EDGE, GRID } from './theme';

export const SIZE = 13; // font size of labels, in pixels
export const TITLE_SIZE = 15;
export const PAD = 12; // pixels between the chart and the figure's edges

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
   * Pixels from the box's edges to the ends of the axes. @default 10 and 6, so that lines at the
   * ends are not cut
   */
  inset?: { x: number; y: number };
}

/**
 * Lays out both axes. The y axis comes first: its widest label decides the left margin, and so the
 * pixels of the x axis.
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

/** Pixels to reserve for names: the viewer's font may be wider than the measured one. */
export const roomFor = (width: number) => width + 0.15 * Math.max(0, width - 60);

/** The labels of the axes, the box, and grid lines at the ticks of the axes named by `lines`. */
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

/** The title of a figure and the names of its axes, shrunk where they would not fit. */
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
    // Centred over the box, but within the figure.
    const x = Math.min(Math.max(middle, PAD + half), width - PAD - half);
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

/** Clips elements to the box. */
export function clipped(elements: readonly string[], box: Box): string {
  const { x, y, width, height } = box;
  return tag(
    'svg',
    { ...box, viewBox: [x, y, width, height].map(decimal).join(' ') },
    elements.join('\n'),
  );
}

/** Height of a title above the box. */
export const titleHeight = (title: string | undefined) => (title ? TITLE_SIZE + 10 : 0);
/** Height of the x axis's labels and name below the box. */
export const footHeight = (xlabel: string | undefined) => PAD + SIZE + 8 + (xlabel ? SIZE + 8 : 0);

/** A number with at most five digits. */
export const formatNumber = (value: number) => String(Number(value.toPrecision(5)));

/** A chart of lines as the marks of a picture: title, legend above the plot, axes, series. */
import { line } from 'd3-shape';
import { type Axis, makeAxis } from './axis';
import { Picture, type PicturePoint } from './picture';
import type { ChartSettings, Point, Series } from './series';
import type { Marker, SeriesStyle } from './style';
import { type Box, decimal, type Mark, tag } from './svg';
import { toTerminal } from './terminal';
import { textWidth } from './text';
import { EDGE, GRID, INK } from './theme';

const SIZE = 13; // pixels an em of labels
const TITLE_SIZE = 15;
const PAD = 12; // pixels around everything
const SAMPLE = 26; // length of a legend's line sample

/** Draws series on one pair of axes. */
export function drawChart(series: readonly Series[], options: ChartSettings, description: string): Picture {
  const { width = 560, height = 400, title, xlabel, ylabel } = options;
  const legend = layOutLegend(series, width - 2 * PAD);
  const top = PAD + (title ? TITLE_SIZE + 10 : 0) + legend.height;
  const bottom = height - PAD - SIZE - 8 - (xlabel ? SIZE + 8 : 0);
  const { x, y, box } = layOutAxes(series, options, { top, bottom, width });
  const marks: Mark[] = [
    ...grid(x, y, box),
    ...series.flatMap(({ points, style }) => drawSeries(points, style, { x, y, box })),
    ...legend.marks(PAD + (title ? TITLE_SIZE + 10 : 0)),
  ];
  const middle = box.x + box.width / 2;
  if (title) marks.push({ text: title, x: middle, y: PAD + TITLE_SIZE, size: TITLE_SIZE, anchor: 'middle' });
  if (xlabel) marks.push({ text: xlabel, x: middle, y: height - PAD, size: SIZE, anchor: 'middle' });
  if (ylabel) {
    marks.push({ text: ylabel, x: PAD + SIZE - 3, y: box.y + box.height / 2, size: SIZE, anchor: 'middle', rotate: -90 });
  }
  return new Picture(marks, {
    width,
    height,
    description,
    points: hoverPoints(series, { x, y, box }, xlabel),
    text: (size) => toTerminal(series, options, size),
  });
}

/** What the values under a pointer are called: `test acc: 0.85 at epoch 3`. Points outside the axes' limits have none. */
function hoverPoints(series: readonly Series[], { x, y, box }: Plane, xlabel: string | undefined): PicturePoint[] {
  const inside = (at: { x: number; y: number }) =>
    at.x >= box.x && at.x <= box.x + box.width && at.y >= box.y && at.y <= box.y + box.height;
  return series.flatMap(({ label, points }) =>
    points
      .map((point) => ({
        x: x.at(point.x),
        y: y.at(point.y),
        label: `${label ? `${label}: ` : ''}${short(point.y)} at ${xlabel || 'x'} ${short(point.x)}`,
      }))
      .filter(inside),
  );
}

/** A number as one reads it aloud: five digits at most. */
const short = (value: number) => String(Number(value.toPrecision(5)));

interface Plane {
  x: Axis;
  y: Axis;
  box: Box;
}

/** The left margin depends on the widest label of the y axis, and that on the axis: so y comes first. */
function layOutAxes(
  series: readonly Series[],
  options: ChartSettings,
  room: { top: number; bottom: number; width: number },
): Plane {
  const { xscale = 'linear', yscale = 'linear', xlim, ylim, ylabel } = options;
  const { top, bottom, width } = room;
  const points = series.flatMap((one) => one.points);
  const rows = Math.max(2, Math.floor((bottom - top) / 48));
  const inset = 6; // so that a line at the axis's end is not cut
  const y = makeAxis({
    values: points.map((point) => point.y),
    limits: ylim,
    scale: yscale,
    pixels: [bottom - inset, top + inset],
    room: rows,
    nice: true,
  });
  const widest = Math.max(0, ...y.ticks.map(({ label }) => textWidth(label, SIZE)));
  const left = PAD + (ylabel ? SIZE + 8 : 0) + widest + 8;
  const right = width - PAD - 6;
  const x = makeAxis({
    values: points.map((point) => point.x),
    limits: xlim,
    scale: xscale,
    pixels: [left + 10, right - 10],
    room: Math.max(2, Math.floor((right - left) / 64)),
    nice: false,
  });
  return { x, y, box: { x: left, y: top, width: right - left, height: bottom - top } };
}

function grid(x: Axis, y: Axis, box: Box): Mark[] {
  const [right, bottom] = [box.x + box.width, box.y + box.height];
  const across = y.ticks.flatMap(({ value, label }): Mark[] => {
    const at = y.at(value);
    return [
      tag('line', { x1: box.x, y1: at, x2: right, y2: at, stroke: GRID }),
      { text: label, x: box.x - 8, y: at + SIZE * 0.36, size: SIZE, anchor: 'end' },
    ];
  });
  const up = x.ticks.flatMap(({ value, label }): Mark[] => {
    const at = x.at(value);
    return [
      tag('line', { x1: at, y1: box.y, x2: at, y2: bottom, stroke: GRID }),
      { text: label, x: at, y: bottom + SIZE + 6, size: SIZE, anchor: 'middle' },
    ];
  });
  return [...across, ...up, tag('rect', { ...box, fill: 'none', stroke: EDGE })];
}

function drawSeries(points: readonly Point[], style: SeriesStyle, { x, y, box }: Plane): string[] {
  const inside = (at: number) => Math.min(Math.max(at, box.y - 4), box.y + box.height + 4); // a point far off must not leave the plot
  const placed = points.map((point) => ({ x: x.at(point.x), y: inside(y.at(point.y)) }));
  const there = (point: Point) => Number.isFinite(point.x) && Number.isFinite(point.y);
  const marks: string[] = [];
  if (style.dash) {
    const path = line<Point>(
      (point) => Number(decimal(point.x)),
      (point) => Number(decimal(point.y)),
    ).defined(there)(placed);
    const dash = style.dash.length > 0 ? style.dash.join(' ') : undefined;
    if (path) marks.push(tag('path', { d: path, ...STROKE, stroke: style.color, 'stroke-dasharray': dash }));
  }
  // A point between two gaps has no line to show it.
  const lonely = (_: Point, i: number) => ![placed[i - 1], placed[i + 1]].some((other) => other && there(other));
  const marked = style.marker ? placed.filter(there) : placed.filter((point, i) => there(point) && lonely(point, i));
  return [...marks, ...marked.map((point) => drawMarker(style.marker ?? 'circle', point, style.color))];
}

const STROKE = { fill: 'none', 'stroke-width': 2, 'stroke-linejoin': 'round', 'stroke-linecap': 'butt' };

function drawMarker(marker: Marker, { x, y }: Point, color: string): string {
  const r = marker === 'dot' ? 2 : 3.5;
  const at = (dx: number, dy: number) => `${decimal(x + dx * r)} ${decimal(y + dy * r)}`;
  const shapes: Record<Marker, () => string> = {
    circle: () => tag('circle', { cx: x, cy: y, r, fill: color }),
    dot: () => tag('circle', { cx: x, cy: y, r, fill: color }),
    square: () => tag('rect', { x: x - r, y: y - r, width: 2 * r, height: 2 * r, fill: color }),
    triangle: () => tag('path', { d: `M${at(0, -1.2)}L${at(1.1, 0.9)}L${at(-1.1, 0.9)}Z`, fill: color }),
    cross: () => tag('path', { d: `M${at(-1, -1)}L${at(1, 1)}M${at(-1, 1)}L${at(1, -1)}`, ...STROKE, stroke: color }),
    plus: () => tag('path', { d: `M${at(-1.2, 0)}L${at(1.2, 0)}M${at(0, -1.2)}L${at(0, 1.2)}`, ...STROKE, stroke: color }),
  };
  return shapes[marker]();
}

/** The legend in rows above the plot, where it hides no data. */
function layOutLegend(series: readonly Series[], width: number): { height: number; marks(top: number): Mark[] } {
  const named = series.filter((one) => one.label !== undefined);
  const gap = 20;
  const rowHeight = SIZE + 9;
  let [column, row] = [0, 0];
  const placed = named.map(({ label = '', style }) => {
    const size = SAMPLE + 8 + textWidth(label, SIZE);
    if (column > 0 && column + size > width) [column, row] = [0, row + 1];
    const place = { label, style, x: PAD + column, row };
    column += size + gap;
    return place;
  });
  const marks = (top: number) =>
    placed.flatMap(({ label, style, x, row: at }): Mark[] => {
      const middle = top + at * rowHeight + SIZE / 2;
      const stroke = { ...STROKE, stroke: style.color, 'stroke-dasharray': style.dash?.join(' ') || undefined };
      return [
        ...(style.dash ? [tag('path', { d: `M${decimal(x)} ${decimal(middle)}h${SAMPLE}`, ...stroke })] : []),
        ...(style.marker ? [drawMarker(style.marker, { x: x + SAMPLE / 2, y: middle }, style.color)] : []),
        { text: label, x: x + SAMPLE + 8, y: middle + SIZE * 0.36, size: SIZE, fill: INK },
      ];
    });
  return { height: named.length > 0 ? (row + 1) * rowHeight + 4 : 0, marks };
}

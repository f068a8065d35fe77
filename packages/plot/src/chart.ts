/** Draws a line chart: title, legend above the plot, axes, series. */
import { line } from 'd3-shape';
import { annotationMarks } from './annotate';
import { makeAxis } from './axis';
import type { TextSize } from './characters';
import { Figure, type FigurePoint } from './figure';
import {
  axesMarks,
  clipped,
  footHeight,
  formatNumber,
  layOutPlane,
  nameMarks,
  PAD,
  type Plane,
  titleHeight,
} from './frame';
import { drawMarker, layOutLegend, STROKE } from './legend';
import type { DrawSettings, Point, Series } from './series';
import { decimal, type Mark, tag } from './svg';
import { toTerminal } from './terminal';
import { toVegaLite } from './vega';

/** Draws series in one pair of axes. */
export function drawChart(
  series: readonly Series[],
  options: DrawSettings,
  description: string,
): Figure {
  return drawOver(series, options, { description });
}

export interface Backdrop {
  description: string;
  /** Marks below the series, such as contours. */
  under?: (plane: Plane) => readonly Mark[];
  /** Marks right of the axes, such as a colour bar, and their width in pixels. */
  rightOf?: { width: number; marks(plane: Plane): readonly Mark[] };
  /** Values that an HTML page shows, in addition to those of the series. */
  points?: (plane: Plane) => readonly FigurePoint[];
  /** Pixels from the box's edges to the ends of the axes. @default 10 and 6 */
  inset?: { x: number; y: number };
  /** Draws the chart in characters. @default draws the series */
  text?: (size: TextSize) => string;
}

/** Draws series in one pair of axes, over a backdrop. */
export function drawOver(
  series: readonly Series[],
  options: DrawSettings,
  backdrop: Backdrop,
): Figure {
  const {
    width = 560,
    height = 400,
    title,
    xlabel,
    ylabel,
    xlim,
    ylim,
    xscale = 'linear',
    yscale = 'linear',
    fromZero = 'counts',
  } = options;
  const legend = layOutLegend(series, width - 2 * PAD);
  const points = series.flatMap((one) => one.points);
  const plane = layOutPlane({
    x: (pixels, room) =>
      makeAxis({
        values: points.map(({ x }) => x),
        limits: xlim,
        scale: xscale,
        pixels,
        room,
        nice: false,
      }),
    y: (pixels, room) =>
      makeAxis({
        values: points.map(({ y }) => y),
        limits: ylim,
        scale: yscale,
        pixels,
        room,
        nice: true,
        fromZero,
      }),
    top: PAD + titleHeight(title) + legend.height,
    bottom: height - footHeight(xlabel),
    right: width - PAD - 6 - (backdrop.rightOf?.width ?? 0),
    ylabel,
    ...(backdrop.inset && { inset: backdrop.inset }),
  });
  const marks: Mark[] = [
    ...(backdrop.under?.(plane) ?? []),
    ...axesMarks(plane, backdrop.under ? 'none' : 'both'),
    ...series.flatMap((one) => drawSeries(one, plane)),
    ...legend.marks(PAD + titleHeight(title)),
    ...nameMarks({ title, xlabel, ylabel }, { box: plane.box, width, height }),
    ...(backdrop.rightOf?.marks(plane) ?? []),
    ...annotationMarks(options.annotate ?? [], plane),
  ];
  return new Figure(marks, {
    width,
    height,
    description: backdrop.description,
    points: [...hoverPoints(series, plane, xlabel), ...(backdrop.points?.(plane) ?? [])],
    text: backdrop.text ?? ((size) => toTerminal(series, options, size)),
    ...(!backdrop.under && { vegaLite: () => toVegaLite(series, options, backdrop.description) }),
  });
}

/** Labels for the pointer, such as `test acc: 0.85 at epoch 3`; none for points off the axes. */
function hoverPoints(
  series: readonly Series[],
  { x, y, box }: Plane,
  xlabel: string | undefined,
): FigurePoint[] {
  const inside = (at: { x: number; y: number }) =>
    at.x >= box.x && at.x <= box.x + box.width && at.y >= box.y && at.y <= box.y + box.height;
  return series.flatMap(({ label, points }) =>
    points
      .map((point) => ({
        x: x.at(point.x),
        y: y.at(point.y),
        label: [
          label ? `${label}: ` : '',
          `${formatNumber(point.y)} at ${xlabel || 'x'} ${formatNumber(point.x)}`,
        ].join(''),
      }))
      .filter(inside),
  );
}

function drawSeries({ points, style, markers }: Series, { x, y, box }: Plane): string[] {
  // A point far above or below must not leave the plot.
  const inside = (at: number) => Math.min(Math.max(at, box.y - 4), box.y + box.height + 4);
  const placed = points.map((point) => ({ x: x.at(point.x), y: inside(y.at(point.y)) }));
  const there = (point: Point) => Number.isFinite(point.x) && Number.isFinite(point.y);
  const marks: string[] = [];
  if (style.dash) {
    const path = line<Point>(
      (point) => Number(decimal(point.x)),
      (point) => Number(decimal(point.y)),
    ).defined(there)(placed);
    const dash = style.dash.length > 0 ? style.dash.join(' ') : undefined;
    if (path)
      marks.push(
        tag('path', { d: path, ...STROKE, stroke: style.color, 'stroke-dasharray': dash }),
      );
  }
  // A point between two gaps has no line that shows it, so it gets a marker.
  const lonely = (_: Point, i: number) =>
    ![placed[i - 1], placed[i + 1]].some((other) => other && there(other));
  const shown = (_: Point, i: number) => !markers || (i - markers.from) % markers.every === 0;
  const marked = placed.filter(
    (point, i) => there(point) && ((style.marker && shown(point, i)) || lonely(point, i)),
  );
  const all = [
    ...marks,
    ...marked.map((point) => drawMarker(style.marker ?? 'circle', point, style.color)),
  ];
  const beyond = placed.some((point) => point.x < box.x || point.x > box.x + box.width);
  return beyond ? [clipped(all, box)] : all;
}

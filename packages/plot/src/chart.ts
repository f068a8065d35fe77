/** A chart of lines as the marks of a figure: title, legend above the plot, axes, series. */
import { line } from 'd3-shape';
import { annotationMarks } from './annotate';
import { makeAxis } from './axis';
import type { TextSize } from './characters';
import { Figure, type FigurePoint } from './figure';
import {
  axesMarks,
  clipped,
  footHeight,
  layOutPlane,
  nameMarks,
  PAD,
  type Plane,
  short,
  titleHeight,
} from './frame';
import { drawMarker, layOutLegend, STROKE } from './legend';
import type { ChartSettings, Point, Series } from './series';
import { decimal, type Mark, tag } from './svg';
import { toTerminal } from './terminal';
import { toVegaLite } from './vega';

/** Draws series on one pair of axes. */
export function drawChart(
  series: readonly Series[],
  options: ChartSettings,
  description: string,
): Figure {
  return drawOver(series, options, { description });
}

export interface Backdrop {
  description: string;
  /** What lies below the series, such as contours. */
  under?: (plane: Plane) => readonly Mark[];
  /** What stands right of the axes, such as a colour bar, and how wide it is. */
  beside?: { width: number; marks(plane: Plane): readonly Mark[] };
  /** Values beside the series' that an HTML page shows. */
  points?: (plane: Plane) => readonly FigurePoint[];
  inset?: { x: number; y: number };
  /** Draws it in characters. @default the series */
  text?: (size: TextSize) => string;
}

/** Draws series on one pair of axes, over something else. */
export function drawOver(
  series: readonly Series[],
  options: ChartSettings,
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
      }),
    top: PAD + titleHeight(title) + legend.height,
    bottom: height - footHeight(xlabel),
    right: width - PAD - 6 - (backdrop.beside?.width ?? 0),
    ylabel,
    ...(backdrop.inset && { inset: backdrop.inset }),
  });
  const marks: Mark[] = [
    ...(backdrop.under?.(plane) ?? []),
    ...axesMarks(plane, backdrop.under ? 'none' : 'both'),
    ...series.flatMap((one) => drawSeries(one, plane)),
    ...legend.marks(PAD + titleHeight(title)),
    ...nameMarks({ title, xlabel, ylabel }, { box: plane.box, width, height }),
    ...(backdrop.beside?.marks(plane) ?? []),
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

/**
 * What the values under a pointer are called: `test acc: 0.85 at epoch 3`. Points outside the axes'
 * limits have none.
 */
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
        label: `${label ? `${label}: ` : ''}${short(point.y)} at ${xlabel || 'x'} ${short(point.x)}`,
      }))
      .filter(inside),
  );
}

function drawSeries({ points, style, markers }: Series, { x, y, box }: Plane): string[] {
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
    if (path)
      marks.push(
        tag('path', { d: path, ...STROKE, stroke: style.color, 'stroke-dasharray': dash }),
      );
  }
  // A point between two gaps has no line to show it.
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

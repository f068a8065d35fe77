/** Contour plots of functions of two variables, loss landscapes, and the path of an optimizer. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { scaleLinear } from 'd3-scale';
import { isNarrow } from './axis';
import { toBlocks } from './blocks';
import { checkMatrix, countColumns, type Matrix } from './cells';
import type { TextSize } from './characters';
import { drawOver } from './chart';
import { COLORMAPS, type ColormapName, finiteExtent } from './colormap';
import type { Grid } from './contour-lines';
import { bandColor, bandMarks, levelBar, lineMarks } from './contour-marks';
import type { Figure, FigurePoint } from './figure';
import { formatNumber } from './frame';
import {
  type ChartOptions,
  type ChartSettings,
  chartRules,
  type Limits,
  type Point,
  resolveAliases,
  type Series,
} from './series';
import { parseFmt } from './style';

type Surface = (x: number, y: number) => number;

export interface ContourOptions
  extends Omit<ChartOptions, 'legend' | 'fmts' | 'xscale' | 'yscale' | 'xScale' | 'yScale'> {
  /** The levels of the lines, or their approximate number at round values. @default 10 */
  levels?: number | readonly number[];
  /**
   * Whether levels have equal differences (`linear`) or equal ratios (`log`), for losses that rise
   * steeply. @default 'linear'
   */
  zscale?: 'linear' | 'log';
  /**
   * Whether the bands between the lines are filled with colours, with a colour bar. @default true;
   * false for `showTrace2d`
   */
  filled?: boolean;
  /** @default 'viridis' */
  cmap?: ColormapName;
  /** Number of points along each axis at which a function is computed. @default 81 */
  resolution?: number;
}

const { legend: _, fmts: __, xscale: ___, yscale: ____, ...rules } = chartRules;
const options = rule.object({
  ...rules,
  levels: rule
    .custom<number | readonly number[]>(
      (value) =>
        (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 100) ||
        isIncreasing(value),
      'an integer from 1 to 100, or a list of increasing finite numbers',
    )
    .optional(),
  zscale: rule.oneOf(['linear', 'log']).optional(),
  filled: rule.boolean().optional(),
  cmap: rule.oneOf(COLORMAPS).optional(),
  resolution: rule.integer({ min: 2, max: 1000 }).optional(),
});

function isIncreasing(value: unknown): boolean {
  const isList =
    (Array.isArray(value) || ArrayBuffer.isView(value)) && (value as number[]).length > 0;
  return (
    isList &&
    Array.from(value as number[]).every(
      (at, i, all) => Number.isFinite(at) && (i === 0 || at > (all[i - 1] as number)),
    )
  );
}

type Settings = ChartSettings &
  Pick<ContourOptions, 'levels' | 'zscale' | 'filled' | 'cmap' | 'resolution'>;

const readSettings = (where: string, given: ContourOptions) =>
  checkOptions(where, options, resolveAliases(where, given)) as Settings;

/**
 * Draws contours of a function of two variables, or of a grid such as `lossLandscape` returns.
 * @param surface a function, which needs `xlim` and `ylim`; a matrix, whose rows are at y = 0, 1,
 *   ..., the first one lowest; or `{ x, y, z }` with `z[j][i]` at (`x[i]`, `y[j]`). NaN leaves a
 *   gap
 * @throws RangeError when the grid is not valid, a function comes without `xlim` and `ylim`, or a
 *   logarithmic `zscale` without values above 0
 * @example
 * plotContours((x, y) => x ** 2 + 2 * y ** 2, { xlim: [-3, 3], ylim: [-2, 2] });
 *
 */
export function plotContours(surface: Surface | Matrix | Grid, given: ContourOptions = {}): Figure {
  const where = '[plot] plotContours';
  const settings = readSettings(where, given);
  return draw(where, readGrid(where, surface, settings), {
    settings: { filled: true, ...settings },
    trace: [],
  });
}

/**
 * Draws the path of an optimizer over the contours of the function that it minimizes. The book's
 * `show_trace_2d` (d2l 12.3, zh 11.3).
 * @param results the points in order, each `[x1, x2]`; further elements of a point are ignored
 * @throws RangeError when there is no point, or a point is not finite
 * @example
 * showTrace2d((x1, x2) => 0.1 * x1 ** 2 + 2 * x2 ** 2, [[-5, -2], [-3, -0.4], [-1.8, -0.1]]);
 */
export function showTrace2d(
  f: Surface,
  results: readonly (readonly number[])[],
  given: ContourOptions = {},
): Figure {
  const where = '[plot] showTrace2d';
  const settings = readSettings(where, given);
  const isPoint = (point: unknown) =>
    Array.isArray(point) && point.length >= 2 && point.slice(0, 2).every(Number.isFinite);
  if (!Array.isArray(results) || results.length === 0 || !results.every(isPoint)) {
    throw new RangeError(
      `${where}: expected points of finite numbers, [x1, x2] each, got ${formatValue(results)}`,
    );
  }
  const trace = results.map(([x = 0, y = 0]): Point => ({ x, y }));
  const around = { xlim: spread(trace.map(({ x }) => x)), ylim: spread(trace.map(({ y }) => y)) };
  const all = { xlabel: 'x1', ylabel: 'x2', ...around, ...settings };
  return draw(where, readGrid(where, f, all), { settings: all, trace });
}

/** Limits around the values, with an eighth of their range on either side. */
function spread(values: readonly number[]): Limits {
  const [low, high] = finiteExtent(values);
  const margin = (high - low) / 8 || Math.max(0.5, Math.abs(low) / 8);
  return [low - margin, high + margin];
}

function readGrid(where: string, surface: Surface | Matrix | Grid, settings: Settings): Grid {
  if (typeof surface === 'function') return sample(where, surface, settings);
  const isGrid = typeof surface === 'object' && surface !== null && 'z' in surface;
  const z = isGrid ? surface.z : surface;
  checkMatrix(where, z);
  const rows = z.length;
  const columns = countColumns(z);
  const count = (length: number) => Array.from({ length }, (_, i) => i);
  const grid = isGrid ? surface : { x: count(columns), y: count(rows), z };
  if (rows < 2 || columns < 2)
    throw new RangeError(
      `${where}: expected at least 2 rows and 2 columns, got ${rows} × ${columns}`,
    );
  for (const [name, values, expected] of [
    ['x', grid.x, columns],
    ['y', grid.y, rows],
  ] as const) {
    if (!isIncreasing(values) || values.length !== expected)
      throw new RangeError(
        `${where}: expected "${name}" to be ${expected} increasing finite numbers, ` +
          `got ${formatValue(values)}`,
      );
  }
  return grid;
}

function sample(where: string, f: Surface, { xlim, ylim, resolution = 81 }: Settings): Grid {
  if (!xlim || !ylim)
    throw new RangeError(
      `${where}: expected "xlim" and "ylim", the area in which to compute the function`,
    );
  const along = ([low, high]: Limits) =>
    Array.from({ length: resolution }, (_, i) => low + ((high - low) * i) / (resolution - 1));
  const x = along(xlim);
  const y = along(ylim);
  return { x, y, z: y.map((at) => x.map((other) => Number(f(other, at)))) };
}

function draw(
  where: string,
  grid: Grid,
  { settings, trace }: { settings: Settings; trace: readonly Point[] },
): Figure {
  const { cmap = 'viridis', filled = false, title } = settings;
  const levels = chooseLevels(where, grid, settings);
  const [low, high] = finiteExtent(grid.z.flatMap((row) => Array.from(row)));
  const ends = (values: ArrayLike<number>): Limits => [
    values[0] ?? 0,
    values[values.length - 1] ?? 1,
  ];
  const axes = {
    ...settings,
    xlim: settings.xlim ?? ends(grid.x),
    ylim: settings.ylim ?? ends(grid.y),
  };
  const every = Math.max(1, Math.ceil(trace.length / 60));
  const path: Series = {
    label: undefined,
    points: trace,
    style: parseFmt('ro-'),
    markers: { every, from: 0 },
  };
  const pathText = trace.length > 0 ? ` and a path of ${trace.length} points` : '';
  return drawOver(trace.length > 0 ? [path] : [], axes, {
    description:
      title ?? `Contours of values from ${formatNumber(low)} to ${formatNumber(high)}${pathText}`,
    under: (plane) =>
      filled
        ? bandMarks(grid, plane, { cmap, levels })
        : lineMarks(grid, plane, { color: parseFmt('b').color, levels }),
    ...(filled && { rightOf: levelBar({ cmap, levels }) }),
    points: (plane) =>
      gridPoints(grid).map(({ x, y, label }) => ({ x: plane.x.at(x), y: plane.y.at(y), label })),
    inset: { x: 0, y: 0 },
    ...(trace.length === 0 && { text: (size) => toText(grid, { cmap, levels, size, title }) }),
  });
}

function chooseLevels(
  where: string,
  { z }: Grid,
  { levels = 10, zscale = 'linear' }: Settings,
): readonly number[] {
  if (typeof levels !== 'number') return levels;
  const values = z.flatMap((row) => Array.from(row));
  if (zscale === 'linear') {
    const [least, most] = finiteExtent(values);
    if (isNarrow([least, most])) return []; // a plane: no level lies between
    return scaleLinear()
      .domain([least, most])
      .ticks(levels)
      .filter((level) => level > least && level < most);
  }
  const [low, high] = finiteExtent(values.filter((value) => value > 0));
  if (!values.some((value) => value > 0 && Number.isFinite(value)))
    throw new RangeError(`${where}: expected values above 0 for zscale: 'log', got none`);
  const between = Array.from({ length: levels }, (_, k) =>
    Number((low * (high / low) ** ((k + 1) / (levels + 1))).toPrecision(2)),
  );
  return [...new Set(between)];
}

const HOVER = 31; // points of an axis, about, that have a label for the pointer

function gridPoints({ x, y, z }: Grid): FigurePoint[] {
  const thin = (values: ArrayLike<number>) => {
    const every = Math.ceil(values.length / HOVER);
    return Array.from(values, (at, i) => ({ at, i })).filter(({ i }) => i % every === 0);
  };
  return thin(y).flatMap(({ at: v, i: j }) =>
    thin(x).flatMap(({ at: u, i }) => {
      const value = z[j]?.[i] ?? Number.NaN;
      return Number.isNaN(value)
        ? []
        : [
            {
              x: u,
              y: v,
              label: `${formatNumber(value)} at (${formatNumber(u)}, ${formatNumber(v)})`,
            },
          ];
    }),
  );
}

function toText(
  { z }: Grid,
  {
    cmap,
    levels,
    size,
    title,
  }: { cmap: ColormapName; levels: readonly number[]; size: TextSize; title: string | undefined },
): string {
  const height = z.length;
  const width = countColumns(z);
  const at = (x: number, y: number) => {
    const value = z[height - 1 - y]?.[x] ?? Number.NaN;
    return Number.isNaN(value)
      ? undefined
      : bandColor(cmap, levels.filter((level) => value >= level).length, levels);
  };
  const lines = toBlocks(
    { width, height, at },
    { columns: size.width, lines: (size.height ?? 24) - (title ? 1 : 0) },
    size.color,
  );
  return [...(title ? [title] : []), ...lines].join('\n');
}

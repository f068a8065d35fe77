/** The series of a line chart, and the options that all charts take. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type Annotation, annotationsRule } from './annotate';
import { DEFAULT_FMTS, isFmt, type SeriesStyle, styleAt } from './style';

export interface Series {
  readonly label: string | undefined;
  readonly points: readonly Point[];
  readonly style: SeriesStyle;
  /** Which points get the style's marker. @default all */
  readonly markers?: { readonly every: number; readonly from: number };
}

/** A point of a line; the line has a gap where y is not finite. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Limits = readonly [low: number, high: number];

/** Options of a chart, under the book's and matplotlib's names. */
export interface ChartSettings {
  /** A line above the chart. @default none */
  title?: string;
  /** The label of the x axis. @default none */
  xlabel?: string;
  /** The label of the y axis. @default none */
  ylabel?: string;
  /** A name for each series. @default no legend */
  legend?: readonly string[];
  /** Ends of the x axis. @default the least and the largest x */
  xlim?: Limits;
  /** Ends of the y axis. @default round numbers around the data */
  ylim?: Limits;
  /** @default 'linear' */
  xscale?: 'linear' | 'log';
  /** @default 'linear' */
  yscale?: 'linear' | 'log';
  /**
   * How each series looks, as matplotlib's format strings: a colour of `bmgrcyk`, a line style of
   * `-`, `--`, `-.`, `:`, a marker of `o.s^x+`, each optional. @default the book's: '-', 'm--',
   * 'g-.', 'r:', and four more
   */
  fmts?: readonly string[];
  /** Texts with an arrow to a point. @default none */
  annotate?: readonly Annotation[];
  /** Pixels. @default 560 */
  width?: number;
  /** Pixels. @default 400 */
  height?: number;
}

/** `ChartSettings` and what a chart function, not its caller, decides. */
export interface DrawSettings extends ChartSettings {
  /**
   * Whether the y axis starts at 0 if no value is negative. @default 'counts', only if all values
   * are integers too
   */
  fromZero?: boolean | 'counts';
}

/** camelCase spellings of matplotlib's names, for TypeScript users who expect them. */
const ALIASES = {
  xLabel: 'xlabel',
  yLabel: 'ylabel',
  xLim: 'xlim',
  yLim: 'ylim',
  xScale: 'xscale',
  yScale: 'yscale',
} as const;

type Aliased = { [alias in keyof typeof ALIASES]?: ChartSettings[(typeof ALIASES)[alias]] };

/** `ChartSettings`; two-word names may also be spelled in camelCase: `xlabel` or `xLabel`. */
export interface ChartOptions extends ChartSettings, Aliased {}

export const limits = () =>
  rule.custom<Limits>(
    (value) =>
      Array.isArray(value) &&
      value.length === 2 &&
      value.every(Number.isFinite) &&
      value[0] < value[1],
    'two finite numbers, [low, high]',
  );
export const side = () => rule.integer({ min: 120, max: 8192 });

export const chartRules = {
  title: rule.string().optional(),
  xlabel: rule.string().optional(),
  ylabel: rule.string().optional(),
  legend: rule.list(rule.string(), 'a list of strings').optional(),
  xlim: limits().optional(),
  ylim: limits().optional(),
  xscale: rule.oneOf(['linear', 'log']).optional(),
  yscale: rule.oneOf(['linear', 'log']).optional(),
  fmts: rule
    .list(
      rule.custom<string>(isFmt, "a format such as '-', 'm--' or 'ro'"),
      'a list of at least one format',
      { min: 1 },
    )
    .optional(),
  annotate: annotationsRule.optional(),
  width: side().optional(),
  height: side().optional(),
};

const chartSchema = rule.object(chartRules);

/**
 * Checks a chart's options and returns them under matplotlib's names.
 * @throws TypeError when an option is given under both its names
 */
export function chartOptions(where: string, options: ChartOptions): ChartSettings {
  return checkOptions(where, chartSchema, resolveAliases(where, options)) as ChartSettings;
}

/** Returns the options under matplotlib's names, unchecked. */
export function resolveAliases(where: string, options: object): object {
  if (typeof options !== 'object' || options === null) return options;
  const names = new Set<string>();
  const entries = Object.entries(options).flatMap(([given, value]) => {
    if (value === undefined) return [];
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given as keyof typeof ALIASES] : given;
    if (names.has(name))
      throw new TypeError(
        `${where}: "${given}" and another spelling of it are both given; remove one of them`,
      );
    names.add(name);
    return [[name, value]];
  });
  return Object.fromEntries(entries);
}

/**
 * Makes series from columns of points, with names and styles from the options.
 * @throws RangeError when the numbers of columns and names differ
 */
export function makeSeries(
  where: string,
  columns: readonly (readonly Point[])[],
  { legend, fmts }: ChartSettings,
): Series[] {
  if (legend && legend.length !== columns.length) {
    throw new RangeError(
      `${where}: expected ${columns.length} names in "legend", one for each series, ` +
        `got ${legend.length}: ${formatValue(legend)}`,
    );
  }
  return columns.map((points, i) => ({
    label: legend?.[i],
    points,
    style: styleAt(fmts ?? DEFAULT_FMTS, i),
  }));
}

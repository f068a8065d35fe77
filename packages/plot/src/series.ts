/** One line of a chart, and the options that all charts take. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type Annotation, annotationsRule } from './annotate';
import { DEFAULT_FMTS, isFmt, type SeriesStyle, styleAt } from './style';

export interface Series {
  readonly label: string | undefined;
  readonly points: readonly Point[];
  readonly style: SeriesStyle;
  /** Which points have a marker, where the style has one. @default all */
  readonly markers?: { readonly every: number; readonly from: number };
}

/** Where y is not finite the line has a gap. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Limits = readonly [low: number, high: number];

/** What a chart is told, under the book's and matplotlib's names. */
export interface ChartSettings {
  title?: string;
  xlabel?: string;
  ylabel?: string;
  /** A name for each series. */
  legend?: readonly string[];
  /** Ends of an axis. @default what the data needs */
  xlim?: Limits;
  ylim?: Limits;
  /** @default 'linear' */
  xscale?: 'linear' | 'log';
  yscale?: 'linear' | 'log';
  /**
   * How each series looks, in matplotlib's words: a colour of `bmgrcyk`, a line of `-`, `--`, `-.`,
   * `:`, a marker of `o.s^x+`.
   */
  fmts?: readonly string[];
  /** Texts with an arrow to a point. */
  annotate?: readonly Annotation[];
  /** Pixels. @default 560 */
  width?: number;
  /** Pixels. @default 400 */
  height?: number;
}

/** Other names that options may come under. */
const ALIASES = {
  xLabel: 'xlabel',
  yLabel: 'ylabel',
  xLim: 'xlim',
  yLim: 'ylim',
  xScale: 'xscale',
  yScale: 'yscale',
} as const;

type Aliased = { [alias in keyof typeof ALIASES]?: ChartSettings[(typeof ALIASES)[alias]] };

/** `ChartSettings`, under either kind of names: `xlabel` or `xLabel`. */
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
export const side = () =>
  rule
    .positiveInteger()
    .min(120, 'an integer of at least 120')
    .max(8192, 'an integer of at most 8192');

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
    .list(rule.custom<string>(isFmt, "a format such as '-', 'm--' or 'ro'"), 'a list of formats')
    .min(1, 'a list of at least one format')
    .optional(),
  annotate: annotationsRule.optional(),
  width: side().optional(),
  height: side().optional(),
};

const chartSchema = rule.object(chartRules);

/**
 * A chart's options, checked, under their first names. @throws TypeError where an option comes
 * under both its names
 */
export function chartOptions(where: string, options: ChartOptions): ChartSettings {
  return checkOptions(where, chartSchema, renamed(where, options)) as ChartSettings;
}

/** Options under their first names, not checked. */
export function renamed(where: string, options: object): object {
  if (typeof options !== 'object' || options === null) return options;
  const names = new Set<string>();
  const entries = Object.entries(options).flatMap(([given, value]) => {
    if (value === undefined) return [];
    const name = Object.hasOwn(ALIASES, given) ? ALIASES[given as keyof typeof ALIASES] : given;
    if (names.has(name))
      throw new TypeError(
        `${where}: "${given}" is another name of an option that is there; give one of them`,
      );
    names.add(name);
    return [[name, value]];
  });
  return Object.fromEntries(entries);
}

/**
 * Series from columns of points; names and styles come from the options. @throws RangeError when
 * their numbers differ
 */
export function makeSeries(
  where: string,
  columns: readonly (readonly Point[])[],
  { legend, fmts }: ChartSettings,
): Series[] {
  if (legend && legend.length !== columns.length) {
    throw new RangeError(
      `${where}: expected ${columns.length} names in "legend", one a series, got ${legend.length}: ${formatValue(legend)}`,
    );
  }
  return columns.map((points, i) => ({
    label: legend?.[i],
    points,
    style: styleAt(fmts ?? DEFAULT_FMTS, i),
  }));
}

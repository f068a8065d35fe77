/** One line of a chart, and the options that all charts take. */
import { rule, show } from '@deepend/checks';
import { DEFAULT_FMTS, isFmt, type SeriesStyle, styleAt } from './style';

export interface Series {
  readonly label: string | undefined;
  readonly points: readonly Point[];
  readonly style: SeriesStyle;
}

/** Where y is not finite the line has a gap. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export type Limits = readonly [low: number, high: number];

export interface ChartOptions {
  title?: string;
  xLabel?: string;
  yLabel?: string;
  /** A name for each series. */
  legend?: readonly string[];
  /** Ends of an axis. @default what the data needs */
  xLim?: Limits;
  yLim?: Limits;
  /** @default 'linear' */
  xScale?: 'linear' | 'log';
  yScale?: 'linear' | 'log';
  /** How each series looks, in matplotlib's words: a colour of `bmgrcyk`, a line of `-`, `--`, `-.`, `:`, a marker of `o.s^x+`. */
  fmts?: readonly string[];
  /** Pixels. @default 560 */
  width?: number;
  /** Pixels. @default 400 */
  height?: number;
}

const limits = () =>
  rule.that<Limits>(
    (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] < value[1],
    'two finite numbers, [low, high]',
  );
const side = () => rule.positiveInteger().min(120, 'a whole number of at least 120').max(8192, 'a whole number of at most 8192');

export const chartRules = {
  title: rule.text().optional(),
  xLabel: rule.text().optional(),
  yLabel: rule.text().optional(),
  legend: rule.list(rule.text(), 'a list of texts').optional(),
  xLim: limits().optional(),
  yLim: limits().optional(),
  xScale: rule.oneOf(['linear', 'log']).optional(),
  yScale: rule.oneOf(['linear', 'log']).optional(),
  fmts: rule
    .list(rule.that<string>(isFmt, "a format such as '-', 'm--' or 'ro'"), 'a list of formats')
    .min(1, 'a list of at least one format')
    .optional(),
  width: side().optional(),
  height: side().optional(),
};

/** Series from columns of points; names and styles come from the options. @throws RangeError when their numbers differ */
export function makeSeries(where: string, columns: readonly (readonly Point[])[], { legend, fmts }: ChartOptions): Series[] {
  if (legend && legend.length !== columns.length) {
    throw new RangeError(
      `${where}: expected ${columns.length} names in "legend", one a series, got ${legend.length}: ${show(legend)}`,
    );
  }
  return columns.map((points, i) => ({ label: legend?.[i], points, style: styleAt(fmts ?? DEFAULT_FMTS, i) }));
}

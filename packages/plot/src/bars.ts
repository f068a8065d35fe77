/** Bar charts, with single bars or groups. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import {
  type Bars,
  barMarks,
  formatBarValue,
  layOutBars,
  type Place,
  placeBars,
  valueMarks,
} from './bar-layout';
import { barLines } from './blocks';
import type { TextSize } from './characters';
import { Figure, type FigurePoint } from './figure';
import { axesMarks, footHeight, formatNumber, nameMarks, PAD, SIZE, titleHeight } from './frame';
import { layOutLegend } from './legend';
import { type Limits, limits, side } from './series';
import { DEFAULT_FMTS, styleAt } from './style';
import type { Mark } from './svg';
import { textWidth } from './text';

/** The error of a value: the same below and above it, or [below, above]. */
export type BarError = number | readonly [below: number, above: number];

export interface BarsOptions {
  /** A name for each bar or group. @default its number, from 1 */
  labels?: readonly string[];
  /** A name for each series. @default no legend */
  legend?: readonly string[];
  /** Drawn as whiskers at the bars' ends; the same shape as the values. @default none */
  errors?: readonly BarError[] | readonly (readonly BarError[])[];
  /** A line above the chart. @default none */
  title?: string;
  /** The name of the labels' axis, vertical or not. @default none */
  xlabel?: string;
  /** The name of the values' axis, vertical or not. @default none */
  ylabel?: string;
  /** Ends of the values' axis. @default 0 and the largest value */
  ylim?: Limits;
  /**
   * Whether the bars are horizontal, one below the other. @default if the labels are too long to
   * stand next to each other
   */
  horizontal?: boolean;
  /** Whether values are written at the bars. @default if there are at most 30 bars */
  values?: boolean;
  /** Pixels. @default 560 */
  width?: number;
  /** Pixels. @default 400, or what horizontal bars need */
  height?: number;
}

const strings = (message: string) => rule.list(rule.string(), message).optional();
const distance = (value: unknown) => Number.isFinite(value) && (value as number) >= 0;
const isError = (value: unknown) =>
  distance(value) || (Array.isArray(value) && value.length === 2 && value.every(distance));
const options = rule.object({
  labels: strings('a list of strings'),
  legend: strings('a list of names'),
  errors: rule
    .custom<NonNullable<BarsOptions['errors']>>(
      (value) =>
        Array.isArray(value) &&
        value.every((one) => isError(one) || (Array.isArray(one) && one.every(isError))),
      'numbers of at least 0 or pairs [below, above], in the shape of the values',
    )
    .optional(),
  title: rule.string().optional(),
  xlabel: rule.string().optional(),
  ylabel: rule.string().optional(),
  ylim: limits().optional(),
  horizontal: rule.boolean().optional(),
  values: rule.boolean().optional(),
  width: side().optional(),
  height: side().optional(),
});

const WHERE = '[plot] plotBars';
const MOST_SERIES = 7; // more colours could not be distinguished

/**
 * Draws bars from 0. A value that is not finite has no bar.
 * @param values a list, or one list for each series; the series' bars stand in groups
 * @throws RangeError when the numbers of values, labels, names or errors do not match, or there are
 *   more than 7 series
 * @example
 * const labels = ['ResNet-18', 'VGG-11', 'AlexNet'];
 * plotBars([5032.7, 2464, 3942], { labels, ylabel: 'samples/s' });
 */
export function plotBars(values: Values, settings: BarsOptions = {}): Figure {
  const checked = checkOptions(WHERE, options, settings) as BarsOptions;
  const bars = readBars(values, checked);
  const { title, xlabel, ylabel, width = 560 } = checked;
  const fits = (label: string) => textWidth(label, SIZE) <= (width - 90) / bars.labels.length - 8;
  const horizontal =
    checked.horizontal ?? (checked.labels !== undefined && !bars.labels.every(fits));
  const legend = layOutLegend(
    bars.series.map(({ label, style }) => ({ label, style, patch: true })),
    width - 2 * PAD,
  );
  const top = PAD + titleHeight(title) + legend.height;
  const names = horizontal ? { title, xlabel: ylabel, ylabel: xlabel } : { title, xlabel, ylabel };
  const each = bars.series.length * 18 + 12;
  const height =
    checked.height ??
    (horizontal ? Math.max(120, top + bars.labels.length * each + footHeight(names.xlabel)) : 400);
  const shown = checked.values ?? bars.labels.length * bars.series.length <= 30;
  const { ylim } = checked;
  const plane = layOutBars(bars, {
    horizontal,
    shown,
    top,
    bottom: height - footHeight(names.xlabel),
    width,
    ylim,
    ylabel: names.ylabel,
  });
  const places = placeBars(bars, plane, horizontal);
  const marks: Mark[] = [
    ...axesMarks(plane, horizontal ? 'x' : 'y'),
    ...places.flatMap((place) => barMarks(place, horizontal)),
    ...(shown ? valueMarks(places, horizontal) : []),
    ...legend.marks(PAD + titleHeight(title)),
    ...nameMarks(names, { box: plane.box, width, height }),
  ];
  const what = ylabel ?? bars.series.map(({ label }) => label ?? 'values').join(', ');
  const description = title ?? `Bars of ${what} for ${bars.labels.join(', ')}`;
  return new Figure(marks, {
    width,
    height,
    description,
    points: places.map((place) => hover(place, horizontal)),
    text: (size) => toText(bars, { title, size }),
  });
}

type Values = ArrayLike<number> | readonly ArrayLike<number>[];

function readBars(values: Values, { labels, legend, errors }: BarsOptions): Bars {
  const lists = readSeries(values);
  const count = lists[0]?.length ?? 0;
  checkCount('labels', labels, { expected: count, what: 'bar' });
  checkCount('legend', legend, { expected: lists.length, what: 'series' });
  const offs =
    errors &&
    ((typeof values[0] === 'number' ? [errors] : errors) as readonly (readonly BarError[])[]);
  if (
    offs &&
    (offs.length !== lists.length ||
      offs.some((list) => !Array.isArray(list) || list.length !== count))
  ) {
    throw new RangeError(
      `${WHERE}: expected "errors" in the shape of the values, ${lists.length} × ${count}, ` +
        `got ${formatValue(errors)}`,
    );
  }
  const pair = (error: BarError | undefined) =>
    typeof error === 'number' ? ([error, error] as const) : error;
  return {
    labels: Array.from({ length: count }, (_, i) => labels?.[i] ?? String(i + 1)),
    series: lists.map((list, s) => ({
      label: legend?.[s],
      style: styleAt(DEFAULT_FMTS, s),
      bars: Array.from(list, (value, i) => ({ value, error: pair(offs?.[s]?.[i]) })),
    })),
  };
}

function readSeries(values: Values): readonly ArrayLike<number>[] {
  const isList = (list: unknown) =>
    (Array.isArray(list) || ArrayBuffer.isView(list)) && (list as number[]).length > 0;
  const lists = (
    typeof values?.[0] === 'number' ? [values] : values
  ) as readonly ArrayLike<number>[];
  if (!isList(lists) || !lists.every((list) => isList(list) && typeof list[0] === 'number')) {
    throw new RangeError(
      `${WHERE}: expected a list of numbers, or a list of such lists, got ${formatValue(values)}`,
    );
  }
  if (lists.length > MOST_SERIES)
    throw new RangeError(
      `${WHERE}: expected at most ${MOST_SERIES} series, got ${lists.length}; ` +
        'draw several figures',
    );
  const other = lists.find((list) => list.length !== lists[0]?.length);
  if (other)
    throw new RangeError(
      `${WHERE}: expected the same number of values in each series, ` +
        `got ${lists[0]?.length} and ${other.length}`,
    );
  return lists;
}

function checkCount(
  name: string,
  list: readonly string[] | undefined,
  { expected, what }: { expected: number; what: string },
): void {
  if (list && list.length !== expected)
    throw new RangeError(
      `${WHERE}: expected ${expected} "${name}", one for each ${what}, got ${list.length}`,
    );
}

/** The label for the pointer at the end of the bar, such as `simd, ResNet-18: 91.2`. */
function hover(
  { label, series, value, error, to, middle }: Place,
  horizontal: boolean,
): FigurePoint {
  const off = error ? formatError(error) : '';
  const at = horizontal ? { x: to, y: middle } : { x: middle, y: to };
  const name = series ? `${series}, ${label}` : label;
  return { ...at, label: `${name}: ${formatNumber(value)}${off}` };
}

const formatError = ([below, above]: readonly [below: number, above: number]) =>
  below === above
    ? ` ± ${formatNumber(below)}`
    : ` -${formatNumber(below)} +${formatNumber(above)}`;

function toText(
  { labels, series }: Bars,
  { title, size }: { title: string | undefined; size: TextSize },
): string {
  const bars = labels.flatMap((name, i) =>
    series.map(({ label, style, bars: list }) => {
      const value = list[i]?.value ?? Number.NaN;
      return {
        label: label ? `${name} ${label}` : name,
        value,
        text: Number.isFinite(value) ? formatBarValue(value) : '',
        ansi: style.ansi,
      };
    }),
  );
  return [...(title ? [title] : []), ...barLines(bars, size)].join('\n');
}

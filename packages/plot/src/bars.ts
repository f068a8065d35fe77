/** Bars, alone or in groups: throughput of nets, accuracies of classes. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import {
  type Bars,
  barMarks,
  layOutBars,
  type Place,
  placeBars,
  tell,
  valueMarks,
} from './bar-layout';
import { barLines } from './blocks';
import type { TextSize } from './characters';
import { Figure, type FigurePoint } from './figure';
import { axesMarks, footHeight, nameMarks, PAD, SIZE, short, titleHeight } from './frame';
import { layOutLegend } from './legend';
import { type Limits, limits, side } from './series';
import { DEFAULT_FMTS, styleAt } from './style';
import type { Mark } from './svg';
import { textWidth } from './text';

/** How far a value may be off: as much below as above it, or [below, above]. */
export type BarError = number | readonly [below: number, above: number];

export interface BarsOptions {
  /** What each bar, or each group of them, stands for. @default its number, from 1 */
  labels?: readonly string[];
  /** A name for each series. */
  legend?: readonly string[];
  /** Drawn as whiskers about the bars' ends, in the form of the values. */
  errors?: readonly BarError[] | readonly (readonly BarError[])[];
  title?: string;
  /** What the labels are. */
  xlabel?: string;
  /** What the values are. */
  ylabel?: string;
  /** Ends of the values' axis. @default from 0 to what the data needs */
  ylim?: Limits;
  /**
   * Bars to the right, one under the other. @default where the labels are too long to stand side by
   * side
   */
  horizontal?: boolean;
  /** Whether each bar tells its value. @default with at most 30 bars */
  values?: boolean;
  /** Pixels. @default 560 */
  width?: number;
  /** Pixels. @default 400, or as many as horizontal bars need */
  height?: number;
}

const texts = (message: string) => rule.list(rule.string(), message).optional();
const distance = (value: unknown) => Number.isFinite(value) && (value as number) >= 0;
const isError = (value: unknown) =>
  distance(value) || (Array.isArray(value) && value.length === 2 && value.every(distance));
const options = rule.object({
  labels: texts('a list of strings'),
  legend: texts('a list of names'),
  errors: rule
    .custom<NonNullable<BarsOptions['errors']>>(
      (value) =>
        Array.isArray(value) &&
        value.every((one) => isError(one) || (Array.isArray(one) && one.every(isError))),
      'a list of distances of at least 0, or of pairs [below, above], as the values are',
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
const MOST_SERIES = 7; // colours that can be told apart

/**
 * Bars from 0. A value that is not finite has none.
 * @param values a list, or a list for each series, whose bars stand in groups
 * @throws RangeError when series, labels or errors differ in number, or there are more than 7
 *   series
 * @example
 * plotBars([5032.7, 2464, 3942], { labels: ['ResNet-18', 'VGG-11', 'AlexNet'], ylabel: 'images/s'
 * });
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
  const description =
    title ??
    `Bars of ${ylabel ?? bars.series.map(({ label }) => label ?? 'values').join(', ')} for ${bars.labels.join(', ')}`;
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
  const lists = seriesOf(values);
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
      `${WHERE}: expected "errors" in the form of the values, ${lists.length} × ${count}, got ${formatValue(errors)}`,
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

function seriesOf(values: Values): readonly ArrayLike<number>[] {
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
      `${WHERE}: expected at most ${MOST_SERIES} series, got ${lists.length}; draw several figures`,
    );
  const other = lists.find((list) => list.length !== lists[0]?.length);
  if (other)
    throw new RangeError(
      `${WHERE}: expected as many values in each series, got ${lists[0]?.length} and ${other.length}`,
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
      `${WHERE}: expected ${expected} "${name}", one a ${what}, got ${list.length}`,
    );
}

/** `simd, ResNet-18: 91.2`, at the end of the bar. */
function hover(
  { label, series, value, error, to, middle }: Place,
  horizontal: boolean,
): FigurePoint {
  const off =
    error &&
    (error[0] === error[1] ? ` ± ${short(error[0])}` : ` -${short(error[0])} +${short(error[1])}`);
  const at = horizontal ? { x: to, y: middle } : { x: middle, y: to };
  return { ...at, label: `${series ? `${series}, ` : ''}${label}: ${short(value)}${off ?? ''}` };
}

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
        text: Number.isFinite(value) ? tell(value) : '',
        ansi: style.ansi,
      };
    }),
  );
  return [...(title ? [title] : []), ...barLines(bars, size)].join('\n');
}

/** The layout of bar charts, and the marks of their bars. */
import { type Axis, makeAxis } from './axis';
import { layOutPlane, PAD, type Plane, SIZE } from './frame';
import type { Limits } from './series';
import type { SeriesStyle } from './style';
import { type Mark, tag } from './svg';
import { cutText, textWidth } from './text';
import { INK } from './theme';

export interface Bar {
  value: number;
  error: readonly [below: number, above: number] | undefined;
}

export interface Bars {
  labels: readonly string[];
  series: readonly { label: string | undefined; style: SeriesStyle; bars: readonly Bar[] }[];
}

const LONGEST = 180; // pixels; longer labels are cut

/** The text at a bar: all digits of an integer, four digits of another number. */
export const formatBarValue = (value: number) => {
  const rounded = Number.isInteger(value) ? value : Number(value.toPrecision(4));
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e9 || size < 1e-3)) return String(Number(value.toPrecision(4)));
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 6 });
};

interface Room {
  horizontal: boolean;
  /** Whether values are written at the bars. */
  shown: boolean;
  top: number;
  bottom: number;
  /** Pixels of the figure. */
  width: number;
  ylim: Limits | undefined;
  /** The name left of the axis. */
  ylabel: string | undefined;
}

/**
 * Lays out the axes. The values' axis starts at 0 and leaves room for the values that are written
 * at the ends of the bars; its labels end with the data, so that no accuracy axis shows 1.2.
 *
 */
export function layOutBars({ labels, series }: Bars, room: Room): Plane {
  const { horizontal, shown, top, bottom, width, ylim, ylabel } = room;
  const all = series.flatMap((one) => one.bars);
  const ends = all
    .flatMap(({ value, error }) => (error ? [value - error[0], value + error[1]] : [value]))
    .filter(Number.isFinite);
  const widest = Math.max(
    0,
    ...all.map(({ value }) =>
      Number.isFinite(value) ? textWidth(formatBarValue(value), SIZE - 1) : 0,
    ),
  );
  const spare = shown ? (horizontal ? (widest + 10) / (width * 0.6) : 22 / (bottom - top)) : 0;
  const low = Math.min(0, ...ends);
  const high = Math.max(0, ...ends);
  const values = [
    low < 0 ? low - spare * (high - low) : 0,
    high > 0 ? high + spare * (high - low) : 0,
  ];
  const valueAxis = (pixels: readonly [number, number], count: number) =>
    makeAxis({
      values: roundToIntegers(values, all),
      limits: ylim,
      scale: 'linear',
      pixels,
      room: count,
      nice: false,
    });
  const labelAxis = (pixels: readonly [number, number]): Axis => {
    const [from, to] = horizontal ? [pixels[1], pixels[0]] : pixels; // the first label on top
    const shortened = labels.map((label) => cutText(label, LONGEST, SIZE));
    const longest = Math.max(0, ...shortened.map((label) => textWidth(label, SIZE)));
    // Labels must not touch.
    const every = Math.ceil(
      ((horizontal ? SIZE : longest + 8) * labels.length) / Math.abs(to - from),
    );
    return {
      at: (index) => from + ((index + 0.5) * (to - from)) / labels.length,
      ticks: shortened.map((label, value) => ({ value, label })).filter((_, i) => i % every === 0),
    };
  };
  const axes = horizontal ? { x: valueAxis, y: labelAxis } : { x: labelAxis, y: valueAxis };
  return layOutPlane({
    ...axes,
    top,
    bottom,
    right: width - PAD - 6,
    ylabel,
    inset: { x: 0, y: 0 },
  });
}

/** Rounds the ends of an axis outwards to integers if the data is, so that its labels are too. */
function roundToIntegers(ends: readonly number[], all: readonly Bar[]): number[] {
  const integers = all.every(({ value }) => Number.isInteger(value) || !Number.isFinite(value));
  return integers ? ends.map((end) => (end < 0 ? Math.floor(end) : Math.ceil(end))) : [...ends];
}

/** A bar with its place. */
export interface Place extends Bar {
  label: string;
  series: string | undefined;
  style: SeriesStyle;
  /** Pixels along the values' axis. */
  from: number;
  to: number;
  /** Pixels across it: the bar's middle and its thickness. */
  middle: number;
  breadth: number;
  whisker: readonly [number, number] | undefined;
}

export function placeBars(
  { labels, series }: Bars,
  { x, y, box }: Plane,
  horizontal: boolean,
): Place[] {
  const [across, along] = horizontal ? [y, x] : [x, y];
  const [low, high] = horizontal ? [box.x, box.x + box.width] : [box.y, box.y + box.height];
  const inside = (value: number) => Math.min(Math.max(along.at(value), low), high);
  const band = (horizontal ? box.height : box.width) / labels.length;
  const breadth = Math.min((band * 0.76) / series.length, 64);
  return series.flatMap(({ label, style, bars }, s) =>
    bars.flatMap(({ value, error }, i) => {
      if (!Number.isFinite(value)) return [];
      const middle = across.at(i) + (s - (series.length - 1) / 2) * breadth;
      const whisker = error && ([inside(value - error[0]), inside(value + error[1])] as const);
      return [
        {
          value,
          error,
          label: labels[i] ?? '',
          series: label,
          style,
          from: inside(0),
          to: inside(value),
          middle,
          breadth,
          whisker,
        },
      ];
    }),
  );
}

export function barMarks(
  { from, to, middle, breadth, style, whisker }: Place,
  horizontal: boolean,
): string[] {
  const start = Math.min(from, to);
  const length = Math.abs(to - from);
  const edge = middle - breadth / 2;
  const wide = Math.max(1, breadth - 2);
  const rect = horizontal
    ? { x: start, y: edge + 1, width: length, height: wide }
    : { x: edge + 1, y: start, width: wide, height: length };
  type Spot = readonly [along: number, across: number];
  const line = ([along1, across1]: Spot, [along2, across2]: Spot) => {
    const ends = horizontal
      ? { x1: along1, y1: across1, x2: along2, y2: across2 }
      : { x1: across1, y1: along1, x2: across2, y2: along2 };
    return tag('line', { ...ends, stroke: INK, 'stroke-width': 1.5 });
  };
  const cap = Math.min(5, breadth / 4);
  const ends = whisker ?? [];
  return [
    tag('rect', { ...rect, fill: style.color }),
    ...(whisker ? [line([whisker[0], middle], [whisker[1], middle])] : []),
    ...ends.map((end) => line([end, middle - cap], [end, middle + cap])),
  ];
}

/**
 * The values of the bars, beyond the ends of bars and whiskers. Where neighbours would touch, no
 * value is written.
 */
export function valueMarks(places: readonly Place[], horizontal: boolean): Mark[] {
  const size = SIZE - 1;
  const least = Math.min(...places.map((place) => place.breadth));
  const widest = Math.max(0, ...places.map(({ value }) => textWidth(formatBarValue(value), size)));
  if (horizontal ? least < size : least < widest + 2) return [];
  return places.map(({ value, from, to, middle, whisker }): Mark => {
    const ends = [to, ...(whisker ?? [])];
    const right = to >= from;
    if (!horizontal) {
      const up = to <= from;
      return {
        text: formatBarValue(value),
        x: middle,
        y: up ? Math.min(...ends) - 5 : Math.max(...ends) + size + 3,
        size,
        anchor: 'middle',
      };
    }
    return {
      text: formatBarValue(value),
      x: right ? Math.max(...ends) + 5 : Math.min(...ends) - 5,
      y: middle + size * 0.36,
      size,
      anchor: right ? 'start' : 'end',
    };
  });
}

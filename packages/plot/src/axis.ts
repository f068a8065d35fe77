/** Axes: the range of values that they show, their ticks, and the pixel of each value. */
import { scaleLinear, scaleLog } from 'd3-scale';
import type { Limits } from './series';

export interface Axis {
  /** The pixel of a value; NaN where the axis has no place for it (0 on a logarithmic axis). */
  at(value: number): number;
  readonly ticks: readonly { value: number; label: string }[];
}

export interface AxisOptions {
  values: readonly number[];
  /** The ends of the axis. @default chosen from the values */
  limits?: Limits | undefined;
  scale: 'linear' | 'log';
  /** Pixels of the axis's ends. */
  pixels: readonly [from: number, to: number];
  /** The number of labels that fit, about. */
  room: number;
  /** Whether the ends move outwards to round numbers. */
  nice: boolean;
  /**
   * Whether a linear axis starts at 0 if no value is negative. @default 'counts', only if all
   * values are integers too
   */
  fromZero?: boolean | 'counts';
}

/** The difference of two larger numbers may overflow; such values are drawn as gaps. */
const LARGEST = 1e300;

export function makeAxis(options: AxisOptions): Axis {
  const { values, limits, scale, pixels, room, nice, fromZero = false } = options;
  const has = (value: number) =>
    Math.abs(value) <= LARGEST && (scale === 'linear' || value >= 1 / LARGEST);
  const usable = values.filter(has);
  const integers = scale === 'linear' && usable.length > 0 && usable.every(Number.isInteger);
  const startsAtZero =
    scale === 'linear' &&
    usable.length > 0 &&
    (fromZero === 'counts' ? integers : fromZero) &&
    usable.every((value) => value >= 0);
  const domain = limits ?? (startsAtZero ? [0, largest(usable) || 1] : extent(usable, scale));
  const mapped = (scale === 'log' ? scaleLog() : scaleLinear()).domain(domain).range(pixels);
  if (nice && !limits) mapped.nice(room);
  const candidates = isNarrow(domain) // steps between ticks would be lost in rounding
    ? [domain[0]]
    : mapped.ticks(room).filter((value) => !integers || Number.isInteger(value));
  const format =
    scale === 'log'
      ? mapped.tickFormat(room, '~g')
      : mapped.tickFormat(Math.max(candidates.length, 2));
  const ticks = candidates
    .map((value) => ({
      value,
      label: integers ? value.toLocaleString('en-US') : format(value).replace('−', '-'),
    }))
    .filter(({ label }) => label !== '');
  return { at: (value) => (has(value) ? mapped(value) : Number.NaN), ticks };
}

const smallest = (values: readonly number[]) =>
  values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const largest = (values: readonly number[]) =>
  values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

/** Whether two ends are so close that rounding hides what lies between them. */
export function isNarrow([from, to]: readonly [number, number]): boolean {
  const size = Math.max(Math.abs(from), Math.abs(to));
  return Math.abs(to - from) <= Math.max(size * 1e-12, 1 / LARGEST);
}

/** The smallest and the largest value; around a constant value, a tenth of it on either side. */
function extent(values: readonly number[], scale: 'linear' | 'log'): [number, number] {
  if (values.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  const low = smallest(values);
  const high = largest(values);
  if (!isNarrow([low, high])) return [low, high];
  const size = Math.max(Math.abs(low), Math.abs(high));
  const margin = size > 1 / LARGEST ? size / 10 : 0.5;
  return scale === 'log' ? [low / 10, low * 10] : [low - margin, low + margin];
}

import { scaleLinear, scaleLog } from 'd3-scale';
import type { Limits } from './series';

/** An axis: from values to pixels, and where its labels stand. */
export interface Axis {
  /** The pixel of a value, or NaN where the axis has no place for it (0 on a logarithmic one). */
  at(value: number): number;
  readonly ticks: readonly { value: number; label: string }[];
}

export interface AxisOptions {
  values: readonly number[];
  limits?: Limits | undefined;
  scale: 'linear' | 'log';
  /** Pixels of the axis's ends. */
  pixels: readonly [from: number, to: number];
  /** About how many labels there is room for. */
  room: number;
  /** Whether the axis may grow to round numbers. */
  nice: boolean;
}

export function makeAxis({ values, limits, scale, pixels, room, nice }: AxisOptions): Axis {
  const usable = values.filter((value) => Number.isFinite(value) && (scale === 'linear' || value > 0));
  const domain = limits ?? extent(usable, scale);
  const mapped = (scale === 'log' ? scaleLog() : scaleLinear()).domain(domain).range(pixels);
  if (nice && !limits) mapped.nice(room);
  const whole = scale === 'linear' && usable.length > 0 && usable.every(Number.isInteger);
  const candidates = mapped.ticks(room).filter((value) => !whole || Number.isInteger(value));
  const format = scale === 'log' ? mapped.tickFormat(room, '~g') : mapped.tickFormat(Math.max(candidates.length, 2));
  const ticks = candidates
    .map((value) => ({ value, label: whole ? value.toLocaleString('en-US') : format(value).replace('−', '-') }))
    .filter(({ label }) => label !== '');
  return { at: (value) => (scale === 'log' && value <= 0 ? Number.NaN : mapped(value)), ticks };
}

/** Ends that hold all values; a single value stands in the middle. */
function extent(values: readonly number[], scale: 'linear' | 'log'): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (values.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  if (low < high) return [low, high];
  return scale === 'log' ? [low / 10, low * 10] : [low - 0.5, low + 0.5];
}

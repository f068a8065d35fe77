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

/** Beyond it the difference of two numbers may overflow; such values are drawn as gaps. */
const LARGEST = 1e300;

export function makeAxis({ values, limits, scale, pixels, room, nice }: AxisOptions): Axis {
  const has = (value: number) =>
    Math.abs(value) <= LARGEST && (scale === 'linear' || value >= 1 / LARGEST);
  const usable = values.filter(has);
  const domain = limits ?? extent(usable, scale);
  const mapped = (scale === 'log' ? scaleLog() : scaleLinear()).domain(domain).range(pixels);
  if (nice && !limits) mapped.nice(room);
  const whole = scale === 'linear' && usable.length > 0 && usable.every(Number.isInteger);
  const candidates = mapped.ticks(room).filter((value) => !whole || Number.isInteger(value));
  const format =
    scale === 'log'
      ? mapped.tickFormat(room, '~g')
      : mapped.tickFormat(Math.max(candidates.length, 2));
  const ticks = candidates
    .map((value) => ({
      value,
      label: whole ? value.toLocaleString('en-US') : format(value).replace('−', '-'),
    }))
    .filter(({ label }) => label !== '');
  return { at: (value) => (has(value) ? mapped(value) : Number.NaN), ticks };
}

/** Ends that hold all values; a single value stands in the middle. */
function extent(values: readonly number[], scale: 'linear' | 'log'): [number, number] {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (values.length === 0) return scale === 'log' ? [1, 10] : [0, 1];
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low > Math.max(size * 1e-12, 1 / LARGEST)) return [low, high];
  const margin = Math.max(0.5, size / 10);
  return scale === 'log' ? [low / 10, low * 10] : [low - margin, low + margin];
}

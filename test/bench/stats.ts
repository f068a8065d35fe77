/** What becomes of the rounds: medians, ratios, verdicts. */
import type { Measured, Row, Series } from './results';

/** The middle of the numbers, or the mean of the middle two; NaN of none. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [low, high] = [
    sorted[Math.floor((sorted.length - 1) / 2)],
    sorted[Math.ceil((sorted.length - 1) / 2)],
  ];
  return low === undefined || high === undefined ? Number.NaN : (low + high) / 2;
}

/** The series with the highest median among those of these names that were measured. */
export function best(series: readonly Series[], names: readonly string[]): Series | undefined {
  return series
    .filter(({ name, rounds }) => names.includes(name) && rounds.length > 0)
    .reduce<Series | undefined>(
      (top, one) => (top && top.median >= one.median ? top : one),
      undefined,
    );
}

/**
 * A row with its ratio: the first series' median as a multiple of the best reference's, and whether
 * that meets the target. No ratio
 * where either was not measured.
 */
export function judge({ series, reference, target, ...row }: Measured): Row {
  const [own, other] = [series[0], best(series, reference)];
  const ratio =
    own && own.rounds.length > 0 && other && other !== own ? own.median / other.median : undefined;
  const met = ratio === undefined || target === undefined ? undefined : ratio >= target;
  return { ...row, series, reference, target, ratio, met };
}

/** How far the rounds lie apart: (largest − smallest) / median. */
export function spread(rounds: readonly number[]): number {
  return rounds.length === 0
    ? Number.NaN
    : (Math.max(...rounds) - Math.min(...rounds)) / median(rounds);
}

/**
 * A figure with three digits or more, and no more than one behind the point: 5,033 · 228.1 · 10.7 ·
 * 0.62
 */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const digits = value >= 1000 ? 0 : value >= 1 ? 1 : 2;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
}

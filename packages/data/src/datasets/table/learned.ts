/** What an encoder learns from the columns of the training part. */
import type { CategoricalColumn, NumericColumn } from './columns';

/** Chooses the columns for log(1 + x) by their skewness. */
export const SKEWED = 'skewed';
const LEAST_SKEWNESS = 0.75;

export interface LearnedNumeric {
  readonly name: string;
  readonly kind: 'numeric';
  /** Whether log(1 + x) replaces the numbers. */
  readonly log1p: boolean;
  /** What is subtracted, and by what the rest is divided. */
  readonly mean: number;
  readonly std: number;
  /** What replaces a missing number, after the logarithm. */
  readonly fill: number;
  /** Whether a feature shows missing values. */
  readonly indicator: boolean;
}

export interface LearnedCategorical {
  readonly name: string;
  readonly kind: 'categorical';
  /** Sorted by their characters. */
  readonly categories: readonly string[];
  readonly indicator: boolean;
}

export type LearnedColumn = LearnedNumeric | LearnedCategorical;

interface Settings {
  readonly standardize: boolean;
  readonly impute: 'mean' | 'median';
  readonly missingIndicators: boolean;
  readonly log1p: readonly string[] | typeof SKEWED;
}

/** A column without numbers has the mean 0. */
export function fitNumeric(column: NumericColumn, settings: Settings): LearnedNumeric {
  const { name } = column;
  const given = column.values.filter((value) => !Number.isNaN(value));
  const { log1p: chosen } = settings;
  const log1p = chosen === SKEWED ? isSkewed(given) : chosen.includes(name);
  const numbers = log1p ? given.map(Math.log1p) : given;
  const { mean, std } = moments(numbers);
  return {
    name,
    kind: 'numeric',
    log1p,
    mean: settings.standardize ? mean : 0,
    std: settings.standardize && std > 0 ? std : 1,
    fill: settings.impute === 'mean' ? mean : median(numbers),
    indicator: settings.missingIndicators && given.length < column.values.length,
  };
}

export function fitCategorical(
  { name, values }: CategoricalColumn,
  { missingIndicators }: Settings,
): LearnedCategorical {
  const categories = [...new Set(values.filter((value) => value !== null))].sort();
  const indicator = missingIndicators && values.includes(null);
  return { name, kind: 'categorical', categories, indicator };
}

const sum = (numbers: Float64Array): number => numbers.reduce((total, value) => total + value, 0);

/** Mean and standard deviation of a sample, 0 of fewer than two numbers. */
function moments(numbers: Float64Array): { mean: number; std: number } {
  const { length } = numbers;
  const mean = length > 0 ? sum(numbers) / length : 0;
  const squares = sum(numbers.map((value) => (value - mean) ** 2));
  return { mean, std: length > 1 ? Math.sqrt(squares / (length - 1)) : 0 };
}

function median(numbers: Float64Array): number {
  const sorted = numbers.toSorted();
  const half = sorted.length / 2;
  if (sorted.length === 0) return 0;
  return ((sorted[Math.ceil(half) - 1] as number) + (sorted[Math.floor(half)] as number)) / 2;
}

/** The third standardized moment; 0 of a constant. */
function isSkewed(numbers: Float64Array): boolean {
  const { mean } = moments(numbers);
  const moment = (power: number) =>
    sum(numbers.map((value) => (value - mean) ** power)) / numbers.length;
  const variance = moment(2);
  const isNegative = numbers.some((value) => value < 0);
  return !isNegative && variance > 0 && moment(3) / variance ** 1.5 > LEAST_SKEWNESS;
}

/** TableEncoder: the features of a model, made of a table by what the training part shows. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { DataError } from '../../errors';
import type { ShapedArray } from '../arrays';
import type { AnyColumn, CategoricalColumn, NumericColumn } from './columns';
import {
  fitCategorical,
  fitNumeric,
  type LearnedCategorical,
  type LearnedColumn,
  type LearnedNumeric,
  SKEWED,
} from './learned';
import { hint, Table } from './table';

export interface TableEncoderOptions {
  /** Whether numbers get mean 0 and standard deviation 1. @default true */
  standardize?: boolean;
  /** Limits standardized numbers to ± this, against outliers. @default no limit */
  clip?: number;
  /** What replaces a missing number. @default 'mean' */
  impute?: 'mean' | 'median';
  /**
   * Whether each column with missing values in the training part gets a feature that is 1 where
   * the value is missing. @default true
   */
  missingIndicators?: boolean;
  /**
   * What to do with a category that the training part does not have, and with a missing one if
   * that has none: refuse it by name, or set all features of the column to 0. @default 'error'
   */
  unknown?: 'error' | 'ignore';
  /**
   * Numeric columns that log(1 + x) replaces before anything else: a list, or those that are never
   * negative and have a skewness above 0.75 in the training part. @default []
   */
  log1p?: readonly string[] | 'skewed';
}

const OPTIONS = rule.object({
  standardize: rule.boolean().default(true),
  clip: rule.positiveNumber().optional(),
  impute: rule.oneOf(['mean', 'median']).default('mean'),
  missingIndicators: rule.boolean().default(true),
  unknown: rule.oneOf(['error', 'ignore']).default('error'),
  log1p: rule
    .custom<readonly string[] | 'skewed'>(
      (value) =>
        value === SKEWED ||
        (Array.isArray(value) && value.every((name) => typeof name === 'string')),
      "a list of strings, or 'skewed'",
    )
    .default([]),
});
type Settings = Required<Omit<TableEncoderOptions, 'clip'>> & Pick<TableEncoderOptions, 'clip'>;

/** float32 `[rows, features]`. */
export interface TableFeatures extends ShapedArray {
  readonly values: Float32Array;
}

interface EncoderState {
  readonly settings: Settings;
  readonly columns: readonly LearnedColumn[];
}

/**
 * Makes float32 features of a table: numbers are standardized, categories become one-hot vectors,
 * missing values are replaced and shown by features of their own (the book's section 5.7).
 * Everything is learned by `fit`, so that `transform` uses nothing of the validation or test part.
 * A standard deviation is that of a sample, divided by n − 1, as pandas has it; a constant column
 * becomes 0.
 * @example
 * const encoder = new datasets.TableEncoder().fit(train);
 * const iter = loadArray([encoder.transform(train), train.labels()], 64);
 */
export class TableEncoder {
  readonly #settings: Settings;
  #columns: readonly LearnedColumn[] | undefined;

  constructor(options: TableEncoderOptions = {}) {
    this.#settings = checkOptions('[data] TableEncoder', OPTIONS, options) as Settings;
    if (this.#settings.clip !== undefined && !this.#settings.standardize) {
      throw new RangeError(
        '[data] TableEncoder: option "clip" limits standardized numbers; leave out ' +
          '"standardize: false"',
      );
    }
  }

  /** Learns the columns of the training part. @throws RangeError for a column that is not there */
  fit(table: Table): this {
    requireTable('fit', table);
    const { log1p } = this.#settings;
    const numeric = table.columns.filter(({ kind }) => kind === 'numeric').map(({ name }) => name);
    const absent = log1p === SKEWED ? undefined : log1p.find((name) => !numeric.includes(name));
    if (absent !== undefined) {
      throw new RangeError(
        `[data] TableEncoder: option "log1p" must name numeric columns of the table, got ` +
          `'${absent}'; ${hint(absent, numeric)}`,
      );
    }
    this.#columns = table.columns.map((column) =>
      column.kind === 'numeric'
        ? fitNumeric(column, this.#settings)
        : fitCategorical(column, this.#settings),
    );
    return this;
  }

  /** A name for each feature: `LotArea`, `Street=Pave`, `Alley=missing`. */
  get featureNames(): string[] {
    return this.#learned('featureNames').flatMap((column) => {
      const indicator = column.indicator ? [`${column.name}=missing`] : [];
      if (column.kind === 'numeric') return [column.name, ...indicator];
      return [...column.categories.map((name) => `${column.name}=${name}`), ...indicator];
    });
  }

  /**
   * Makes the features of a table with the same columns, in any order.
   * @returns float32 `[rows, features]`, for `loadArray`; `tf.tensor(values, shape)` makes a tensor
   * @throws DataError for a new category, unless `unknown` is 'ignore'; RangeError for a column
   *   that the table does not have, or before `fit`
   */
  transform(table: Table): TableFeatures {
    const learned = this.#learned('transform');
    requireTable('transform', table);
    const { numRows } = table;
    const { clip = Number.POSITIVE_INFINITY } = this.#settings;
    const width = this.featureNames.length;
    const values = new Float32Array(numRows * width);
    let at = 0;
    for (const column of learned) {
      const given = columnOf(table, column);
      const write = { values, width, at };
      at +=
        column.kind === 'numeric'
          ? writeNumeric(column, given as NumericColumn, { ...write, clip })
          : writeCategorical(column, given as CategoricalColumn, {
              ...write,
              unknown: this.#settings.unknown,
            });
    }
    return { values, shape: [numRows, width] };
  }

  /** What was learned, as JSON, to be kept next to a model. */
  toJSON(): EncoderState {
    return { settings: this.#settings, columns: this.#learned('toJSON') };
  }

  /** An encoder of what `toJSON` gave. @throws TypeError for anything else */
  static fromJSON(state: EncoderState): TableEncoder {
    if (!Array.isArray(state?.columns) || !state.columns.every(isLearned)) {
      throw new TypeError(
        '[data] TableEncoder.fromJSON: expected what toJSON gave, { settings, columns }, got ' +
          formatValue(state),
      );
    }
    const encoder = new this(state.settings);
    encoder.#columns = state.columns;
    return encoder;
  }

  #learned(method: string): readonly LearnedColumn[] {
    if (this.#columns) return this.#columns;
    throw new RangeError(
      `[data] TableEncoder.${method}: expected an encoder that has learned, got a new one; call ` +
        'fit(trainingTable) first',
    );
  }
}

/** Whether it is a column as `fit` makes one. */
function isLearned(column: Partial<LearnedColumn> | null): boolean {
  if (column?.kind === 'categorical')
    return Array.isArray((column as LearnedCategorical).categories);
  const { mean, std, fill } = (column ?? {}) as LearnedNumeric;
  return column?.kind === 'numeric' && [mean, std, fill].every(Number.isFinite);
}

function requireTable(method: string, table: unknown): void {
  if (table instanceof Table) return;
  throw new TypeError(
    `[data] TableEncoder.${method}: expected a table, such as table(file) gives, got ` +
      formatValue(table),
  );
}

/** @throws RangeError when the column is absent or of another kind */
function columnOf(table: Table, { name, kind }: LearnedColumn): AnyColumn {
  const column = table.columns.find((other) => other.name === name);
  if (column?.kind === kind) return column;
  const got = column ? `a ${column.kind} one` : 'none';
  throw new RangeError(
    `[data] TableEncoder.transform: expected a ${kind} column '${name}', as in the training ` +
      `part, got ${got}; read the file with "like: trainingTable"`,
  );
}

/** Where in `values`, `[rows, width]`, the features of a column begin. */
interface Place {
  readonly values: Float32Array;
  readonly width: number;
  readonly at: number;
}

/** @returns the number of features */
function writeNumeric(
  { name, log1p, mean, std, fill, indicator }: LearnedNumeric,
  column: NumericColumn,
  { values, width, at, clip }: Place & { readonly clip: number },
): number {
  column.values.forEach((given, row) => {
    const isMissing = Number.isNaN(given);
    const value = isMissing ? fill : log1p ? Math.log1p(given) : given;
    if (!Number.isFinite(value)) {
      throw new DataError(
        `column '${name}', row ${row + 1}`,
        'a number above -1, for log(1 + x)',
        `${given}`,
        'leave the column out of "log1p"',
      );
    }
    const scaled = (value - mean) / std;
    values[row * width + at] = Math.max(-clip, Math.min(clip, scaled));
    if (indicator) values[row * width + at + 1] = isMissing ? 1 : 0;
  });
  return indicator ? 2 : 1;
}

/** @returns the number of features */
function writeCategorical(
  { name, categories, indicator }: LearnedCategorical,
  column: CategoricalColumn,
  { values, width, at, unknown }: Place & Pick<Settings, 'unknown'>,
): number {
  const places = new Map<string | null, number>(categories.map((category, i) => [category, i]));
  if (indicator) places.set(null, categories.length);
  column.values.forEach((category, row) => {
    const place = places.get(category);
    if (place !== undefined) {
      values[row * width + at + place] = 1;
      return;
    }
    if (unknown === 'ignore') return;
    throw new DataError(
      `column '${name}', row ${row + 1}`,
      `one of the ${categories.length} categories of the training part`,
      category === null ? 'a missing value' : `'${category}'`,
      'correct the cell, add such samples to the training part, or pass "unknown: \'ignore\'"',
    );
  });
  return places.size;
}

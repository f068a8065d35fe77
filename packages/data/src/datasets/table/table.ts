/** Table: columns of numbers and categories in memory, with a target to learn. */
import { closest, formatValue } from '@deepend/core';
import type { ShapedArray } from '../arrays';
import { type AnyColumn, selectRows } from './columns';

/** How a file is written. */
export interface TableFormat {
  readonly decimal: '.' | ',';
  /** undefined: found in the first line. */
  readonly separator: string | undefined;
  readonly missing: readonly string[];
  readonly header: boolean;
}

/** What the columns of a file are, so that another file is read in the same way. */
export interface TableSchema {
  readonly kinds: ReadonlyMap<string, AnyColumn['kind']>;
  readonly target: string | undefined;
  readonly id: string | undefined;
  readonly ignore: readonly string[];
  readonly format: TableFormat;
}

interface TableParts {
  readonly numRows: number;
  readonly columns: readonly AnyColumn[];
  readonly target: AnyColumn | undefined;
  readonly ids: readonly string[] | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly schema: TableSchema;
}

/** A table, as `datasets.table` reads it. Its methods return new tables and leave it as it is. */
export class Table {
  readonly numRows: number;
  /** The features, in the file's order: all columns but the target, the id and ignored ones. */
  readonly columns: readonly AnyColumn[];
  /** The column to learn, if the file has it. */
  readonly target: AnyColumn | undefined;
  /** The cells of the column `id`. */
  readonly ids: readonly string[] | undefined;
  /** Names of the classes, sorted, if the target is categorical. */
  readonly classNames: readonly string[] | undefined;
  /** What the columns are, for `like`. */
  readonly schema: TableSchema;

  /** Made by `datasets.table`. */
  constructor({ numRows, columns, target, ids, classNames, schema }: TableParts) {
    this.numRows = numRows;
    this.columns = columns;
    this.target = target;
    this.ids = ids;
    this.classNames = classNames;
    this.schema = schema;
  }

  /** @throws RangeError when there is no feature of this name */
  column(name: string): AnyColumn {
    const found = this.columns.find((column) => column.name === name);
    if (found) return found;
    const names = this.columns.map((column) => column.name);
    throw new RangeError(
      `[data] Table.column: expected the name of a feature, got ${formatValue(name)}; ` +
        hint(name, names),
    );
  }

  /** The numbers of a column, NaN where one is missing. @throws TypeError for categories */
  numbers(name: string): Float64Array {
    const column = this.column(name);
    if (column.kind === 'numeric') return column.values;
    throw new TypeError(
      `[data] Table.numbers: expected a numeric column, got the categories of '${name}'; name it ` +
        'in "numeric" if it has numbers',
    );
  }

  /**
   * The rows at `indices`, in that order; an index may occur more than once.
   * @throws RangeError when there are no indices, or one is out of range
   */
  select(indices: ArrayLike<number>): Table {
    const rows = Array.from(indices);
    const bad = rows.find((row) => !Number.isInteger(row) || row < 0 || row >= this.numRows);
    if (rows.length === 0 || bad !== undefined) {
      throw new RangeError(
        `[data] Table.select: expected rows from 0 to ${this.numRows - 1}, got ` +
          `${rows.length === 0 ? 'none' : bad}`,
      );
    }
    return tableOf({
      ...this,
      numRows: rows.length,
      columns: this.columns.map((column) => selectRows(column, rows)),
      target: this.target && selectRows(this.target, rows),
      ids: this.ids && rows.map((row) => this.ids?.[row] as string),
    });
  }

  /**
   * Adds columns, or replaces those of the same name: numbers (NaN is missing) or strings (null is
   * missing), one for each row. The target cannot be replaced: as a feature it would be learned
   * from.
   * @throws RangeError for a list of another length, and for the target's name
   * @example table.with({ area: table.numbers('width').map((w, i) => w * heights[i]) });
   */
  with(columns: Readonly<Record<string, ArrayLike<number> | readonly (string | null)[]>>): Table {
    const added = Object.entries(columns).map(([name, given]) => this.#newColumn(name, given));
    const names = added.map(({ name }) => name);
    const kept = this.columns.filter(({ name }) => !names.includes(name));
    return tableOf({ ...this, columns: [...kept, ...added] });
  }

  #newColumn(name: string, given: ArrayLike<number> | readonly (string | null)[]): AnyColumn {
    if (name === this.schema.target) {
      throw new RangeError(
        `[data] Table.with: expected features, got the target '${name}'; change what labels() ` +
          'returns, or give the feature another name',
      );
    }
    const values = Array.from<number | string | null>(given);
    const isNumeric = values.every((value) => typeof value === 'number');
    const isText = values.every((value) => typeof value === 'string' || value === null);
    if (values.length !== this.numRows || !(isNumeric || isText)) {
      throw new RangeError(
        `[data] Table.with: expected ${this.numRows} numbers or ${this.numRows} strings for ` +
          `'${name}', got ${formatValue(values)} of the length ${values.length}`,
      );
    }
    return isNumeric
      ? { name, kind: 'numeric', values: Float64Array.from(values as number[]) }
      : { name, kind: 'categorical', values: values as (string | null)[] };
  }

  /**
   * The target, for `loadArray`: float32 `[rows, 1]`; class indices int32 `[rows]` for categories.
   * @throws RangeError when the table has no target
   */
  labels(): ShapedArray {
    const { target, classNames, numRows } = this;
    if (!target) {
      throw new RangeError(
        '[data] Table.labels: expected a table with a target, got one without; name the column ' +
          'to learn: table(file, { target: "price" })',
      );
    }
    if (target.kind === 'numeric')
      return { values: Float32Array.from(target.values), shape: [numRows, 1] };
    const classes = new Map(classNames?.map((name, index) => [name, index]));
    const values = target.values.map((name) => classes.get(name as string) as number);
    return { values: Int32Array.from(values), shape: [numRows] };
  }
}

/** A class that named itself would be renamed in the build. */
const tableOf = (parts: TableParts): Table => new Table(parts);

/** What to do about a name that is not there. */
export function hint(name: unknown, names: readonly string[]): string {
  const near = closest(String(name), names);
  if (near) return `did you mean '${near}'?`;
  const more = names.length > 12 ? ', ...' : '';
  return `it has ${names.slice(0, 12).join(', ')}${more}`;
}

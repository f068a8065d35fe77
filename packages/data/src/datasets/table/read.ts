/** datasets.table: reads a table of numbers and categories from CSV or TSV. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { DataError } from '../../errors';
import { type Cells, readCells } from './cells';
import { type AnyColumn, type CellRules, isMissingAt, readColumn } from './columns';
import { hint, Table, type TableFormat } from './table';

export interface TableOptions {
  /** The column to learn: numbers, or classes if "categorical" names it too. @default none */
  target?: string;
  /** A column that identifies rows, such as `Id`: kept in `ids`, no feature. @default none */
  id?: string;
  /** Columns to leave out. @default [] */
  ignore?: readonly string[];
  /** Columns of categories, although their cells may be numbers. @default columns of words */
  categorical?: readonly string[];
  /** Columns in which every cell must be a number or missing. @default columns of numbers */
  numeric?: readonly string[];
  /**
   * Cells that stand for a missing value.
   * @default ['', 'NA', 'N/A', 'NaN', 'nan', 'NULL', 'null']
   */
  missing?: readonly string[];
  /** The character between cells. @default the most frequent of , ; tab | in the first line */
  separator?: string;
  /** The decimal mark of numbers. @default '.' */
  decimal?: '.' | ',';
  /** Whether the first row has names; else they are '0', '1', .... @default true */
  header?: boolean;
  /**
   * A table whose columns this one must have, in any order and of the same kinds: the training part
   * for a test file. Its target may be absent. Stands for all options about columns, and gives the
   * defaults of `missing`, `separator`, `decimal` and `header`.
   * @default none, the columns are found out
   */
  like?: Table;
}

const MISSING = ['', 'NA', 'N/A', 'NaN', 'nan', 'NULL', 'null'];
const names = () => rule.list(rule.string(), 'a list of strings').optional();
const OPTIONS = rule.object({
  target: rule.string().optional(),
  id: rule.string().optional(),
  ignore: names(),
  categorical: names(),
  numeric: names(),
  missing: names(),
  separator: rule.string({ pattern: /^[^"\r\n]$/, expected: 'one character' }).optional(),
  decimal: rule.oneOf(['.', ',']).optional(),
  header: rule.boolean().optional(),
  like: rule
    .custom<Table>((value) => value instanceof Table, 'a table, such as table(file) gives')
    .optional(),
});
const WHERE = '[data] table';

/** What the caller says about columns. */
interface Roles {
  readonly target: string | undefined;
  readonly id: string | undefined;
  readonly ignore: readonly string[];
  kindOf(name: string): AnyColumn['kind'] | undefined;
}

/**
 * Reads a table from comma- or tab-separated values: quoted cells, a byte order mark, gzipped files
 * and Excel's UTF-16 are understood. A column is numeric if all its cells are numbers, categorical
 * if most are words. `TableEncoder` makes the features of a model of it.
 * @param source a file, or the text of a table (a string with line breaks)
 * @throws DataError that names the line, for rows of another length, a word in a numeric column, or
 *   a missing target; RangeError for a column that is not there
 * @example
 * const train = await datasets.table('train.csv', { target: 'SalePrice', id: 'Id' });
 * const test = await datasets.table('test.csv', { like: train });
 */
export async function table(source: string, options: TableOptions = {}): Promise<Table> {
  const checked = checkOptions(WHERE, OPTIONS, options) as TableOptions;
  if (typeof source !== 'string' || source === '')
    throw new TypeError(`${WHERE}: expected a file or a table's text, got ${formatValue(source)}`);
  const { like } = checked;
  const format = formatOf(checked);
  const { separator, decimal, missing, header } = format;
  if (separator === decimal)
    throw new RangeError(`${WHERE}: expected a separator other than the decimal mark '${decimal}'`);
  checkRoles(checked);
  const cells = await readCells(source, { separator, header });
  const rules: CellRules = { missing: new Set(missing), decimal };
  return like ? readLike(cells, rules, like) : readNew(cells, rules, { ...checked, format });
}

/** How the file is written: as the options say, or else as the training part's file was. */
function formatOf({ like, ...given }: TableOptions): TableFormat {
  const { format } = like?.schema ?? {};
  const { decimal = format?.decimal ?? '.' } = given;
  const { separator = format?.separator ?? (decimal === ',' ? ';' : undefined) } = given;
  const { missing = format?.missing ?? MISSING, header = format?.header ?? true } = given;
  return { decimal, separator, missing, header };
}

/** @throws RangeError for options that contradict each other */
function checkRoles({ like, ...options }: TableOptions): void {
  const { target, id, ignore = [], categorical = [], numeric = [] } = options;
  const about = ['target', 'id', 'ignore', 'categorical', 'numeric'] as const;
  const both = like && about.find((name) => options[name] !== undefined);
  if (both) throw new RangeError(`${WHERE}: option "${both}" comes from "like"; leave it out`);
  const pairs: [string, readonly string[], string, readonly string[]][] = [
    ['categorical', categorical, 'numeric', numeric],
    ['target', target === undefined ? [] : [target], 'ignore', ignore],
    ['target', target === undefined ? [] : [target], 'id', id === undefined ? [] : [id]],
    ['id', id === undefined ? [] : [id], 'ignore', ignore],
  ];
  for (const [first, list, second, other] of pairs) {
    const shared = list.find((name) => other.includes(name));
    if (shared !== undefined)
      throw new RangeError(
        `${WHERE}: expected a column in one of "${first}" and "${second}", got ` +
          `'${shared}' in both`,
      );
  }
}

function readNew(
  cells: Cells,
  rules: CellRules,
  options: TableOptions & { readonly format: TableFormat },
): Table {
  const { target, id, ignore = [], categorical = [], numeric = [], format } = options;
  const named = { target: [target], id: [id], ignore, categorical, numeric };
  for (const [option, list] of Object.entries(named)) {
    const absent = list.find((name) => name !== undefined && !cells.names.includes(name));
    if (absent !== undefined)
      throw new RangeError(
        `${WHERE}: option "${option}" must name columns of ${cells.file}, got ` +
          `'${absent}'; ${hint(absent, cells.names)}`,
      );
  }
  const kindOf = (name: string) => {
    if (categorical.includes(name)) return 'categorical';
    return numeric.includes(name) || name === target ? 'numeric' : undefined;
  };
  return build(cells, rules, { roles: { target, id, ignore, kindOf }, format });
}

/** Reads a table with the columns of another one. */
function readLike(cells: Cells, rules: CellRules, like: Table): Table {
  const { kinds, target, id, ignore } = like.schema;
  const features = [...kinds.keys()].filter((name) => name !== target);
  const absent = features.filter((name) => !cells.names.includes(name));
  if (absent.length > 0) {
    const expected = `all ${features.length} columns of the training table`;
    const next = 'add them, or leave them out of the training table by "ignore"';
    throw new DataError(cells.file, expected, `none with the name ${list(absent)}`, next);
  }
  const known = [...features, ...ignore, target, id];
  const more = cells.names.filter((name) => !known.includes(name));
  if (more.length > 0) {
    const next = 'remove them from the file; the model has not learned from them';
    const expected = 'only columns of the training table';
    throw new DataError(cells.file, expected, `${list(more)} too`, next);
  }
  const ifThere = (name: string | undefined) =>
    name !== undefined && cells.names.includes(name) ? name : undefined;
  const roles = {
    target: ifThere(target),
    id: ifThere(id),
    ignore,
    kindOf: (name: string) => kinds.get(name),
  };
  return build(cells, rules, { roles, like, format: like.schema.format });
}

const list = (all: readonly string[]): string =>
  `${all.slice(0, 8).map(formatValue).join(', ')}${all.length > 8 ? ', ...' : ''}`;

/** Makes the table of its cells. With `like` the features have its order. */
function build(
  cells: Cells,
  rules: CellRules,
  { roles, like, format }: { roles: Roles; like?: Table; format: TableFormat },
): Table {
  const { target: targetName, id, ignore } = roles;
  const read = (name: string) => readColumn(cells, name, { kind: roles.kindOf(name), rules });
  const others = [targetName, id, ...ignore];
  const order = like ? [...like.schema.kinds.keys()] : cells.names;
  const target = targetName === undefined ? undefined : readTarget(cells, targetName, read);
  const columns = order
    .filter((name) => !others.includes(name) && name !== like?.schema.target)
    .map(read);
  const idAt = id === undefined ? -1 : cells.names.indexOf(id);
  const kinds = [...columns, ...(target ? [target] : [])].map(({ name, kind }) => [name, kind]);
  const schema = { kinds: new Map(kinds as [string, AnyColumn['kind']][]), target: targetName };
  return new Table({
    numRows: cells.rows.length,
    columns,
    target,
    ids: idAt < 0 ? undefined : cells.rows.map((row) => row[idAt] as string),
    classNames: like ? knownClasses(cells, target, like) : classesOf(target),
    schema: like?.schema ?? { ...schema, id, ignore, format },
  });
}

/** @throws DataError where the target is missing, or is not a number */
function readTarget(cells: Cells, name: string, read: (name: string) => AnyColumn): AnyColumn {
  let column: AnyColumn;
  try {
    column = read(name);
  } catch (cause) {
    if (!(cause instanceof DataError)) throw cause;
    const got = cause.fault.replace(/^.*, got /, '');
    const next = `correct the cell, or pass "categorical: ['${name}']" to learn classes`;
    throw new DataError(cause.file, `numbers in the target '${name}'`, got, next, { cause });
  }
  const row = cells.rows.findIndex((_, at) => isMissingAt(column, at));
  if (row < 0) return column;
  const where = `${cells.file}, line ${cells.lines[row]}`;
  const next = 'fill the cell or remove the row';
  throw new DataError(where, `a value of the target '${name}'`, 'a missing one', next);
}

const classesOf = (target: AnyColumn | undefined): string[] | undefined =>
  target?.kind === 'categorical' ? [...new Set(target.values as string[])].sort() : undefined;

/** @throws DataError for a class that the training table does not have */
function knownClasses(
  cells: Cells,
  target: AnyColumn | undefined,
  { classNames }: Table,
): readonly string[] | undefined {
  if (target?.kind !== 'categorical' || !classNames) return classNames;
  const row = target.values.findIndex((name) => !classNames.includes(name as string));
  if (row < 0) return classNames;
  const where = `${cells.file}, line ${cells.lines[row]}`;
  const next = 'correct the cell, or add samples of the class to the training table';
  throw new DataError(where, `a class of ${list(classNames)}`, `'${target.values[row]}'`, next);
}

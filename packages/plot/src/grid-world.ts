/** Values and actions on the cells of a grid world, step by step: figures of section 17.2. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Matrix } from './cells';
import type { Figure } from './figure';
import { drawHeatmaps } from './heatmap';
import { side } from './series';

export interface GridWorldOptions {
  /** Above each grid. @default none */
  titles?: readonly string[];
  /** Grids in a row. @default 4 */
  cols?: number;
  /** Above the figure. @default none */
  title?: string;
  /** Pixels. @default 560 */
  width?: number;
}

/** One grid: a value and the number of an action for each cell, row by row. */
export interface GridWorldStep {
  readonly values: ArrayLike<number>;
  readonly actions: ArrayLike<number>;
}

const OPTIONS = rule.object({
  titles: rule.list(rule.string(), 'a list of titles').optional(),
  cols: rule.integer({ min: 1, max: 12 }).default(4),
  title: rule.string().optional(),
  width: side().default(560),
});

/** gym's actions: 0 left, 1 down, 2 right, 3 up. */
const ARROWS = ['←', '↓', '→', '↑'];
const TERMINAL = ['H', 'G']; // holes and goals: no action is taken there

/**
 * Draws grids one after another, a colour for each cell's value, its letter and the arrow of its
 * action.
 * @param desc the rows of the map: letters such as `SFFF`; cells `H` and `G` have no arrow
 * @param steps values and actions (0 left, 1 down, 2 right, 3 up) of each grid
 * @throws RangeError when the rows of the map differ in length, or a step has not a value and an
 *   action for each cell
 * @example
 * showGridWorld(['SF', 'HG'], [{ values: [0.9, 1, 0, 0], actions: [2, 1, 0, 0] }]);
 */
export function showGridWorld(
  desc: readonly string[],
  steps: readonly GridWorldStep[],
  options: GridWorldOptions = {},
): Figure {
  const where = '[plot] showGridWorld';
  const { titles, cols, title, width } = checkOptions(where, OPTIONS, options);
  const columns = checkMap(where, desc);
  checkSteps(where, steps, desc.length * columns);
  if (titles && titles.length !== steps.length) {
    throw new RangeError(
      `${where}: expected ${steps.length} "titles", one for each step, got ${titles.length}`,
    );
  }
  const { rows, stepOf } = layOut(desc, steps, Math.min(cols, steps.length));
  return drawHeatmaps(rows, {
    ...{ where, width, cmap: 'viridis', xticks: new Array<string>(columns).fill('') },
    yticks: desc.map(() => ''),
    ...(title !== undefined && { title }),
    cells: rows.flat().map((_, i) => titles?.[i] ?? ''),
    description: title ?? `Values and actions of ${steps.length} steps in a grid world`,
    text: ({ row, column }, matrix) => {
      const step = stepOf.get(matrix);
      const letter = desc[row]?.[column] ?? '';
      if (!step) return [];
      const arrow = ARROWS[step.actions[row * columns + column] as number] ?? '';
      return TERMINAL.includes(letter) ? [letter] : [`${letter} ${arrow}`];
    },
    isEmpty: (matrix) => !stepOf.has(matrix),
    label: ({ row, column }, matrix) => {
      const value = matrix[row]?.[column] ?? Number.NaN;
      const place = `row ${row}, column ${column} (${desc[row]?.[column]})`;
      return stepOf.has(matrix) ? `${value.toPrecision(3)} at ${place}` : '';
    },
  });
}

/** The values as matrices, `perRow` in a row; places without a step stay empty. */
function layOut(desc: readonly string[], steps: readonly GridWorldStep[], perRow: number) {
  const columns = desc[0]?.length ?? 0;
  const gridOf = ({ values }: GridWorldStep): Matrix =>
    desc.map((_, y) =>
      Array.from({ length: columns }, (_, x) => values[y * columns + x] as number),
    );
  const stepOf = new Map(steps.map((step) => [gridOf(step), step]));
  const grids = [...stepOf.keys()];
  const empty = Array.from({ length: desc.length * columns }, () => Number.NaN);
  while (grids.length % perRow !== 0) grids.push(gridOf({ values: empty, actions: [] }));
  const rows = Array.from({ length: grids.length / perRow }, (_, i) =>
    grids.slice(i * perRow, (i + 1) * perRow),
  );
  return { rows, stepOf };
}

function checkMap(where: string, desc: readonly string[]): number {
  const columns = Array.isArray(desc) && typeof desc[0] === 'string' ? desc[0].length : 0;
  if (columns > 0 && desc.every((row) => typeof row === 'string' && row.length === columns))
    return columns;
  throw new RangeError(
    `${where}: expected rows of letters, all of one length, got ${formatValue(desc)}`,
  );
}

function checkSteps(where: string, steps: readonly GridWorldStep[], cells: number): void {
  const fits = ({ values, actions }: GridWorldStep) =>
    values?.length === cells &&
    actions?.length === cells &&
    Array.from(actions).every((action) => ARROWS[action] !== undefined);
  if (Array.isArray(steps) && steps.length > 0 && steps.every(fits)) return;
  throw new RangeError(
    `${where}: expected steps with ${cells} values and ${cells} actions from 0 to 3, one for ` +
      `each cell, got ${formatValue(steps)}`,
  );
}

/** The book's `plot`: lines from numbers. */
import { drawChart } from './chart';
import type { Figure } from './figure';
import { type ChartOptions, chartOptions, makeSeries, type Point } from './series';

type Numbers = ArrayLike<number>;

/**
 * Draws lines through points. The book's `plot` (d2l 2.4, zh 2.4).
 * @param X x values, one list for all series or one for each; without `Y`, these are the y values
 *   and x is 0, 1, 2, ...
 * @param Y y values of one series, or a list of series; a value that is not finite leaves a gap
 * @throws RangeError when the numbers of values, series or names do not match
 * @example
 * plot([1, 2, 3], [[1, 4, 9], [1, 8, 27]], { legend: ['square', 'cube'], yscale: 'log' });
 */
export function plot(
  X: Numbers | readonly Numbers[],
  Y?: Numbers | readonly Numbers[],
  options: ChartOptions = {},
): Figure {
  const where = '[plot] plot';
  const settings = chartOptions(where, options);
  const ys = toLists(Y ?? X);
  const xs = Y === undefined ? ys.map((y) => Array.from(y, (_, i) => i)) : toLists(X);
  if (ys.length === 0 || ys.every((y) => y.length === 0))
    throw new RangeError(`${where}: expected at least one point, got none`);
  if (xs.length !== 1 && xs.length !== ys.length) {
    throw new RangeError(
      `${where}: expected one list of x values or ${ys.length}, one for each series, ` +
        `got ${xs.length}`,
    );
  }
  const columns = ys.map((y, i) => {
    const x = xs.length === 1 ? xs[0] : xs[i];
    if (!x || x.length !== y.length) {
      throw new RangeError(
        `${where}: expected the same number of x and y values in series ${i}, ` +
          `got ${x?.length ?? 0} x and ${y.length} y`,
      );
    }
    return Array.from(y, (value, j): Point => ({ x: Number(x[j]), y: value }));
  });
  const names = settings.legend ? ` of ${settings.legend.join(', ')}` : '';
  return drawChart(
    makeSeries(where, columns, settings),
    settings,
    settings.title ?? `Line chart${names}`,
  );
}

function toLists(values: Numbers | readonly Numbers[]): readonly Numbers[] {
  return typeof values[0] === 'number' || values.length === 0
    ? [values as Numbers]
    : (values as readonly Numbers[]);
}

/** Charts from numbers: the book's `plot`, and the three curves of a training run. */
import { formatValue } from '@deepend/core';
import { drawChart } from './chart';
import type { Figure } from './figure';
import { type ChartOptions, chartOptions, makeSeries, type Point } from './series';
import type { HistoryRecord } from './types';

type Numbers = ArrayLike<number>;

/**
 * Lines through points. The book's `plot`.
 * @param X x values, of one series or of each; where `Y` is left out, these are the y values and x
 *   counts from 0
 * @param Y y values of one series or a list of series; a line has a gap where a value is not finite
 * @throws RangeError when numbers of values, series or names differ
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
  const ys = lists(Y ?? X);
  const xs = Y === undefined ? ys.map((y) => Array.from(y, (_, i) => i)) : lists(X);
  if (ys.length === 0 || ys.every((y) => y.length === 0))
    throw new RangeError(`${where}: expected at least one point, got none`);
  if (xs.length !== 1 && xs.length !== ys.length) {
    throw new RangeError(
      `${where}: expected one list of x values or ${ys.length}, one a series, got ${xs.length}`,
    );
  }
  const columns = ys.map((y, i) => {
    const x = xs.length === 1 ? xs[0] : xs[i];
    if (!x || x.length !== y.length) {
      throw new RangeError(
        `${where}: expected as many x values as y values in series ${i}, got ${x?.length ?? 0} and ${y.length}`,
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

function lists(values: Numbers | readonly Numbers[]): readonly Numbers[] {
  return typeof values[0] === 'number' || values.length === 0
    ? [values as Numbers]
    : (values as readonly Numbers[]);
}

const CURVES = ['train loss', 'train acc', 'test acc'] as const;

/**
 * Train loss, train accuracy and test accuracy over epochs on one axis, as the book draws them.
 * @throws RangeError when the history has no epoch
 */
export function curves(history: readonly HistoryRecord[], options: ChartOptions = {}): Figure {
  const where = '[plot] curves';
  const settings = chartOptions(where, options);
  if (!Array.isArray(history) || history.length === 0) {
    throw new RangeError(
      `${where}: expected a history of at least one epoch, got ${formatValue(history)}`,
    );
  }
  const tested = history.some(({ testAcc }) => testAcc !== null);
  const column = (read: (record: HistoryRecord) => number | null): Point[] =>
    history.map((record) => ({ x: record.epoch, y: read(record) ?? Number.NaN }));
  const columns = [
    column(({ loss }) => loss),
    column(({ trainAcc }) => trainAcc),
    column(({ testAcc }) => testAcc),
  ];
  const shown = tested ? columns : columns.slice(0, 2);
  const all = {
    xlabel: 'epoch',
    legend: CURVES.slice(0, shown.length),
    ylim: curveLimits(shown),
    ...settings,
  };
  const last = history.at(-1);
  const description = `${all.legend.join(', ')} over ${history.length} epochs; at the end loss ${last?.loss.toFixed(3)}`;
  return drawChart(makeSeries(where, shown, all), all, description);
}

/** From 0 to 1, or to the largest finite loss. */
function curveLimits(columns: readonly (readonly Point[])[]): [number, number] {
  const values = columns.flat().flatMap(({ y }) => (Number.isFinite(y) ? [y] : []));
  const top = values.reduce((a, b) => Math.max(a, b), 1);
  return [0, top > 1 ? Math.ceil(top * 10.5) / 10 : 1];
}

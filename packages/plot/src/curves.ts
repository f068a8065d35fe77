/** The three curves of a training run: train loss, train accuracy and test accuracy. */
import { formatValue } from '@deepend/core';
import { drawChart } from './chart';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartOptions,
  type Limits,
  makeSeries,
  type Point,
} from './series';

/** The part of an epoch's record that the curves need; other properties are ignored. */
export interface HistoryRecord {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  /** Fraction of correct answers, 0 to 1. */
  readonly trainAcc: number;
  /** Fraction of correct answers, 0 to 1; null without a test set. */
  readonly testAcc: number | null;
}

/** The names of the curves, in the order of `curves` and `Animator`. */
export const CURVE_NAMES: readonly string[] = ['train loss', 'train acc', 'test acc'];

/**
 * Draws train loss, train accuracy and test accuracy over epochs in one pair of axes, as the book
 * does. Without a test set there are two curves.
 * @throws RangeError when the history has no epoch
 * @example
 * const { history } = await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.1 });
 * await curves(history).save('curves.svg');
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
  const all = withCurveLimits(
    { xlabel: 'epoch', legend: CURVE_NAMES.slice(0, shown.length), ...settings },
    shown,
  );
  const last = history.at(-1)?.loss.toFixed(3);
  const description = `${all.legend.join(', ')} over ${history.length} epochs; final loss ${last}`;
  return drawChart(makeSeries(where, shown, all), all, description);
}

/**
 * Adds the limits of the y axis: from 0 to 1, which shows accuracies as what they are, or to the
 * largest loss. Limits that the caller gave stay, and a logarithmic axis, which has no 0, gets
 * none.
 *
 */
export function withCurveLimits<Settings extends ChartSettings>(
  settings: Settings,
  columns: readonly (readonly Point[])[],
): Settings & { ylim?: Limits } {
  if (settings.ylim || settings.yscale === 'log') return settings;
  const values = columns.flat().flatMap(({ y }) => (Number.isFinite(y) ? [y] : []));
  const top = values.reduce((a, b) => Math.max(a, b), 1);
  return { ...settings, ylim: [0, top > 1 ? Math.ceil(top * 10.5) / 10 : 1] };
}

/** Compares many runs in one chart. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { drawChart } from './chart';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartRules,
  type DrawSettings,
  type Point,
  resolveAliases,
  type Series,
} from './series';
import { DEFAULT_FMTS, parseFmt } from './style';

/** A run: its name, and a record for each epoch, with `epoch` and other numbers as properties. */
export interface PlottedRun {
  readonly name: string;
  readonly history: readonly object[];
}

export interface PlotRunsOptions extends Omit<ChartOptions, 'legend' | 'fmts'> {
  /**
   * The column of the history to compare. `metrics.top5` is the column `top5` in `metrics`.
   * @default 'testAcc'
   *
   */
  metric?: string;
  /** The column on the x axis, or `time`, the seconds since the run began. @default 'epoch' */
  over?: string;
}

const { legend: _, fmts: __, ...rules } = chartRules;
const options = rule.object({
  ...rules,
  metric: rule.string().optional(),
  over: rule.string().optional(),
});

const WHERE = '[plot] plotRuns';

type AxisKind = 'fraction' | 'amount' | 'any';

/** The columns of a trainer's history: their names in charts, and the axis that shows them. */
const COLUMNS: Readonly<Record<string, { readonly name: string; readonly axis: AxisKind }>> = {
  epoch: { name: 'epoch', axis: 'any' },
  loss: { name: 'train loss', axis: 'any' },
  trainAcc: { name: 'train acc', axis: 'fraction' },
  testAcc: { name: 'test acc', axis: 'fraction' },
  testLoss: { name: 'test loss', axis: 'any' },
  lr: { name: 'learning rate', axis: 'any' },
  samplesPerSecond: { name: 'samples/s', axis: 'amount' },
  samplesPerSecondWithLoading: { name: 'samples/s with loading', axis: 'amount' },
  seconds: { name: 'seconds an epoch', axis: 'amount' },
  time: { name: 'seconds', axis: 'amount' },
};

/** The y axis of a column: accuracies from 0 to 1, amounts from 0, others around their values. */
const AXES: Readonly<Record<AxisKind, Pick<DrawSettings, 'ylim' | 'fromZero'>>> = {
  fraction: { ylim: [0, 1] },
  amount: { fromZero: true },
  any: {},
};

/** Columns of `metrics` that are fractions from 0 to 1. */
const FRACTION = /(^|[._])(top-?\d+|precision|recall|f1)|acc(uracy)?$/i;

const columnName = (column: string) => COLUMNS[column]?.name ?? column;

function chooseAxis(metric: string, points: readonly Point[], yscale: DrawSettings['yscale']) {
  if (yscale === 'log') return {}; // a logarithmic axis has no 0
  const kind = COLUMNS[metric]?.axis ?? (FRACTION.test(metric) ? 'fraction' : 'any');
  const outside = points.some(({ y }) => y < 0 || y > 1); // percentages, say
  return AXES[kind === 'fraction' && outside ? 'any' : kind];
}

/**
 * Draws one column of the histories of several runs, a line for each run; an epoch without a value
 * leaves a gap. Lines differ in colour and dashes, and from the ninth run on in markers too.
 * Accuracies have an axis from 0 to 1 unless `ylim` is given.
 * @throws RangeError when there is no run, there are more than 48, or no run has the column; the
 *   message names the columns that exist
 * @example
 * const runs = [{ name: 'lr 0.1', history }, { name: 'lr 0.05', history: other }];
 * await plotRuns(runs, { metric: 'testAcc' }).save('runs.svg');
 */
export function plotRuns(runs: readonly PlottedRun[], settings: PlotRunsOptions = {}): Figure {
  const {
    metric = 'testAcc',
    over = 'epoch',
    ...chart
  } = checkOptions(WHERE, options, resolveAliases(WHERE, settings)) as PlotRunsOptions &
    ChartSettings;
  checkRuns(runs);
  const columns = runs.map(({ history }) => readPoints(history, { metric, over }));
  if (columns.every((points) => points.length === 0)) throw missingColumn(runs, { metric, over });
  const series = columns.map(
    (points, i): Series => ({ label: runs[i]?.name, points, ...chooseStyle(i, points.length) }),
  );
  const xlabel = columnName(over);
  const ylabel = columnName(metric);
  const names = runs.map(({ name }) => name).join(', ');
  const description = chart.title ?? `${ylabel} of ${runs.length} runs over ${xlabel}: ${names}`;
  const axis = chooseAxis(metric, columns.flat(), chart.yscale);
  return drawChart(series, { xlabel, ylabel, ...axis, ...chart }, description);
}

function checkRuns(runs: readonly PlottedRun[]): void {
  const isRun = (run: PlottedRun) => typeof run?.name === 'string' && Array.isArray(run.history);
  if (!Array.isArray(runs) || runs.length === 0 || !runs.every(isRun)) {
    throw new RangeError(
      `${WHERE}: expected runs, each { name, history }, got ${formatValue(runs)}`,
    );
  }
  const most = MARKERS.length * DEFAULT_FMTS.length;
  if (runs.length > most) {
    throw new RangeError(
      `${WHERE}: expected at most ${most} runs, got ${runs.length}; ` +
        'the lines of more could not be distinguished',
    );
  }
}

const MARKERS = ['', 'o', 's', '^', 'x', '+'] as const;
const MARKERS_A_LINE = 8; // about

/**
 * The style of run number `index`: the eight default formats, then the same with markers. Markers
 * are shifted from run to run, so that they do not cover each other.
 */
function chooseStyle(index: number, count: number): Pick<Series, 'style' | 'markers'> {
  const every = Math.max(1, Math.ceil(count / MARKERS_A_LINE));
  const marker = MARKERS[Math.floor(index / DEFAULT_FMTS.length) % MARKERS.length] ?? '';
  return {
    style: parseFmt(`${DEFAULT_FMTS[index % DEFAULT_FMTS.length]}${marker}`),
    markers: { every, from: index % every },
  };
}

/** The points of a run; none if it lacks the column. */
function readPoints(
  history: readonly object[],
  { metric, over }: { metric: string; over: string },
): Point[] {
  let time = 0;
  const points = history.map((record) => {
    time += Number(readColumn(record, 'seconds') ?? Number.NaN);
    return {
      x: Number((over === 'time' ? time : readColumn(record, over)) ?? Number.NaN),
      y: Number(readColumn(record, metric) ?? Number.NaN),
    };
  });
  return points.some(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) ? points : [];
}

function readColumn(record: object, column: string): unknown {
  if (Object.hasOwn(record, column)) return (record as Record<string, unknown>)[column];
  return column
    .split('.')
    .reduce<unknown>(
      (at, key) =>
        at && typeof at === 'object' && Object.hasOwn(at, key)
          ? (at as Record<string, unknown>)[key]
          : undefined,
      record,
    );
}

function missingColumn(
  runs: readonly PlottedRun[],
  { metric, over }: { metric: string; over: string },
): RangeError {
  const columns = new Set(
    runs.flatMap(({ history }) =>
      history.flatMap((record) =>
        Object.entries(record).flatMap(([name, value]) =>
          typeof value === 'number' ? [name] : [],
        ),
      ),
    ),
  );
  return new RangeError(
    `${WHERE}: no run has numbers in "${metric}" over "${over}"; ` +
      `the columns with numbers are ${[...columns].join(', ') || 'none'}`,
  );
}

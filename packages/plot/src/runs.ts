/** Many runs in one figure. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { drawChart } from './chart';
import type { Figure } from './figure';
import {
  type ChartOptions,
  type ChartSettings,
  chartRules,
  type Point,
  renamed,
  type Series,
} from './series';
import { DEFAULT_FMTS, styleOf } from './style';

/**
 * A run by its name and what each epoch came to: records with numbers under names, `epoch` among
 * them.
 */
export interface PlottedRun {
  readonly name: string;
  readonly history: readonly object[];
}

export interface PlotRunsOptions extends Omit<ChartOptions, 'legend' | 'fmts'> {
  /**
   * The column of the history that is compared; `metrics.top5` is the column `top5` within
   * `metrics`. @default 'testAcc'
   */
  metric?: string;
  /** What it is drawn over: any other column, or `time`, the seconds so far. @default 'epoch' */
  over?: string;
}

const { legend: _, fmts: __, ...rules } = chartRules;
const options = rule.object({
  ...rules,
  metric: rule.string().optional(),
  over: rule.string().optional(),
});

const WHERE = '[plot] plotRuns';

/** What the columns of a history are called. */
const NAMES: Readonly<Record<string, string>> = {
  loss: 'train loss',
  trainAcc: 'train acc',
  testAcc: 'test acc',
  testLoss: 'test loss',
  lr: 'learning rate',
  samplesPerSecond: 'samples/s',
  samplesPerSecondWithLoading: 'samples/s with loading',
  seconds: 'seconds an epoch',
  time: 'seconds',
};

/**
 * Runs compared in one column of their histories, a line each; an epoch without a value leaves a
 * gap. Lines differ in colour and
 * dashes, from the ninth run on in markers too.
 * @throws RangeError when there is no run or more than 48, or no run has the column; it tells the
 *   columns that are there
 * @example
 * plotRuns([{ name: 'lr 0.1', history }, { name: 'lr 0.05', history: other }], { metric: 'testAcc'
 * });
 */
export function plotRuns(runs: readonly PlottedRun[], settings: PlotRunsOptions = {}): Figure {
  const {
    metric = 'testAcc',
    over = 'epoch',
    ...chart
  } = checkOptions(WHERE, options, renamed(WHERE, settings)) as PlotRunsOptions & ChartSettings;
  checkRuns(runs);
  const columns = runs.map(({ history }) => pointsOf(history, { metric, over }));
  if (columns.every((points) => points.length === 0)) throw noColumn(runs, { metric, over });
  const series = columns.map(
    (points, i): Series => ({ label: runs[i]?.name, points, ...distinct(i, points.length) }),
  );
  const [xlabel, ylabel] = [over, metric].map((name) => NAMES[name] ?? name) as [string, string];
  const description =
    chart.title ??
    `${ylabel} of ${runs.length} runs over ${xlabel}: ${runs.map(({ name }) => name).join(', ')}`;
  return drawChart(series, { xlabel, ylabel, ...chart }, description);
}

function checkRuns(runs: readonly PlottedRun[]): void {
  const isRun = (run: PlottedRun) => typeof run?.name === 'string' && Array.isArray(run.history);
  if (!Array.isArray(runs) || runs.length === 0 || !runs.every(isRun)) {
    throw new RangeError(
      `${WHERE}: expected runs, each { name, history }, got ${formatValue(runs)}`,
    );
  }
  if (runs.length > MARKERS.length * DEFAULT_FMTS.length) {
    throw new RangeError(
      `${WHERE}: expected at most ${MARKERS.length * DEFAULT_FMTS.length} runs, got ${runs.length}; beyond that lines look alike`,
    );
  }
}

const MARKERS = ['', 'o', 's', '^', 'x', '+'] as const;
const MARKS = 8; // markers on a line, about

/**
 * The style of the `index`th run: the book's four and four more, then the same with markers,
 * shifted so that they do not cover each other.
 */
function distinct(index: number, count: number): Pick<Series, 'style' | 'markers'> {
  const every = Math.max(1, Math.ceil(count / MARKS));
  const marker = MARKERS[Math.floor(index / DEFAULT_FMTS.length) % MARKERS.length] ?? '';
  return {
    style: styleOf(`${DEFAULT_FMTS[index % DEFAULT_FMTS.length]}${marker}`),
    markers: { every, from: index % every },
  };
}

/** A run's points; none when it has not the column. */
function pointsOf(
  history: readonly object[],
  { metric, over }: { metric: string; over: string },
): Point[] {
  let time = 0;
  const points = history.map((record) => {
    time += Number(columnOf(record, 'seconds') ?? Number.NaN);
    return {
      x: Number((over === 'time' ? time : columnOf(record, over)) ?? Number.NaN),
      y: Number(columnOf(record, metric) ?? Number.NaN),
    };
  });
  return points.some(({ x, y }) => Number.isFinite(x) && Number.isFinite(y)) ? points : [];
}

function columnOf(record: object, column: string): unknown {
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

function noColumn(
  runs: readonly PlottedRun[],
  { metric, over }: { metric: string; over: string },
): RangeError {
  const there = new Set(
    runs.flatMap(({ history }) =>
      history.flatMap((record) =>
        Object.entries(record).flatMap(([name, value]) =>
          typeof value === 'number' ? [name] : [],
        ),
      ),
    ),
  );
  return new RangeError(
    `${WHERE}: no run has numbers in "${metric}" over "${over}"; the columns with numbers are ${[...there].join(', ') || 'none'}`,
  );
}

/** Curves of the chosen runs, one chart a metric. */
import { plotRuns } from '@deepend/plot';
import { isWhole } from '../run/records';
import type { ChartedEpoch } from './live-run';
import { METRICS, type Metric } from './types';

const MAX_POINTS = 1000; // of a run; a chart has fewer pixels
const MAX_NAME = 40; // characters in the legend
const ASPECT = 0.62; // height over width
const MIN_HEIGHT = 270; // pixels
// Approximate pixels of a legend.
const LETTER = 7.5;
const SAMPLE = 54;
const ROW = 22;

export interface ChartedRun {
  readonly name: string;
  /** Oldest first. */
  readonly history: readonly ChartedEpoch[];
}

/**
 * A chart as a `<figure>` element; an empty string when no run has a value. A run has the same
 * colour in every chart.
 * @param options.width in pixels
 */
export function drawMetric(
  runs: readonly ChartedRun[],
  { metric, width }: { metric: Metric; width: number },
): string {
  const shown = runs.map(({ name, history }) => ({
    name: shortened(name),
    history: thinned(history.filter((line) => Number.isFinite(line[metric]))),
  }));
  if (shown.every(({ history }) => history.length === 0)) return '';
  const height = Math.max(MIN_HEIGHT, Math.round(width * ASPECT)) + legendHeight(shown, width);
  // The page shows the metric as a title, so the axis needs no label.
  return plotRuns(shown, { metric, ylabel: '', width, height }).toHtmlFragment();
}

/** Height of the legend's rows after the first, so that many names do not shrink the curves. */
function legendHeight(runs: readonly ChartedRun[], width: number): number {
  const names = runs.reduce((sum, { name }) => sum + name.length * LETTER + SAMPLE, 0);
  return ROW * Math.floor(names / width);
}

/** Whether `name` is a column that has a chart. */
export const isMetric = (name: unknown): name is Metric =>
  typeof name === 'string' && Object.hasOwn(METRICS, name);

/** Every n-th epoch, counted back from the last. */
function thinned(history: readonly ChartedEpoch[]): readonly ChartedEpoch[] {
  const every = Math.ceil(history.length / MAX_POINTS);
  return every <= 1 ? history : history.filter((_, i) => (history.length - 1 - i) % every === 0);
}

/** Runs of a sweep differ at the end of their names, so the middle is left out. */
function shortened(name: string): string {
  if (name.length <= MAX_NAME) return name;
  return [...`${name.slice(0, MAX_NAME / 2)}…${name.slice(1 - MAX_NAME / 2)}`]
    .filter(isWhole)
    .join('');
}

/** Curves of the chosen runs, each metric in one picture. */
import { plotRuns } from '@deepend/plot';
import { type EpochLine, isWhole } from './lines';
import { METRICS, type Metric } from './types';

const MOST_POINTS = 1000; // of a run: more than a picture has pixels for
const LONGEST_NAME = 40; // characters in the legend
const SHAPE = 0.62; // height over width
const LOWEST = 270; // pixels
const [LETTER, SAMPLE, ROW] = [7.5, 54, 22]; // pixels of a legend, about

export interface ChartedRun {
  readonly name: string;
  /** Oldest first. */
  readonly history: readonly EpochLine[];
}

/**
 * The picture as a `<figure>`; empty where no run has a value. A run has the same colour in each
 * metric. @param options.width pixels
 */
export function chartOf(
  runs: readonly ChartedRun[],
  { metric, width }: { metric: Metric; width: number },
): string {
  const shown = runs.map(({ name, history }) => ({
    name: shortened(name),
    history: thinned(history.filter((line) => line[metric] !== null)),
  }));
  if (shown.every(({ history }) => history.length === 0)) return '';
  const height = Math.max(LOWEST, Math.round(width * SHAPE)) + legendHeight(shown, width);
  return plotRuns(shown, { metric, ylabel: '', width, height }).toHtmlFragment(); // the page has its title
}

/**
 * Of the rows that the names of many runs take beyond the first: the curves are not to pay for
 * them.
 */
function legendHeight(runs: readonly ChartedRun[], width: number): number {
  const names = runs.reduce((sum, { name }) => sum + name.length * LETTER + SAMPLE, 0);
  return ROW * Math.floor(names / width);
}

/** Whether `name` is a column that charts show. */
export const isMetric = (name: unknown): name is Metric =>
  typeof name === 'string' && Object.hasOwn(METRICS, name);

/** Every so many epochs, and the last. */
function thinned(history: readonly EpochLine[]): readonly EpochLine[] {
  const every = Math.ceil(history.length / MOST_POINTS);
  return every <= 1 ? history : history.filter((_, i) => (history.length - 1 - i) % every === 0);
}

/** Runs of a sweep differ at the end of their names: what is left out stood in the middle. */
function shortened(name: string): string {
  if (name.length <= LONGEST_NAME) return name;
  return [...`${name.slice(0, LONGEST_NAME / 2)}…${name.slice(1 - LONGEST_NAME / 2)}`]
    .filter(isWhole)
    .join('');
}

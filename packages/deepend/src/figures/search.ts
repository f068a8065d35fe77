import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import { type Figure, plot } from '@deepend/plot';
import type { SearchResult } from '@deepend/trainer';

export interface PlotSearchOptions {
  /**
   * `best`: the least error so far over the results. `curves`: a line through the errors of each
   * trial over its budgets. `configurations`: the error of each trial at its largest budget, over
   * one hyperparameter. @default 'best'
   */
  kind?: 'best' | 'curves' | 'configurations';
  /** The hyperparameter of `configurations`. @default the first whose values are numbers */
  parameter?: string;
  /** Whether to count seconds instead of results on the x axis of `best`. @default false */
  overTime?: boolean;
  /** A line above the chart. @default none */
  title?: string;
  /** Pixels. @default as `plot` */
  width?: number;
  /** Pixels. @default as `plot` */
  height?: number;
}

const WHERE = '[deepend] plotSearch';
const KINDS = { best, curves, configurations } as const;
const OPTIONS = rule.object({
  kind: rule.oneOf(['best', 'curves', 'configurations']).default('best'),
  parameter: rule.nonEmptyString().optional(),
  overTime: rule.boolean().default(false),
  title: rule.string().optional(),
  width: rule.positiveInteger().optional(),
  height: rule.positiveInteger().optional(),
});

type Valid = SearchResult & { readonly error: number };
type Settings = Omit<PlotSearchOptions, 'kind'>;

/**
 * Draws the results of `search`. Trials that failed are left out.
 * @throws RangeError when no result is valid, or no hyperparameter has this name
 * @example
 * const { results } = await search({ space, objective, scheduler: 'hyperband' });
 * await plots.plotSearch(results, { kind: 'curves' }).save('curves.svg');
 */
export function plotSearch(
  results: readonly SearchResult[],
  options: PlotSearchOptions = {},
): Figure {
  const { kind, ...settings } = checkOptions(WHERE, OPTIONS, options);
  const isValid = (result: SearchResult): result is Valid => result.error !== null;
  const valid = Array.isArray(results) ? results.filter(isValid) : [];
  if (valid.length > 0) return KINDS[kind](valid, settings as Settings);
  throw new RangeError(
    `${WHERE}: expected results of search with at least one that did not fail, got ` +
      formatValue(results),
  );
}

/** The options of `plot` that are given. */
const passedOn = ({ title, width, height }: Settings) =>
  Object.fromEntries(
    Object.entries({ title, width, height }).filter(([, value]) => value !== undefined),
  );

function best(results: readonly Valid[], settings: Settings): Figure {
  let least = Number.POSITIVE_INFINITY;
  let time = 0;
  const points = results.map(({ error, seconds }, i) => {
    least = Math.min(least, error);
    time += seconds;
    return { x: settings.overTime ? time : i + 1, error, least };
  });
  const x = points.map((point) => point.x);
  const errors = points.map((point) => point.error);
  // A staircase: the least error holds until the next result.
  const steps = points.flatMap((point, i) =>
    i === 0 ? [point] : [{ ...point, least: points[i - 1]?.least ?? 0 }, point],
  );
  const xlabel = settings.overTime ? 'seconds of training' : 'result';
  const legend = ['error', 'least so far'];
  const fmts = ['bo', 'r-'];
  const xs = [x, steps.map((point) => point.x)];
  const ys = [errors, steps.map((point) => point.least)];
  return plot(xs, ys, { xlabel, ylabel: 'error', legend, fmts, ...passedOn(settings) });
}

/** The results of each trial, in the order of their budgets. */
function byTrial(results: readonly Valid[]): Valid[][] {
  const trials = new Map<number, Valid[]>();
  for (const result of results)
    trials.set(result.trial, [...(trials.get(result.trial) ?? []), result]);
  return [...trials.values()].map((all) => all.toSorted((a, b) => a.budget - b.budget));
}

function curves(results: readonly Valid[], settings: Settings): Figure {
  const trials = byTrial(results);
  const xs = trials.map((trial) => trial.map(({ budget }) => budget));
  const ys = trials.map((trial) => trial.map(({ error }) => error));
  const fmts = ['b-o', 'm--o', 'g-.o', 'r:o', 'y-o', 'c--o', 'k-.o'];
  return plot(xs, ys, { xlabel: 'budget', ylabel: 'error', fmts, ...passedOn(settings) });
}

const SPREAD = 30; // values whose ratio is larger get a logarithmic axis

function configurations(results: readonly Valid[], settings: Settings): Figure {
  const { parameter } = settings;
  const last = byTrial(results).map((trial) => trial.at(-1) as Valid);
  const config = (last[0] as Valid).config as Record<string, unknown>;
  const names = Object.keys(config).filter((name) => typeof config[name] === 'number');
  const name = parameter ?? names[0];
  if (name === undefined || !names.includes(name)) {
    const near = name === undefined ? undefined : closest(name, names);
    throw new RangeError(
      `${WHERE}: expected a hyperparameter whose values are numbers, got ${formatValue(name)}; ` +
        (near ? `did you mean "${near}"?` : `there are ${names.join(', ') || 'none'}`),
    );
  }
  const values = last.map((result) => (result.config as Record<string, number>)[name] as number);
  const low = Math.min(...values);
  const xscale = low > 0 && Math.max(...values) / low > SPREAD ? 'log' : 'linear';
  const budgets = [...new Set(last.map(({ budget }) => budget))].sort((a, b) => a - b);
  const pick = (budget: number, list: readonly number[]) =>
    list.filter((_, i) => last[i]?.budget === budget);
  const errors = last.map(({ error }) => error);
  return plot(
    budgets.map((budget) => pick(budget, values)),
    budgets.map((budget) => pick(budget, errors)),
    {
      ...{ xlabel: name, ylabel: 'error', xscale, ...passedOn(settings) },
      legend: budgets.map((budget) => `budget ${budget}`),
      fmts: ['bo', 'ms', 'g^', 'rx', 'y+', 'co', 'ks'],
    },
  );
}

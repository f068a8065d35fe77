/** Hyperparameter search: chapter 19 of the English edition. */

import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { checkOptions, formatValue, mixSeed, rule } from '@deepend/core';
import { onStopSignal } from '../stop-signals';
import { bestResult } from './best';
import { type Config, checkConfig, checkSpace, type Space, sample } from './domains';
import {
  checkScheduler,
  countTrials,
  createScheduler,
  type Decision,
  type Job,
  type Scheduler,
  type SchedulerName,
  type SchedulerOptions,
} from './schedulers';
import { SearchFolder } from './store';
import type { Objective, SearchOptions, SearchOutcome, SearchResult } from './types';
import { moduleUrl, type Runner, WorkerProcesses } from './workers';

const WHERE = '[trainer] search';

const OPTIONS = rule.object({
  space: rule.custom<Space>(() => true, 'domains by name'),
  objective: rule.custom<Objective | string | URL>(
    (value) =>
      typeof value === 'function' || value instanceof URL || (typeof value === 'string' && !!value),
    'a function, or the path of a module whose default export is one',
  ),
  scheduler: rule
    .custom<SchedulerName | SchedulerOptions>(
      (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
      'the name of a scheduler, or an object of options',
    )
    .default('random'),
  initial: rule
    .custom<readonly Config[]>(Array.isArray, 'a list of configurations')
    .default([] as never),
  seed: rule.seed().default(0),
  out: rule.nonEmptyString('the name of a folder').optional(),
  workers: rule.integer({ min: 0, max: 256 }).default(0),
  progress: rule.boolean().default(true),
});

/**
 * Searches for the hyperparameters with the smallest error. A trial's configuration depends only on
 * the seed and its number. With `out`, each result is kept as it comes, and a search that was
 * interrupted continues when it is started again: the same trials follow. An objective that throws
 * or returns anything but a finite number fails: that is recorded, and the search continues.
 * @throws TypeError or RangeError when an option is wrong; Error when all trials fail, or `out` has
 *   another search
 * @example
 * const { best } = await search({
 *   space: { lr: spaces.logUniform(1e-3, 1), batchSize: spaces.choice([32, 64, 128, 256]) },
 *   objective: async ({ lr, batchSize }, { budget }) => {
 *     const [trainIter, testIter] = await loadFashionMnist(batchSize);
 *     const settings = { numEpochs: budget, lr, progress: false };
 *     const { history } = await train(book.lenet(), trainIter, testIter, settings);
 *     return 1 - (history.at(-1)?.testAcc ?? 0);
 *   },
 *   scheduler: { name: 'successive-halving', minBudget: 1, maxBudget: 9 },
 *   out: 'runs/search',
 * });
 */
export async function search<S extends Space>(
  options: SearchOptions<S>,
): Promise<SearchOutcome<S>> {
  const checked = checkOptions(WHERE, OPTIONS, options);
  const { space, objective, initial, seed, out, workers } = checked;
  checkSpace(WHERE, space);
  for (const config of initial) checkConfig(WHERE, space, config);
  const scheduler = checkScheduler(`${WHERE}: scheduler`, checked.scheduler);
  if (initial.length > countTrials(scheduler)) {
    throw new RangeError(
      `${WHERE}: option "initial" must have at most the ${countTrials(scheduler)} configurations ` +
        `that the scheduler tries, got ${initial.length}`,
    );
  }
  checkObjective(objective, workers);
  const processes =
    workers > 0 ? new WorkerProcesses(objective as string | URL, workers) : undefined;
  const run = processes?.run ?? (await inThisProcess(objective));
  const settings = { space, scheduler, initial, seed };
  const [folder, results] = out ? await SearchFolder.open(out, settings) : [undefined, []];
  const state: State = {
    ...{ results, running: [], folder, seed, progress: checked.progress },
    decide: createScheduler(scheduler),
    configOf: (trial) => initial[trial] ?? sample(space, seed, trial),
    run,
  };
  if (checked.progress && results.length > 0)
    console.log(`continuing the search in ${out}, which has ${results.length} results`);
  try {
    const interrupted = await runAll(state, Math.max(1, workers));
    const best = bestOf(results, interrupted);
    return { best, results, interrupted } as SearchOutcome<S>;
  } finally {
    processes?.end();
    await folder?.close();
  }
}

interface State {
  readonly results: SearchResult[];
  readonly running: Job[];
  readonly folder: SearchFolder | undefined;
  readonly seed: number;
  readonly progress: boolean;
  readonly decide: Scheduler;
  configOf(trial: number): Config;
  readonly run: Runner;
}

function checkObjective(objective: Objective | string | URL, workers: number): void {
  if (typeof objective === 'function') {
    if (workers === 0) return;
    throw new TypeError(
      `${WHERE}: option "objective" must be the path of a module with workers, got a function; ` +
        'move it to a file as the default export, or leave "workers" out',
    );
  }
  const url = moduleUrl(objective);
  if (statSync(fileURLToPath(url), { throwIfNoEntry: false })?.isFile()) return;
  throw new RangeError(`${WHERE}: option "objective" must be a file that exists, got ${url}`);
}

async function inThisProcess(objective: Objective | string | URL): Promise<Runner> {
  if (typeof objective === 'function') return async (...args) => objective(...args);
  const url = moduleUrl(objective);
  const { default: found } = (await import(/* @vite-ignore */ url)) as { default?: Objective };
  if (typeof found === 'function') return async (...args) => found(...args);
  throw new TypeError(
    `${WHERE}: expected a function as the default export of ${url}, got ${formatValue(found)}`,
  );
}

/** Runs jobs, `workers` at a time, until the scheduler has none. @returns whether interrupted */
async function runAll(state: State, workers: number): Promise<boolean> {
  const jobs = new Set<Promise<void>>();
  const { interrupted, remove } = onInterrupt();
  let isInterrupted = false;
  void interrupted.then(() => {
    isInterrupted = true;
  });
  try {
    while (!isInterrupted) {
      const next: Decision =
        jobs.size < workers
          ? state.decide({ done: state.results, running: state.running })
          : 'wait';
      if (next === 'end') break;
      if (next !== 'wait') {
        const job: Promise<void> = runJob(state, next, () => isInterrupted).finally(() => {
          jobs.delete(job);
        });
        jobs.add(job);
        continue;
      }
      await Promise.race([interrupted, ...jobs]);
    }
    // A model that trains in this process hears the signal too, and stops by itself.
    if (isInterrupted && workers === 1) await Promise.race([...jobs, ended(GRACE)]);
    return isInterrupted;
  } finally {
    remove();
    for (const job of jobs) job.catch(() => {});
  }
}

const GRACE = 5000; // milliseconds
const ended = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());

/** @returns a promise of the first signal to stop; a second one ends the process */
function onInterrupt() {
  let remove = () => {};
  const interrupted = new Promise<void>((resolve) => {
    remove = onStopSignal(() => {
      console.error('interrupted: the results so far are kept; Ctrl-C again exits at once');
      resolve();
    });
  });
  return { interrupted, remove };
}

/** Runs a job and records its result, unless the search was interrupted meanwhile. */
async function runJob(state: State, job: Job, isInterrupted: () => boolean): Promise<void> {
  const { running, results, folder } = state;
  const config = state.configOf(job.trial);
  running.push(job);
  const began = performance.now();
  const outcome = await attempt(state, config, job);
  running.splice(running.indexOf(job), 1);
  if (isInterrupted()) return; // a training that was stopped has no valid error
  const seconds = (performance.now() - began) / 1000;
  const result: SearchResult = { ...job, config, ...outcome, seconds };
  results.push(result);
  await folder?.append(result);
  if (state.progress) console.log(lineOf(result, results));
}

async function attempt(
  { run, seed, folder }: State,
  config: Config,
  { trial, budget }: Job,
): Promise<Pick<SearchResult, 'error' | 'failure'>> {
  try {
    const context = { trial, budget, seed: mixSeed(seed, trial), folder: folder?.trial(trial) };
    const error = await run(config, context);
    if (typeof error === 'number' && Number.isFinite(error)) return { error };
    return { error: null, failure: `expected a finite error, got ${formatValue(error)}` };
  } catch (cause) {
    return { error: null, failure: cause instanceof Error ? cause.message : String(cause) };
  }
}

/** @throws Error when there is no result that did not fail */
function bestOf(results: readonly SearchResult[], interrupted: boolean): SearchResult {
  const best = bestResult(results);
  if (best) return best;
  if (interrupted) throw new Error(`${WHERE}: interrupted before the first result`);
  const [first] = results;
  throw new Error(
    `${WHERE}: all ${results.length} trials failed; the first: ${first?.failure ?? 'unknown'}`,
  );
}

function lineOf(
  { trial, budget, error, failure, config }: SearchResult,
  all: readonly SearchResult[],
) {
  const values = Object.entries(config).map(([name, value]) => `${name} ${short(value)}`);
  const errors = all.flatMap((at) => (at.error === null ? [] : [at.error]));
  const result =
    error === null
      ? `failed: ${failure}`
      : `error ${error.toFixed(4)}, least ${Math.min(...errors).toFixed(4)}`;
  return `trial ${trial}, budget ${budget}: ${result} (${values.join(', ')})`;
}

const short = (value: unknown): string =>
  typeof value === 'number' ? String(Number(value.toPrecision(3))) : String(value);

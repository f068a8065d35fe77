/** What a search passes to its objective, and what it returns. */

import type { Config, Space } from './domains';
import type { Job, SchedulerName, SchedulerOptions } from './schedulers';

/** What an objective receives besides the configuration. */
export interface ObjectiveContext {
  /** Epochs to train for, or another unit of work, up to the scheduler's `maxBudget`. */
  readonly budget: number;
  /** The number of the configuration, from 0. It may come again with a larger budget. */
  readonly trial: number;
  /** A seed for this trial: the same for each of its budgets. */
  readonly seed: number;
  /**
   * A folder for files of this trial, such as checkpoints from which a larger budget continues. It
   * may not exist yet; undefined without the option `out`.
   */
  readonly folder: string | undefined;
}

/** Trains a configuration. @returns its error, the smaller the better: 1 − accuracy, say */
export type Objective<S extends Space = Space> = (
  config: Config<S>,
  context: ObjectiveContext,
) => number | Promise<number>;

export interface SearchOptions<S extends Space = Space> {
  /**
   * Domains of the hyperparameters by name.
   * @example { lr: spaces.logUniform(1e-4, 1), optimizer: spaces.choice(['sgd', 'adam']) }
   */
  space: S;
  /**
   * Trains a configuration for a budget and returns its error, the smaller the better. Or the path
   * or `file:` URL of a module whose default export does: `workers` needs it.
   * @example async ({ lr }, { budget }) => 1 - (await accuracyOf(lr, { numEpochs: budget }))
   */
  objective: Objective<S> | string | URL;
  /** Which trials run for how long, by name or with options. @default 'random' */
  scheduler?: SchedulerName | SchedulerOptions;
  /** Configurations to try first, such as a known good one. @default none */
  initial?: readonly Config<S>[];
  /** Seeds the configurations. @default 0 */
  seed?: number;
  /** The folder of the search's state: a search that is there already continues. @default none */
  out?: string;
  /** Number of processes that train at the same time; 0 trains in this process. @default 0 */
  workers?: number;
  /** Whether a line is printed for each result. @default true */
  progress?: boolean;
}

/** A job that has ended. */
export interface SearchResult<S extends Space = Space> extends Job {
  readonly config: Config<S>;
  /** null when the objective failed. */
  readonly error: number | null;
  /** Why the objective failed. */
  readonly failure?: string;
  /** Seconds that the objective took. */
  readonly seconds: number;
}

export interface SearchOutcome<S extends Space = Space> {
  /** The result with the smallest error among those of the largest budget reached. */
  readonly best: SearchResult<S>;
  /** All results in the order in which they came, those of a resumed search first. */
  readonly results: readonly SearchResult<S>[];
  /** Whether a signal ended the search before its end. */
  readonly interrupted: boolean;
}

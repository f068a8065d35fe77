/** Hyperparameter search. */

export type { Choice, ChoiceDomain, Config, Domain, NumberDomain, Space } from './domains';
export {
  SCHEDULER_NAMES,
  type SchedulerName,
  type SchedulerOptions,
} from './schedulers';
export { search } from './search';
export * as spaces from './spaces';
export type {
  Objective,
  ObjectiveContext,
  SearchOptions,
  SearchOutcome,
  SearchResult,
} from './types';

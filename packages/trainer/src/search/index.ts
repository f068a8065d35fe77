/** Hyperparameter search. */

export { bestResult } from './best';
export type { Choice, ChoiceDomain, Config, Domain, NumberDomain, Space } from './domains';
export {
  SCHEDULER_NAMES,
  type SchedulerName,
  type SchedulerOptions,
} from './schedulers';
export { search } from './search';
export * as spaces from './spaces';
export { SEARCH_FILES } from './store';
export type {
  Objective,
  ObjectiveContext,
  SearchOptions,
  SearchOutcome,
  SearchResult,
} from './types';

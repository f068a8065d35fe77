/** The schedules, as the namespace `schedules`. */
export { type AnnealingOptions, cosine, type PolynomialOptions, polynomial } from './annealing';
export { create, NAMES, type ScheduleName } from './create';
export {
  constant,
  type FactorOptions,
  factor,
  type MultiStepOptions,
  multiStep,
  type StepOptions,
  step,
} from './decay';
export { type OneCycleOptions, oneCycle } from './one-cycle';
export { type PlateauOptions, plateau } from './plateau';
export { type WarmUpOptions, warmUp } from './warm-up';

/** The options that every module with parameters takes. */
import { rule } from '@deepend/core';
import type { InitialValues } from '../init';

export interface WeightOptions {
  /**
   * Initial values of the weights: a name, one of `nn.init`, or your own function; biases keep
   * theirs. @default PyTorch's for this class
   */
  init?: InitialValues;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

export const weightRules = {
  init: rule
    .custom<InitialValues>(
      (value) => typeof value === 'string' || typeof value === 'function',
      'a name or a function',
    )
    .optional(),
  seed: rule.seed().optional(),
};

export { withSeed as seeded } from '@deepend/compiler';

/** The given options without those that are undefined, for `config`. */
export function given<T extends object>(options: T): Partial<T> {
  const entries = Object.entries(options).filter(
    ([, value]) => value !== undefined && typeof value !== 'function',
  );
  return Object.fromEntries(entries) as Partial<T>;
}

/** What each optimizer can be told, with PyTorch's defaults. */

import type { UpdateRule } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';

/** Parameters that learn in their own way. The first group that a parameter is in counts. */
export interface ParameterGroup {
  /** Names of layers (`layer4.0.conv1`) or of parameters (`fc/bias`); `*` stands for anything. */
  params: string | readonly string[];
  /** What the learning rate is multiplied by. @default 1 */
  lrScale?: number;
  /** @default the optimizer's */
  weightDecay?: number;
}

/** An optimizer by its name. It takes the options that its rule has and refuses the others. */
export interface OptimizerOptions {
  name: OptimizerName;
  /** sgd, rmsprop: how much of the velocity stays. @default 0 */
  momentum?: number;
  /** sgd: looks ahead by one velocity. @default false */
  nesterov?: boolean;
  /** @default 0; adamw 0.01 */
  weightDecay?: number;
  /**
   * Weight decay beside the rule, w ← (1 − lr·λ)·w, rather than λ·w in the gradient. @default
   * false; adamw and lion true
   */
  decoupled?: boolean;
  /** adam, adamw, lion: how much of the gradients' running mean stays. @default 0.9 */
  beta1?: number;
  /**
   * adam, adamw: the same of the squares. lion: what the running mean itself keeps. @default 0.999;
   * lion 0.99
   */
  beta2?: number;
  /** What is added to the root that divides. @default 1e-8; adagrad 1e-10 */
  epsilon?: number;
  /** rmsprop: how much of the squares' running mean stays. @default 0.99 */
  alpha?: number;
  /** rmsprop: divides by the deviation from the running mean. @default false */
  centered?: boolean;
  /**
   * Whether gamma, beta and bias go without weight decay, in groups too. @default 'none', all
   * decay, as in PyTorch
   */
  excludeFromDecay?: 'norm-and-bias' | 'none';
  /** @default none: all learn alike */
  groups?: readonly ParameterGroup[];
}

/** The options with their defaults. */
export type CheckedOptions = OptimizerOptions &
  Required<Pick<OptimizerOptions, 'weightDecay' | 'decoupled' | 'excludeFromDecay' | 'groups'>>;

/** The optimizers' names. */
export const OPTIMIZER_NAMES = ['sgd', 'adam', 'adamw', 'rmsprop', 'adagrad', 'lion'] as const;

export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

const share = (byDefault: number) =>
  rule
    .custom<number>(
      (value) => typeof value === 'number' && value >= 0 && value < 1,
      'a number from 0 to below 1',
    )
    .default(byDefault);
const isName = (value: unknown) => typeof value === 'string' && value !== '';
const group = rule.object({
  params: rule.custom<string | readonly string[]>(
    (value) => isName(value) || (Array.isArray(value) && value.length > 0 && value.every(isName)),
    'the name of a layer or of a parameter, or a list of names',
  ),
  lrScale: rule.nonNegativeNumber().optional(),
  weightDecay: rule.nonNegativeNumber().optional(),
});

const forAll = ({ weightDecay = 0 } = {}) => ({
  name: rule.oneOf(OPTIMIZER_NAMES),
  weightDecay: rule.nonNegativeNumber().default(weightDecay),
  excludeFromDecay: rule.oneOf(['none', 'norm-and-bias']).default('none'),
  groups: rule.list(group, 'a list of groups').default([]),
});
const decoupled = (byDefault: boolean) => ({ decoupled: rule.boolean().default(byDefault) });
const epsilon = (byDefault: number) => ({ epsilon: rule.nonNegativeNumber().default(byDefault) });
const adam = { beta1: share(0.9), beta2: share(0.999), ...epsilon(1e-8) };
const always = rule
  .custom<boolean>((value) => value === true, "true; 'adam' has the other form")
  .default(true);

const SCHEMAS = {
  sgd: rule.object({
    ...forAll(),
    ...decoupled(false),
    momentum: share(0),
    nesterov: rule.boolean().default(false),
  }),
  adam: rule.object({ ...forAll(), ...decoupled(false), ...adam }),
  adamw: rule.object({ ...forAll({ weightDecay: 0.01 }), decoupled: always, ...adam }),
  rmsprop: rule.object({
    ...forAll(),
    ...decoupled(false),
    ...epsilon(1e-8),
    alpha: share(0.99),
    momentum: share(0),
    centered: rule.boolean().default(false),
  }),
  adagrad: rule.object({ ...forAll(), ...decoupled(false), ...epsilon(1e-10) }),
  lion: rule.object({ ...forAll(), ...decoupled(true), beta1: share(0.9), beta2: share(0.99) }),
};

const NAME = rule.object({ name: rule.oneOf(OPTIMIZER_NAMES) });

/** @throws TypeError or RangeError when an option is wrong, or none of the optimizer's */
export function checkOptimizerOptions(where: string, options: OptimizerOptions): CheckedOptions {
  const { name } = checkOptions(where, NAME, { name: options?.name });
  const checked: CheckedOptions = checkOptions(where, SCHEMAS[name], options);
  if (checked.nesterov && !checked.momentum) {
    throw new RangeError(
      `${where}: option "nesterov" must go with a momentum above 0, got ${checked.momentum}`,
    );
  }
  return checked;
}

/** Which rule the options ask for, and its numbers. */
export function ruleOf({
  name,
  momentum = 0,
  nesterov,
  centered,
  beta1,
  beta2,
  alpha,
  epsilon,
}: CheckedOptions) {
  const rules: Record<CheckedOptions['name'], UpdateRule> = {
    sgd: momentum === 0 ? 'sgd' : nesterov ? 'nesterov' : 'momentum',
    adam: 'adam',
    adamw: 'adam',
    rmsprop: `rmsprop${centered ? 'Centered' : ''}${momentum > 0 ? 'Momentum' : ''}`,
    adagrad: 'adagrad',
    lion: 'lion',
  };
  return {
    rule: rules[name],
    coefficients: { beta1: beta1 ?? momentum, beta2: beta2 ?? alpha, epsilon },
  };
}

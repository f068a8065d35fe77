/** The options of each optimizer, with PyTorch's defaults. */

import { checkOptions, rule } from '@deepend/core';
import type { RuleName } from './rules';

/** Parameters with options of their own. The first group that contains a parameter counts. */
export interface ParameterGroup {
  /**
   * Names of layers (`layer4.0.conv1`) or of parameters (`fc/bias`); `*` stands for any characters.
   */
  params: string | readonly string[];
  /** Factor of the learning rate, at least 0. @default 1 */
  lrScale?: number;
  /** Weight decay of the group, at least 0. @default the optimizer's */
  weightDecay?: number;
}

/**
 * An optimizer by its name. Each optimizer has some of the options; another one is an error.
 * @example
 * { name: 'adamw', weightDecay: 0.05, excludeFromDecay: 'norm-and-bias' }
 */
export interface OptimizerOptions {
  /**
   * The rule, with PyTorch's formula and defaults.
   * @example 'adam'
   */
  name: OptimizerName;
  /** sgd, rmsprop: fraction of the velocity that each update keeps, 0 to below 1. @default 0 */
  momentum?: number;
  /** sgd: Nesterov's momentum. Needs `momentum`. @default false */
  nesterov?: boolean;
  /** Weight decay λ, at least 0. @default 0; adamw 0.01 */
  weightDecay?: number;
  /**
   * Whether weight decay is separate from the rule, w ← (1 − lr·λ)·w, instead of λ·w added to the
   * gradient. @default false; adamw and lion true
   */
  decoupled?: boolean;
  /**
   * adam, adamw, adamax, nadam, yogi, lion: decay of the running mean of gradients, 0 to below 1.
   * @default 0.9
   */
  beta1?: number;
  /**
   * adam, adamw, nadam, yogi: decay of the running mean of squares. adamax: of the largest
   * gradient. lion: decay of the running mean for the next update. 0 to below 1.
   * @default 0.999; lion 0.99
   */
  beta2?: number;
  /**
   * Added to the denominator, at least 0.
   * @default 1e-8; adagrad 1e-10; adadelta 1e-6; yogi 1e-3
   */
  epsilon?: number;
  /** rmsprop: decay of the running mean of squares, 0 to below 1. @default 0.99 */
  alpha?: number;
  /** adadelta: decay of the running means of squares, 0 to below 1. @default 0.9 */
  rho?: number;
  /** nadam: how fast the momentum grows to `beta1`, at least 0. @default 0.004 */
  momentumDecay?: number;
  /** rmsprop: divides by the standard deviation of the gradients. @default false */
  centered?: boolean;
  /**
   * Parameters without weight decay, also in groups: `'norm-and-bias'` are gamma, beta and bias.
   * @default 'none', as in PyTorch
   */
  excludeFromDecay?: 'norm-and-bias' | 'none';
  /** Parameters with options of their own. @default none */
  groups?: readonly ParameterGroup[];
}

/** The options with their defaults. */
export type CheckedOptions = OptimizerOptions &
  Required<Pick<OptimizerOptions, 'weightDecay' | 'decoupled' | 'excludeFromDecay' | 'groups'>>;

/** The optimizers' names. */
export const OPTIMIZER_NAMES = [
  'sgd',
  'adam',
  'adamw',
  'rmsprop',
  'adagrad',
  'lion',
  'adadelta',
  'yogi',
  'adamax',
  'nadam',
] as const;

export type OptimizerName = (typeof OPTIMIZER_NAMES)[number];

const fraction = (byDefault: number) =>
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
const adam = { beta1: fraction(0.9), beta2: fraction(0.999), ...epsilon(1e-8) };
const always = rule
  .custom<boolean>((value) => value === true, "true; 'adam' has the other form")
  .default(true);

const SCHEMAS = {
  sgd: rule.object({
    ...forAll(),
    ...decoupled(false),
    momentum: fraction(0),
    nesterov: rule.boolean().default(false),
  }),
  adam: rule.object({ ...forAll(), ...decoupled(false), ...adam }),
  adamw: rule.object({ ...forAll({ weightDecay: 0.01 }), decoupled: always, ...adam }),
  rmsprop: rule.object({
    ...forAll(),
    ...decoupled(false),
    ...epsilon(1e-8),
    alpha: fraction(0.99),
    momentum: fraction(0),
    centered: rule.boolean().default(false),
  }),
  adagrad: rule.object({ ...forAll(), ...decoupled(false), ...epsilon(1e-10) }),
  lion: rule.object({
    ...forAll(),
    ...decoupled(true),
    beta1: fraction(0.9),
    beta2: fraction(0.99),
  }),
  adadelta: rule.object({
    ...forAll(),
    ...decoupled(false),
    ...epsilon(1e-6),
    rho: fraction(0.9),
  }),
  yogi: rule.object({ ...forAll(), ...decoupled(false), ...adam, ...epsilon(1e-3) }),
  adamax: rule.object({ ...forAll(), ...decoupled(false), ...adam }),
  nadam: rule.object({
    ...forAll(),
    ...decoupled(false),
    ...adam,
    momentumDecay: rule.nonNegativeNumber().default(0.004),
  }),
};

const NAME = rule.object({ name: rule.oneOf(OPTIMIZER_NAMES) });

/** @throws TypeError or RangeError when an option is wrong, or the optimizer does not have it */
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

/** The update rule for the options, and its coefficients. */
export function ruleOf({
  name,
  momentum = 0,
  nesterov,
  centered,
  beta1,
  beta2,
  alpha,
  rho,
  epsilon,
}: CheckedOptions) {
  const rules: Record<CheckedOptions['name'], RuleName> = {
    sgd: momentum === 0 ? 'sgd' : nesterov ? 'nesterov' : 'momentum',
    adam: 'adam',
    adamw: 'adam',
    rmsprop: `rmsprop${centered ? 'Centered' : ''}${momentum > 0 ? 'Momentum' : ''}`,
    adagrad: 'adagrad',
    lion: 'lion',
    adadelta: 'adadelta',
    yogi: 'yogi',
    adamax: 'adamax',
    nadam: 'nadam',
  };
  return {
    rule: rules[name],
    coefficients: { beta1: beta1 ?? momentum, beta2: beta2 ?? alpha ?? rho, epsilon },
  };
}

/** The options of `trainGan`, and the rules that are checked before it computes. */
import { isModule, type ModuleLike } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Device } from '@deepend/device';
import {
  binaryCrossEntropy,
  type LossOfOutput,
  OPTIMIZER_NAMES,
  type OptimizerOptions,
  VariableOptimizer,
} from '@deepend/optim';
import { deviceRule } from '../options';
import type { GanNetworks } from './steps';

export const WHERE = '[trainer] trainGan';

/** An epoch of `trainGan`. */
export interface GanRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean loss of the discriminator; log 2, about 0.693, when it can only guess. */
  readonly lossD: number;
  /** Mean loss of the generator. */
  readonly lossG: number;
  readonly seconds: number;
  readonly samplesPerSecond: number;
}

/** One value for both modules, or one for each. */
export type ForBoth<T> = T | { readonly discriminator: T; readonly generator: T };

export interface GanOptions {
  /** Number of passes over the data. @example 20 */
  numEpochs: number;
  /**
   * Learning rate of both modules, or of each.
   * @example 0.005
   * @example { discriminator: 0.05, generator: 0.005 }
   */
  lr: ForBoth<number>;
  /**
   * Shape of one sample's noise, which is normal with mean 0 and deviation 1.
   * @example [2]
   * @example [1, 1, 100]
   */
  latentShape: readonly number[];
  /**
   * An optimizer's name, or its name with options. @default 'adam'
   * @example { name: 'adam', beta1: 0.5 }
   */
  optimizer?: OptimizerOptions['name'] | OptimizerOptions;
  /**
   * Of the discriminator's logits with labels 1 (real) and 0 (generated), to a scalar.
   * @default binaryCrossEntropy()
   */
  loss?: LossOfOutput;
  /** Seed of the noise and of random layers: any safe integer. @default 0 */
  seed?: number;
  /** The device that computes. @default the one chosen before, else the best CPU backend */
  device?: Device;
  /** Whether to print a line for each epoch. @default true */
  progress?: boolean;
  /** Called after each epoch, with the generator in inference mode. @default none */
  onEpochEnd?: (record: GanRecord, generator: ModuleLike) => void | Promise<void>;
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isRate = (value: unknown) => typeof value === 'number' && value > 0 && Number.isFinite(value);
const isRatePair = (value: unknown) =>
  isObject(value) &&
  Object.keys(value).sort().join() === 'discriminator,generator' &&
  Object.values(value).every(isRate);

const QUOTED_NAMES = OPTIMIZER_NAMES.map((name) => `'${name}'`).join(', ');

const ganRules = rule.object({
  numEpochs: rule.positiveInteger(),
  lr: rule.custom<ForBoth<number>>(
    (value) => isRate(value) || isRatePair(value),
    'a number above 0, or { discriminator, generator } of two of them',
  ),
  latentShape: rule.list(rule.positiveInteger(), 'a list of positive integers', { min: 1 }),
  optimizer: rule
    .custom<NonNullable<GanOptions['optimizer']>>(
      (value) =>
        isObject(value) ? 'name' in value : OPTIMIZER_NAMES.some((name) => name === value),
      `one of ${QUOTED_NAMES}, or an object with such a name`,
    )
    .default('adam'),
  loss: rule.func<LossOfOutput>().optional(),
  seed: rule.seed().default(0),
  device: deviceRule.optional(),
  progress: rule.boolean().default(true),
  onEpochEnd: rule.func<NonNullable<GanOptions['onEpochEnd']>>().optional(),
});

/** @throws TypeError or RangeError for the first module or option that is wrong */
export function checkGan(networks: GanNetworks, options: GanOptions) {
  for (const name of ['discriminator', 'generator'] as const) {
    if (isModule(networks?.[name])) continue;
    throw new TypeError(
      `${WHERE}: expected an nn.Module as "${name}", got ${formatValue(networks?.[name])}; ` +
        'give { generator, discriminator }',
    );
  }
  const { loss = binaryCrossEntropy(), ...checked } = checkOptions(WHERE, ganRules, options);
  if (isObject(checked.optimizer) && 'lr' in checked.optimizer) {
    throw new TypeError(
      `${WHERE}: option "optimizer" has no "lr"; pass "lr" next to it, for both modules or for ` +
        'each',
    );
  }
  return { ...checked, loss };
}

/** An optimizer for each of both modules. */
export function optimizersFor(
  networks: GanNetworks,
  { optimizer, lr }: { optimizer: NonNullable<GanOptions['optimizer']>; lr: ForBoth<number> },
) {
  const { name, ...rest } = typeof optimizer === 'string' ? { name: optimizer } : optimizer;
  const rates = typeof lr === 'number' ? { discriminator: lr, generator: lr } : lr;
  const optimizerOf = (key: keyof GanNetworks) =>
    new VariableOptimizer(name, networks[key], { ...rest, lr: rates[key] });
  return { discriminator: optimizerOf('discriminator'), generator: optimizerOf('generator') };
}

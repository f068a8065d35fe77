/** The book's classes for hyperparameter search: chapter 19 of the English edition. */
import { checkOptions, formatValue, mixSeed, rule } from '@deepend/core';
import { loadFashionMnist } from '@deepend/data';
import { book } from '@deepend/models';
import {
  type AnyModel,
  evaluate,
  type Loader,
  type Space,
  spaces,
  type TrainOptions,
  type TrainResult,
  train,
} from '@deepend/trainer';

/** A configuration: values by the names of the hyperparameters. */
export type HPOConfig = Record<string, string | number | boolean>;

/** Section 19.1: trains a model and says its validation error. */
export class HPOTrainer {
  readonly maxEpochs: number;
  #fitted: { model: AnyModel; valIter: Loader } | undefined;

  constructor(maxEpochs: number) {
    checkOptions('[deepend] d2l.HPOTrainer', EPOCHS, { maxEpochs });
    this.maxEpochs = maxEpochs;
  }

  /** @param options those of `train`, such as `{ lr: 0.1 }` */
  async fit(
    model: AnyModel,
    data: readonly [trainIter: Loader, valIter: Loader],
    options: Omit<TrainOptions, 'numEpochs'>,
  ): Promise<TrainResult> {
    const [trainIter, valIter] = data;
    this.#fitted = { model, valIter };
    return train(model, trainIter, null, { ...options, numEpochs: this.maxEpochs });
  }

  /** 1 − accuracy on the validation data, 0 to 1. @throws Error before `fit` */
  async validationError(): Promise<number> {
    if (!this.#fitted) {
      throw new Error(
        '[deepend] d2l.HPOTrainer: validationError() came before fit(); call fit() first',
      );
    }
    const { model, valIter } = this.#fitted;
    return 1 - (await evaluate(model, valIter)).accuracy;
  }
}

const EPOCHS = rule.object({ maxEpochs: rule.positiveInteger() });

/** Section 19.2: proposes configurations. */
export abstract class HPOSearcher {
  abstract sampleConfiguration(): HPOConfig;

  /** Hears of each error. Random search ignores it. */
  update(_config: HPOConfig, _error: number, _additionalInfo?: unknown): void {}
}

const WHERE_RANDOM = '[deepend] d2l.RandomSearcher';
const RANDOM = rule.object({
  initialConfig: rule
    .custom<HPOConfig>((value) => typeof value === 'object' && value !== null, 'a configuration')
    .optional(),
  seed: rule.seed().default(0),
});

/** Section 19.2: configurations at random, the given one first. */
export class RandomSearcher extends HPOSearcher {
  readonly #sample: () => HPOConfig;
  #initial: HPOConfig | undefined;

  /**
   * @param configSpace domains by name, made by `spaces`
   * @param options.initialConfig the first configuration @default none
   * @param options.seed @default 0
   */
  constructor(configSpace: Space, options: { initialConfig?: HPOConfig; seed?: number } = {}) {
    super();
    const { initialConfig, seed } = checkOptions(WHERE_RANDOM, RANDOM, options);
    let trial = 0;
    this.#initial = initialConfig;
    this.#sample = () => spaces.sample(configSpace, seed, trial++);
    const names = Object.keys(spaces.sample(configSpace, seed, 0));
    if (initialConfig && Object.keys(initialConfig).sort().join() !== names.sort().join()) {
      throw new RangeError(
        `${WHERE_RANDOM}: option "initialConfig" must have a value for each of ` +
          `${names.join(', ')}, got ${formatValue(initialConfig)}`,
      );
    }
  }

  override sampleConfiguration(): HPOConfig {
    const config = this.#initial ?? this.#sample();
    this.#initial = undefined;
    return { ...config };
  }
}

/** Section 19.2: decides which configuration is evaluated next. */
export abstract class HPOScheduler {
  abstract suggest(): HPOConfig;
  abstract update(config: HPOConfig, error: number, info?: unknown): void;
}

/** Section 19.2: takes each configuration as the searcher proposes it. */
export class BasicScheduler extends HPOScheduler {
  constructor(readonly searcher: HPOSearcher) {
    super();
  }

  override suggest(): HPOConfig {
    return this.searcher.sampleConfiguration();
  }

  override update(config: HPOConfig, error: number, info?: unknown): void {
    this.searcher.update(config, error, info);
  }
}

type Observation = readonly [config: HPOConfig, error: number];

const HALVING = rule.object({
  eta: rule.integer({ min: 2 }),
  rMin: rule.positiveInteger(),
  rMax: rule.positiveInteger(),
  prefact: rule.positiveNumber().optional(),
});

/**
 * Section 19.5: many configurations with few epochs, of which the best 1/eta get eta times as many,
 * again and again. It adds `maxEpochs` to each configuration.
 */
export class SuccessiveHalvingScheduler extends HPOScheduler {
  /** The epochs of each rung. */
  readonly rungLevels: readonly number[];
  /** Every error by its rung's epochs. */
  readonly allObservedErrorAtRungs = new Map<number, Observation[]>();
  readonly #observed = new Map<number, Observation[]>();
  readonly #options: { eta: number; rMin: number; rMax: number; prefact: number };
  #queue: HPOConfig[] = [];

  /**
   * @param options.eta all but 1/eta of the configurations end at a rung
   * @param options.rMin epochs of the first rung
   * @param options.rMax epochs of the last rung
   * @param options.prefact factor of the number of configurations @default 1
   * @example new d2l.SuccessiveHalvingScheduler(searcher, { eta: 2, rMin: 2, rMax: 10 })
   */
  constructor(
    readonly searcher: HPOSearcher,
    options: { eta: number; rMin: number; rMax: number; prefact?: number },
  ) {
    super();
    const checked = checkOptions('[deepend] d2l.SuccessiveHalvingScheduler', HALVING, options);
    this.#options = { prefact: 1, ...checked };
    const { eta, rMin, rMax } = checked;
    if (rMin > rMax) {
      throw new RangeError(
        '[deepend] d2l.SuccessiveHalvingScheduler: option "rMin" must be at most rMax, ' +
          `${rMax}, got ${rMin}`,
      );
    }
    const levels: number[] = [];
    for (let level = rMin; level < rMax; level *= eta) levels.push(level);
    this.rungLevels = [...levels, rMax];
  }

  /** Number of configurations that a rung evaluates. */
  #count(rung: number): number {
    const { prefact, eta } = this.#options;
    return Math.max(1, Math.floor(prefact * eta ** (this.rungLevels.length - 1 - rung)));
  }

  override suggest(): HPOConfig {
    if (this.#queue.length === 0) {
      for (let i = this.#count(0); i > 0; i--)
        this.#queue.push({ ...this.searcher.sampleConfiguration(), maxEpochs: this.#options.rMin });
    }
    return this.#queue.shift() as HPOConfig;
  }

  override update(config: HPOConfig, error: number, info?: unknown): void {
    const level = config.maxEpochs as number;
    const rung = this.rungLevels.indexOf(level);
    if (rung < 0) {
      throw new RangeError(
        '[deepend] d2l.SuccessiveHalvingScheduler: expected maxEpochs of ' +
          `${this.rungLevels.join(', ')}, got ${formatValue(level)}; pass what suggest returned`,
      );
    }
    this.searcher.update(config, error, info);
    const add = (at: Map<number, Observation[]>) => {
      const all = [...(at.get(level) ?? []), [config, error] as const];
      at.set(level, all);
      return all;
    };
    add(this.allObservedErrorAtRungs);
    const next = this.rungLevels[rung + 1];
    if (next === undefined) return;
    const observed = add(this.#observed);
    if (observed.length < this.#count(rung)) return;
    this.#observed.set(level, []);
    const best = observed.toSorted((a, b) => a[1] - b[1]).slice(0, this.#count(rung + 1));
    // Before configurations of the next round.
    this.#queue.unshift(...best.map(([config]) => ({ ...config, maxEpochs: next })));
  }
}

/** Section 19.2: runs the objective for the configurations of a scheduler, and keeps the best. */
export class HPOTuner {
  incumbent: HPOConfig | undefined;
  incumbentError: number | undefined;
  /** The smallest error after each trial. */
  readonly incumbentTrajectory: number[] = [];
  /** Seconds until the end of each trial. */
  readonly cumulativeRuntime: number[] = [];
  readonly records: { config: HPOConfig; error: number; runtime: number }[] = [];

  /** @param objective returns the error of a configuration */
  constructor(
    readonly scheduler: HPOScheduler,
    readonly objective: (config: HPOConfig) => number | Promise<number>,
  ) {}

  /** Runs trials one after another. @throws RangeError when an error is not finite */
  async run(numberOfTrials: number): Promise<void> {
    for (let i = 0; i < numberOfTrials; i++) {
      const began = performance.now();
      const config = this.scheduler.suggest();
      console.log(`Trial ${i}: config = ${JSON.stringify(config)}`);
      const error = await this.objective(config);
      if (!Number.isFinite(error)) {
        throw new RangeError(
          `[deepend] d2l.HPOTuner: expected a finite error of trial ${i}, got ` +
            `${formatValue(error)} for ${JSON.stringify(config)}; search records such a trial ` +
            'and continues',
        );
      }
      this.scheduler.update(config, error);
      const runtime = (performance.now() - began) / 1000;
      this.bookkeeping(config, error, runtime);
      console.log(`    error = ${error}, runtime = ${runtime}`);
    }
  }

  bookkeeping(config: HPOConfig, error: number, runtime: number): void {
    this.records.push({ config, error, runtime });
    if (this.incumbentError === undefined || error < this.incumbentError) {
      this.incumbent = config;
      this.incumbentError = error;
    }
    this.incumbentTrajectory.push(this.incumbentError);
    this.cumulativeRuntime.push((this.cumulativeRuntime.at(-1) ?? 0) + runtime);
  }
}

/** The hyperparameters of `hpoObjectiveLenet`. */
export interface LenetConfig {
  readonly learningRate: number;
  readonly batchSize: number;
  /** @default 10 */
  readonly maxEpochs?: number;
}

/**
 * Section 19.2: the validation error of LeNet on Fashion-MNIST after some epochs.
 * @param options.numTrain training images @default 60000
 * @param options.numTest validation images @default 10000
 * @param options.seed seeds weights and batches @default 0
 */
export async function hpoObjectiveLenet(
  { learningRate, batchSize, maxEpochs = 10 }: LenetConfig,
  options: { numTrain?: number; numTest?: number; seed?: number } = {},
): Promise<number> {
  const { seed = 0, ...sizes } = options;
  const data = await loadFashionMnist(batchSize, { ...sizes, seed });
  const trainer = new HPOTrainer(maxEpochs);
  const model = book.lenet({ seed: mixSeed(seed, 1) });
  try {
    await trainer.fit(model, data, { lr: learningRate, seed, progress: false });
    return await trainer.validationError();
  } finally {
    model.dispose();
  }
}

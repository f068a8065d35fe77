/** What a script gave `train`, made again from the plain descriptions in `config.json`. */
import {
  binaryCrossEntropy,
  type CrossEntropyOptions,
  crossEntropy,
  huberLoss,
  meanAbsoluteError,
  meanSquaredError,
  metrics,
  type ReductionOption,
  schedules,
  smoothL1,
} from '@deepend/optim';
import {
  type Callback,
  earlyStopping,
  stopOnNaN,
  type TrainOptions,
  timeLimit,
} from '@deepend/trainer';
import { type Fields, isObject } from './records';

/** A part of a script that `config.json` only names. */
export class NotDescribedError extends Error {}

type Loss = NonNullable<TrainOptions['loss']>;
type Schedule = Exclude<TrainOptions['lr'], number | ((epoch: number) => number)>;

const reductionOf = (reduction: unknown) => defined({ reduction }) as ReductionOption<'sum'>;

// Each builder checks the options that the file gives it.
const LOSSES: Readonly<Record<string, (options: never) => Loss>> = {
  crossEntropy: ({ labelSmoothing, classWeights, ignoreIndex, reduction }: Fields) =>
    crossEntropy(
      defined({ labelSmoothing, classWeights, ignoreIndex, reduction }) as CrossEntropyOptions,
    ),
  meanSquaredError: ({ reduction }: Fields) => meanSquaredError(reductionOf(reduction)),
  meanAbsoluteError: ({ reduction }: Fields) => meanAbsoluteError(reductionOf(reduction)),
  huberLoss: ({ delta, reduction }: Fields) =>
    huberLoss({ ...(defined({ delta }) as { delta?: number }), ...reductionOf(reduction) }),
  smoothL1: ({ beta, reduction }: Fields) =>
    smoothL1({ ...(defined({ beta }) as { beta?: number }), ...reductionOf(reduction) }),
  binaryCrossEntropy: ({ reduction }: Fields) => binaryCrossEntropy(reductionOf(reduction)),
};

const SCHEDULES: Readonly<Record<string, (options: never) => Schedule>> = {
  constant: ({ lr }: { lr: number }) => schedules.constant(lr),
  cosine: schedules.cosine,
  polynomial: schedules.polynomial,
  step: schedules.step,
  'multi-step': schedules.multiStep,
  factor: schedules.factor,
  'one-cycle': schedules.oneCycle,
  plateau: schedules.plateau,
};

const METRICS: Readonly<Record<string, () => ReturnType<typeof metrics.accuracy>>> = {
  accuracy: metrics.accuracy,
  confusionMatrix: metrics.confusionMatrix,
  perClass: metrics.perClass,
};

/** Callbacks that change neither the result nor its files, or that the caller adds itself. */
const LEFT_OUT = ['saveRun', 'Animator', 'samplesPerSecond'];
const CALLBACKS: Readonly<Record<string, (options: never) => Callback>> = {
  earlyStopping: (options) => earlyStopping(options),
  timeLimit: ({ seconds }: { seconds: number }) => timeLimit(seconds),
  stopOnNaN: () => stopOnNaN(),
};

/**
 * The loss of a run; undefined for the default one, or when the run does not record it.
 * @throws NotDescribedError for a function of the script
 */
export function lossFrom(description: unknown): Loss | undefined {
  if (description === undefined) return undefined;
  const { name, ...options } = isObject(description) ? description : {};
  const build = find(LOSSES, name);
  if (build) return build(options as never);
  throw new NotDescribedError(`its loss is ${describeFunction(description)}`);
}

/** The loss that measures a run's model, and its name for people. */
export interface RunLoss {
  /** @default softmax cross-entropy */
  readonly loss?: Loss;
  /**
   * Undefined for plain cross-entropy; such as `crossEntropy({"labelSmoothing":0.1})`, or
   * plain cross-entropy instead of a function of the script, with that reason.
   */
  readonly lossName?: string;
}

/** The run's own loss; plain cross-entropy, which `lossName` then says, if it cannot be had. */
export function measuringLoss(description: unknown): RunLoss {
  try {
    const loss = lossFrom(description);
    if (!loss || isDefaultLoss(description)) return {};
    const { name, ...options } = description as Fields;
    const given = Object.keys(options).length > 0 ? JSON.stringify(options) : '';
    return { loss, lossName: `${name}(${given})` };
  } catch (error) {
    return { lossName: `plain cross-entropy, since ${(error as Error).message}` };
  }
}

/**
 * The options of `train` of a run that a script started, without those of the process: device and
 * progress.
 * @throws NotDescribedError for functions and callbacks of the script
 */
export function trainOptionsFrom(training: Readonly<Fields>): TrainOptions {
  const { loss, lr, metrics: names, callbacks, devices: _, ...plain } = training;
  const built = lossFrom(loss);
  return {
    ...(plain as object),
    lr: rateFrom(lr),
    ...(built && !isDefaultLoss(loss) && { loss: built }),
    ...(Array.isArray(names) && { metrics: names.map(metricFrom) }),
    callbacks: (Array.isArray(callbacks) ? callbacks : []).flatMap(callbackFrom),
  } as unknown as TrainOptions;
}

const isDefaultLoss = (loss: unknown) =>
  isObject(loss) && Object.keys(loss).join() === 'name' && loss.name === 'crossEntropy';

function rateFrom(description: unknown): TrainOptions['lr'] {
  if (typeof description === 'number') return description;
  if (!isObject(description) || typeof description.name !== 'string')
    throw new NotDescribedError(`its learning rate is ${describeFunction(description)}`);
  return scheduleFrom(description.name, isObject(description.options) ? description.options : {});
}

function scheduleFrom(name: string, options: Fields): Schedule {
  const [, inner] = /^warm-up, (.*)$/.exec(name) ?? [];
  if (inner !== undefined) {
    const { schedule, ...settings } = options;
    const { name: _, ...rest } = isObject(schedule) ? schedule : {};
    return schedules.warmUp(scheduleFrom(inner, rest), settings as never);
  }
  const build = find(SCHEDULES, name);
  if (build) return build(options as never);
  throw new NotDescribedError(`its learning rate is the schedule '${name}' of the script`);
}

function metricFrom(name: unknown) {
  const [, k] = /^top(\d+)$/.exec(String(name)) ?? [];
  const build = find(METRICS, name);
  if (k !== undefined) return metrics.topK(Number(k));
  if (build) return build();
  throw new NotDescribedError(`its metric '${name}' is one of the script`);
}

function callbackFrom(description: unknown): Callback[] {
  const { name, ...options } = isObject(description) ? description : {};
  if (typeof name === 'string' && LEFT_OUT.includes(name)) return [];
  const build = find(CALLBACKS, name);
  if (build) return [build(options as never)];
  throw new NotDescribedError(`its callback ${name} is one of the script`);
}

const find = <T>(table: Readonly<Record<string, T>>, name: unknown): T | undefined =>
  typeof name === 'string' && Object.hasOwn(table, name) ? table[name] : undefined;

const describeFunction = (description: unknown) =>
  isObject(description) && typeof description.function === 'string'
    ? `the function ${description.function} of the script`
    : 'not described';

const defined = (options: Fields) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));

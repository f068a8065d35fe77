/** What `train` may be asked for, checked before anything is computed. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { Device } from '@deepend/device';
import { type Metric, OPTIMIZER_NAMES, type Schedule, type ScheduleRun } from '@deepend/optim';
import type { Callback, TrainOptions } from './types';

const isObject = (value: unknown) => typeof value === 'object' && value !== null;
const isSchedule = (value: unknown): value is Schedule =>
  isObject(value) && typeof (value as Schedule).start === 'function';

const OPTIMIZER = `one of ${OPTIMIZER_NAMES.map((name) => `'${name}'`).join(', ')}, or an object with such a name`;

const device = rule.custom<Device>(
  (value) => typeof (value as Device | null)?.backend === 'string',
  'a device, such as tryGpu() gives',
);

const trainOptions = rule.object({
  numEpochs: rule.positiveInteger(),
  lr: rule.positiveNumber(),
  device: device.optional(),
  devices: rule.list(device, 'a list of devices, such as tryAllGpus() gives').optional(),
  seed: rule.nonNegativeInteger().optional(),
  callbacks: rule
    .list(rule.custom<Callback>(isObject, 'an object with callbacks'), 'a list of callbacks')
    .optional(),
  progress: rule.boolean().optional(),
  optimizer: rule
    .custom<NonNullable<TrainOptions['optimizer']>>(
      (value) =>
        OPTIMIZER_NAMES.some(
          (name) => name === (isObject(value) ? (value as { name: unknown }).name : value),
        ),
      OPTIMIZER,
    )
    .optional(),
  loss: rule.func<NonNullable<TrainOptions['loss']>>().optional(),
  metrics: rule
    .list(
      rule.custom<Metric>(
        (value) => isObject(value) && typeof (value as Metric).update === 'function',
        'a metric',
      ),
      'a list of metrics',
    )
    .optional(),
  clipNorm: rule.positiveNumber().optional(),
  clipValue: rule.positiveNumber().optional(),
  gradientAccumulationSteps: rule.positiveInteger().optional(),
  emaDecay: rule.positiveNumber().lt(1, 'a number below 1').optional(),
  microBatch: rule
    .custom<number | 'auto'>(
      (value) => value === 'auto' || (Number.isInteger(value) && (value as number) >= 1),
      "'auto' or an integer of at least 1",
    )
    .optional(),
  resume: rule.string().min(1, 'the path of a folder').optional(),
  fastDevRun: rule.boolean().optional(),
  overfitBatches: rule.positiveInteger().optional(),
});

/** What has no place in a file of settings. */
const LIVE = ['device', 'devices', 'callbacks', 'progress', 'metrics', 'loss', 'resume'];

/**
 * The options, with `lr` as it was given. @throws TypeError or RangeError for the first that is not
 * right
 */
export function checkTrainOptions(where: string, options: TrainOptions): TrainOptions {
  const { lr } = options ?? {};
  // A function is asked for its first rate, which must be as good as a number; a schedule, where
  // the run begins, once its length is known.
  const first = isSchedule(lr)
    ? 1
    : typeof lr === 'function'
      ? checkRate(where, lr(1), { epoch: 1, least: Number.MIN_VALUE })
      : lr;
  checkOptions(where, trainOptions, { ...options, lr: first });
  return options;
}

/**
 * The learning rate within a run: of a number, of a function of the epoch, or of a schedule, whose
 * state belongs to the run.
 * @throws RangeError from `at` when the rate is no number above 0; a schedule may end at 0, where
 *   an update moves nothing
 */
export function startSchedule(where: string, lr: TrainOptions['lr']): ScheduleRun {
  if (!isSchedule(lr)) {
    const rateOf = typeof lr === 'function' ? lr : () => lr;
    return {
      at: ({ epoch }) => checkRate(where, rateOf(epoch), { epoch, least: Number.MIN_VALUE }),
    };
  }
  const run = lr.start();
  return {
    at: (state) => checkRate(where, run.at(state), { epoch: state.epoch, least: 0 }),
    observe: (record) => run.observe?.(record),
    ...(run.memory && { memory: () => run.memory?.() ?? {} }),
    restore: (memory) => run.restore?.(memory),
  };
}

function checkRate(
  where: string,
  rate: number,
  { epoch, least }: { epoch: number; least: number },
): number {
  if (typeof rate === 'number' && Number.isFinite(rate) && rate >= least) return rate;
  throw new RangeError(
    `${where}: option "lr" must give a number above 0 for each epoch, got ${formatValue(rate)} for epoch ${epoch}`,
  );
}

/** The options as plain JSON, for `config.json` and checkpoints. */
export function configOf(options: TrainOptions): Record<string, unknown> {
  const plain = Object.entries(options).filter(
    ([key, value]) => !LIVE.includes(key) && value !== undefined,
  );
  const { lr } = options;
  const rate = isSchedule(lr)
    ? { name: lr.name, options: lr.options }
    : typeof lr === 'function'
      ? 'a function of the epoch'
      : lr;
  return JSON.parse(JSON.stringify({ ...Object.fromEntries(plain), lr: rate }));
}

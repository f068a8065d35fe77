/**
 * The settings of a run, as the command line's flags, a recipe's file and a run's `config.json`
 * have them: one table, a row a setting.
 */
import { checkOptions, rule } from '@deepend/core';
import { OPTIMIZER_NAMES, type OptimizerName, type ScheduleName, schedules } from '@deepend/optim';

interface Row {
  /** As commander writes it: `--lr <rate>`. The setting's name is its camelCase. */
  readonly flag: string;
  readonly about: string;
  readonly rule: Parameters<typeof rule.object>[0][string];
  readonly kind: 'number' | 'text' | 'flag';
  readonly default?: number | string | boolean;
}

const whole = (flag: string, about: string, more: Partial<Row> = {}): Row => ({
  flag,
  about,
  kind: 'number',
  rule: rule.positiveInteger().optional(),
  ...more,
});
const positive = (flag: string, about: string, more: Partial<Row> = {}): Row => ({
  flag,
  about,
  kind: 'number',
  rule: rule.positiveNumber().optional(),
  ...more,
});
const text = (flag: string, about: string, more: Partial<Row> = {}): Row => ({
  flag,
  about,
  kind: 'text',
  rule: rule.string().optional(),
  ...more,
});
const share = () => rule.nonNegativeNumber().lt(1, 'a number below 1').optional();
const switched = (flag: string, about: string): Row => ({
  flag,
  about,
  kind: 'flag',
  rule: rule.boolean().optional(),
});
const from0 = rule.nonNegativeNumber().optional();

export const SETTINGS = {
  model: text('--model <id>', 'the net, such as book/resnet18; deepend models lists them'),
  init: text('--init <how>', 'how weights begin', {
    rule: rule.oneOf(['xavier-uniform', 'he-normal']).optional(),
  }),
  data: text('--data <set>', 'the set, such as fashion-mnist', { default: 'fashion-mnist' }),
  root: text('--root <folder>', 'where its files are; found by itself unless given'),
  resize: whole('--resize <pixels>', 'height and width of the images; as they are unless given'),
  augment: text(
    '--augment <list>',
    'random transforms in training, of flip, crop, rotation, erasing, cutout, mixup, cutmix: flip,crop',
  ),
  train: whole('--train <images>', 'images to learn from; all unless given'),
  test: whole('--test <images>', 'images to test on; all unless given'),
  workers: whole(
    '--workers <threads>',
    'threads that prepare batches; as many as it takes unless given',
    { rule: rule.nonNegativeInteger().optional() },
  ),
  epochs: whole('--epochs <number>', 'passes over the training set', { default: 10 }),
  batchSize: whole('--batch-size <images>', 'images of a step', { default: 128 }),
  lr: positive('--lr <rate>', 'learning rate', { default: 0.05 }),
  schedule: text(
    '--schedule <name>',
    `how the learning rate moves: ${schedules.NAMES.join(', ')}`,
    {
      rule: rule.oneOf(schedules.NAMES).optional(),
      default: 'constant',
    },
  ),
  warmUp: positive('--warm-up <epochs>', 'over which the rate grows from near 0'),
  optimizer: text('--optimizer <name>', OPTIMIZER_NAMES.join(', '), {
    rule: rule.oneOf(OPTIMIZER_NAMES).optional(),
    default: 'sgd',
  }),
  momentum: positive('--momentum <share>', 'of sgd and rmsprop', { rule: share() }),
  nesterov: switched('--nesterov', "Nesterov's momentum"),
  weightDecay: positive(
    '--weight-decay <factor>',
    'pulls weights towards 0; normalizations and biases are left alone',
    { rule: from0 },
  ),
  labelSmoothing: positive('--label-smoothing <share>', 'of a label that goes to all classes', {
    rule: share(),
  }),
  clipNorm: positive('--clip-norm <length>', 'of all gradients together'),
  clipValue: positive('--clip-value <limit>', 'of each number of the gradients'),
  gradientAccumulationSteps: whole(
    '--gradient-accumulation-steps <batches>',
    'batches whose gradients are summed for one update',
  ),
  emaDecay: positive(
    '--ema-decay <decay>',
    'decay of an exponential moving average of the weights, which is evaluated and saved',
    { rule: share() },
  ),
  microBatch: whole('--micro-batch <images>', 'trains each batch in parts of so many'),
  seed: whole('--seed <number>', 'of order, augmentation, initialization and dropout', {
    rule: rule.nonNegativeInteger().optional(),
    default: 0,
  }),
  device: text('--device <name>', 'auto, cuda:0, webgpu:0, cpu, or an engine', { default: 'auto' }),
  devices: text(
    '--devices <list>',
    'devices that share each batch: all, for every GPU, or names with commas between, such as cuda:0,cuda:1',
  ),
  checkpointSteps: whole(
    '--checkpoint-steps <number>',
    'between checkpoints, beside the one at the end of each epoch',
  ),
  checkpointSeconds: positive('--checkpoint-seconds <number>', 'between checkpoints', {
    default: 60,
  }),
  best: whole('--best <number>', 'of the best checkpoints that are kept beside the newest', {
    rule: rule.nonNegativeInteger().optional(),
  }),
  patience: whole(
    '--patience <epochs>',
    'without progress of the test accuracy, after which to stop',
  ),
  timeLimit: positive('--time-limit <seconds>', 'after which to stop'),
  tensorBoard: switched('--tensor-board', 'writes event files, too'),
  stopOnNan: switched(
    '--stop-on-nan',
    'names the first layer whose numbers are not finite; costs a copy of the weights each step',
  ),
  fastDevRun: switched('--fast-dev-run', 'two batches: whether everything runs'),
  overfitBatches: whole('--overfit-batches <number>', 'learns the first so many batches by heart'),
} as const satisfies Record<string, Row>;

export type SettingName = keyof typeof SETTINGS;

/** What a run is told. Plain JSON. */
export interface Settings {
  model: string;
  /** Options of the net beside its shape: `{ blockOrder: 'full-pre-activation' }`. */
  modelOptions?: Record<string, unknown>;
  init?: string;
  data: string;
  root?: string;
  resize?: number;
  augment?: string;
  train?: number;
  test?: number;
  workers?: number;
  epochs: number;
  batchSize: number;
  lr: number;
  schedule: ScheduleName;
  warmUp?: number;
  optimizer: OptimizerName;
  momentum?: number;
  nesterov?: boolean;
  weightDecay?: number;
  labelSmoothing?: number;
  clipNorm?: number;
  clipValue?: number;
  gradientAccumulationSteps?: number;
  emaDecay?: number;
  microBatch?: number;
  seed: number;
  device: string;
  devices?: string;
  checkpointSteps?: number;
  checkpointSeconds: number;
  best?: number;
  patience?: number;
  timeLimit?: number;
  tensorBoard?: boolean;
  stopOnNan?: boolean;
  fastDevRun?: boolean;
  overfitBatches?: number;
}

const isObject = (value: unknown) =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const schema = rule.object({
  ...Object.fromEntries(Object.entries(SETTINGS).map(([name, row]) => [name, row.rule])),
  modelOptions: rule
    .custom<Record<string, unknown>>(isObject, 'an object of the options of the net')
    .optional(),
});

/** Of the settings that have one. */
export const DEFAULTS: Readonly<Record<string, number | string | boolean>> = Object.fromEntries(
  Object.entries(SETTINGS as Record<string, Row>).flatMap(([name, row]) =>
    row.default === undefined ? [] : [[name, row.default]],
  ),
);

/**
 * Settings with their defaults, later sources before earlier ones: a recipe's file, then flags.
 * @throws TypeError or RangeError for a setting that does not exist or is out of range; Error
 *   without a model
 */
export function settingsFrom(where: string, ...sources: readonly object[]): Settings {
  const given = sources.map((source) => {
    const checked = checkOptions(where, schema, source);
    return Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined));
  });
  const settings = Object.assign({}, DEFAULTS, ...given) as Settings;
  if (!settings.model)
    throw new TypeError(`${where}: name a net: --model book/resnet18, or "model" in the recipe`);
  return settings;
}

/**
 * The settings of a run, the same in the flags of `deepend train`, in a recipe file and in a run's
 * `config.json`. One table has an entry for each.
 */
import { checkOptions, rule } from '@deepend/core';
import { OPTIMIZER_NAMES, type OptimizerName, type ScheduleName, schedules } from '@deepend/optim';

interface SettingEntry {
  /** As commander writes it: `--lr <rate>`. The setting's name is the flag's in camelCase. */
  readonly flag: string;
  /** The help of the flag. */
  readonly about: string;
  readonly rule: Parameters<typeof rule.object>[0][string];
  readonly kind: 'number' | 'string' | 'boolean';
  readonly default?: number | string | boolean;
}

type EntryOptions = Partial<Pick<SettingEntry, 'rule' | 'default'>>;

const integer = (flag: string, about: string, options: EntryOptions = {}): SettingEntry => ({
  flag,
  about,
  kind: 'number',
  rule: rule.positiveInteger().optional(),
  ...options,
});
const number = (flag: string, about: string, options: EntryOptions = {}): SettingEntry => ({
  flag,
  about,
  kind: 'number',
  rule: rule.positiveNumber().optional(),
  ...options,
});
const string = (flag: string, about: string, options: EntryOptions = {}): SettingEntry => ({
  flag,
  about,
  kind: 'string',
  rule: rule.string().optional(),
  ...options,
});
const boolean = (flag: string, about: string): SettingEntry => ({
  flag,
  about,
  kind: 'boolean',
  rule: rule.boolean().optional(),
});
const fraction = () => rule.fraction().optional();
const fromZero = () => rule.nonNegativeInteger().optional();

export const SETTINGS = {
  task: string(
    '--task <name>',
    'what the model learns: image-classification (the default), or language-model: to continue ' +
      'the text of a file',
    { rule: rule.oneOf(['image-classification', 'language-model']).optional() },
  ),
  model: string(
    '--model <id>',
    'model to train, such as book/resnet18; deepend models lists them all; a language model is ' +
      'gru (the default), lstm, rnn or gpt',
  ),
  init: string('--init <scheme>', 'weight initialization: xavier-uniform or he-normal', {
    rule: rule.oneOf(['xavier-uniform', 'he-normal']).optional(),
  }),
  data: string(
    '--data <dataset>',
    'dataset, such as fashion-mnist; deepend data list lists all; of a language model a text file',
    { default: 'fashion-mnist' },
  ),
  tokenizer: string(
    '--tokenizer <name>',
    'tokens of a language model: char (the default), word, grapheme, nmt or chinese',
    { rule: rule.oneOf(['char', 'word', 'grapheme', 'nmt', 'chinese']).optional() },
  ),
  numSteps: integer(
    '--num-steps <tokens>',
    'number of tokens in a sequence of a language model (35 by default)',
  ),
  root: string('--root <folder>', 'folder with the files of the dataset'),
  resize: integer('--resize <pixels>', 'resize images to this height and width'),
  augment: string(
    '--augment <list>',
    'random transforms of training images, separated by commas: ' +
      'flip, crop, rotation, erasing, cutout, randaugment, trivialaugment, mixup, cutmix',
  ),
  train: integer('--train <images>', 'use only this many training images'),
  test: integer('--test <images>', 'use only this many test images'),
  workers: integer('--workers <number>', 'number of worker threads that prepare batches', {
    rule: fromZero(),
  }),
  epochs: integer('--epochs <number>', 'number of passes over the training set', { default: 10 }),
  batchSize: integer('--batch-size <images>', 'number of images in a batch', { default: 128 }),
  lr: number('--lr <rate>', 'learning rate', { default: 0.05 }),
  schedule: string('--schedule <name>', `learning rate schedule: ${schedules.NAMES.join(', ')}`, {
    rule: rule.oneOf(schedules.NAMES).optional(),
    default: 'constant',
  }),
  warmUp: number(
    '--warm-up <epochs>',
    'number of epochs over which the learning rate rises from 0',
  ),
  optimizer: string('--optimizer <name>', `optimizer: ${OPTIMIZER_NAMES.join(', ')}`, {
    rule: rule.oneOf(OPTIMIZER_NAMES).optional(),
    default: 'sgd',
  }),
  momentum: number('--momentum <fraction>', 'momentum of sgd and rmsprop', { rule: fraction() }),
  nesterov: boolean('--nesterov', "use Nesterov's momentum with sgd"),
  weightDecay: number(
    '--weight-decay <factor>',
    'weight decay; biases and normalization layers are excluded',
    { rule: rule.nonNegativeNumber().optional() },
  ),
  labelSmoothing: number(
    '--label-smoothing <fraction>',
    'fraction of each label that is spread over all classes',
    { rule: fraction() },
  ),
  clipNorm: number('--clip-norm <norm>', 'scale gradients down to at most this joint norm'),
  clipValue: number('--clip-value <limit>', 'clip each gradient value to plus or minus this'),
  gradientAccumulationSteps: integer(
    '--gradient-accumulation-steps <batches>',
    'number of batches whose gradients are added up for one update',
  ),
  emaDecay: number(
    '--ema-decay <decay>',
    'evaluate and save an exponential moving average of the weights with this decay',
    { rule: fraction() },
  ),
  microBatch: integer(
    '--micro-batch <images>',
    'compute each batch in parts of this many images, to save memory',
  ),
  compression: string(
    '--compression <name>',
    'how ranks exchange gradients: none, or float16 in half of the bytes',
    { rule: rule.oneOf(['none', 'float16']).optional() },
  ),
  syncBatchNorm: boolean(
    '--sync-batch-norm',
    'normalize over the images of all ranks that mpirun started, not over those of each',
  ),
  seed: integer(
    '--seed <number>',
    'seed of the sample order, augmentation, initialization and dropout',
    { rule: rule.seed().optional(), default: 0 },
  ),
  device: string(
    '--device <name>',
    'device or backend: auto, cuda:0, webgpu:0, cpu, simd, tensorflow, wasm, cpu-js',
    { default: 'auto' },
  ),
  devices: string(
    '--devices <list>',
    'devices that share each batch, such as simd,simd (several GPUs: mpirun)',
  ),
  checkpointSteps: integer(
    '--checkpoint-steps <number>',
    'number of steps between checkpoints, in addition to one after each epoch',
  ),
  checkpointSeconds: number('--checkpoint-seconds <seconds>', 'seconds between checkpoints', {
    default: 60,
  }),
  best: integer('--best <number>', 'number of best checkpoints to keep', { rule: fromZero() }),
  patience: integer(
    '--patience <epochs>',
    'stop after this many epochs without a better test accuracy',
  ),
  timeLimit: number('--time-limit <seconds>', 'stop after this many seconds'),
  tensorBoard: boolean('--tensor-board', 'write event files for TensorBoard'),
  stopOnNan: boolean(
    '--stop-on-nan',
    'stop when a value is not finite and name its layer; copies the weights at each step',
  ),
  fastDevRun: boolean('--fast-dev-run', 'run two batches only, to check that everything works'),
  overfitBatches: integer(
    '--overfit-batches <number>',
    'train on the first batches only, to check that the model can learn them',
  ),
} as const satisfies Record<string, SettingEntry>;

export type SettingName = keyof typeof SETTINGS;

/** The settings of a run, as plain JSON. */
export interface Settings {
  task?: 'image-classification' | 'language-model';
  model: string;
  /** Options of the model builder besides its shape: `{ blockOrder: 'full-pre-activation' }`. */
  modelOptions?: Record<string, unknown>;
  init?: string;
  data: string;
  tokenizer?: 'char' | 'word' | 'grapheme' | 'nmt' | 'chinese';
  numSteps?: number;
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
  compression?: 'none' | 'float16';
  syncBatchNorm?: boolean;
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
  ...Object.fromEntries(Object.entries(SETTINGS).map(([name, entry]) => [name, entry.rule])),
  modelOptions: rule
    .custom<Record<string, unknown>>(isObject, 'an object of model options')
    .optional(),
});

/** The default of each setting that has one. */
export const DEFAULTS: Readonly<Record<string, number | string | boolean>> = Object.fromEntries(
  Object.entries(SETTINGS as Record<string, SettingEntry>).flatMap(([name, entry]) =>
    entry.default === undefined ? [] : [[name, entry.default]],
  ),
);

/** The book's settings of a recurrent language model (sections 9.5 and 10.2). */
const RECURRENT = { batchSize: 32, lr: 1, clipNorm: 1 } as const;
/** The defaults of language models by their names. */
const LANGUAGE_MODELS = {
  gru: RECURRENT,
  lstm: RECURRENT,
  rnn: RECURRENT,
  gpt: { batchSize: 32, lr: 0.001, optimizer: 'adamw' },
} as const satisfies Record<string, Partial<Settings>>;

export type LanguageModelName = keyof typeof LANGUAGE_MODELS;

/** @throws RangeError or TypeError for another model, or without a text file */
function languageModelDefaults(where: string, { model = 'gru', data }: Partial<Settings>): object {
  if (!Object.hasOwn(LANGUAGE_MODELS, model)) {
    throw new RangeError(
      `${where}: there is no language model '${model}'; expected ` +
        Object.keys(LANGUAGE_MODELS).join(', '),
    );
  }
  if (data === undefined)
    throw new TypeError(`${where}: a language model needs a text file: --data file.txt`);
  return { model, ...LANGUAGE_MODELS[model as LanguageModelName] };
}

/** Settings that only one of the tasks has. */
const OF_IMAGES = [
  ...['init', 'root', 'resize', 'augment', 'train', 'test', 'workers', 'devices'],
  ...['microBatch', 'syncBatchNorm'],
] as const satisfies SettingName[];
const OF_TEXT = ['tokenizer', 'numSteps'] as const satisfies SettingName[];

/** @throws TypeError for a setting that the task does not have */
function refuseOfOtherTask(where: string, settings: Settings): void {
  const { task = 'image-classification' } = settings;
  const refused: readonly SettingName[] = task === 'language-model' ? OF_IMAGES : OF_TEXT;
  const given = refused.find((name) => settings[name] !== undefined);
  if (given)
    throw new TypeError(`${where}: ${SETTINGS[given].flag.split(' ')[0]} is not of task ${task}`);
}

/**
 * Checks and merges settings. Later sources override earlier ones, and all override the defaults.
 * @param where the beginning of each error
 * @param sources such as the content of a recipe file, then the flags
 * @throws TypeError or RangeError for a setting that does not exist or is out of range, and
 *   without a model
 */
export function settingsFrom(where: string, ...sources: readonly object[]): Settings {
  const given = sources.map((source) => {
    const checked = checkOptions(where, schema, source);
    return Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined));
  });
  const all = Object.assign({}, ...given) as Partial<Settings>;
  const ofTask = all.task === 'language-model' ? languageModelDefaults(where, all) : {};
  const settings = Object.assign({}, DEFAULTS, ofTask, all) as Settings;
  refuseOfOtherTask(where, settings);
  if (!settings.model)
    throw new TypeError(`${where}: name a model: --model book/resnet18, or "model" in the recipe`);
  return settings;
}

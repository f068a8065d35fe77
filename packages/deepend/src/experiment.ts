/** Training from settings: what `deepend train` and `deepend resume` do. */

import type { ModuleLike } from '@deepend/compiler';
import {
  cutMix,
  cutout,
  DataLoader,
  type Dataset,
  loadDataset,
  mixUp,
  randAugment,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomRotation,
  type Transform,
  trivialAugmentWide,
} from '@deepend/data';
import {
  type Device,
  type DeviceName,
  device,
  deviceNameFrom,
  tryAllGpus,
  unstartedDevice,
} from '@deepend/device';
import { tensorBoard } from '@deepend/export';
import { createModel } from '@deepend/models';
import type { ImageShape } from '@deepend/nn';
import { crossEntropy, schedules } from '@deepend/optim';
import {
  type AnyLoader,
  type Callback,
  earlyStopping,
  stopOnNaN,
  type TrainOptions,
  type TrainResult,
  timeLimit,
  train,
} from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { languageModelTask } from './language-model';
import { withAbsoluteRoot } from './run/describe-run';
import { runFile } from './run/layout';
import { saveRun } from './run/save-run';
import type { Settings } from './settings';
import { startDevice } from './start-device';

/** Random transforms by the names that `--augment` takes, for images of `size` pixels. */
const AUGMENTATIONS: Record<string, (size: number) => Transform> = {
  flip: () => randomHorizontalFlip(),
  // 4 of 32 pixels: He et al. 2015, section 4.2.
  crop: (size) => randomCrop(size, { padding: Math.max(1, Math.round(size / 8)) }),
  rotation: () => randomRotation(10),
  erasing: () => randomErasing(),
  // 16 of 32 pixels: DeVries & Taylor 2017.
  cutout: (size) => cutout(Math.max(1, Math.round(size / 2))),
  randaugment: () => randAugment(),
  trivialaugment: () => trivialAugmentWide(),
  mixup: () => mixUp({ alpha: 0.2 }),
  cutmix: () => cutMix(),
};

/** Starts the first of the devices that share each batch; the others start in their own threads. */
async function startDevices(list: string, single: string): Promise<readonly Device[]> {
  if (single !== 'auto')
    throw new TypeError(
      `[deepend] devices: expected "device" or "devices", got both: '${single}' and '${list}'; ` +
        'leave one out',
    );
  if (list === 'all') return tryAllGpus();
  const about = { where: '[deepend] devices:', others: ['all'] };
  const names = list.split(',').map((text) => deviceNameFrom(text.trim(), about));
  const [name, ...others] = names as [DeviceName, ...DeviceName[]];
  const first = await device(name);
  return [first, ...others.map((other) => (other === name ? first : unstartedDevice(other)))];
}

/** @throws RangeError for a transform that does not exist */
function parseAugmentations(list: string | undefined, size: number): Transform[] {
  return (list ?? '')
    .split(',')
    .filter(Boolean)
    .map((name) => {
      const make = Object.hasOwn(AUGMENTATIONS, name) ? AUGMENTATIONS[name] : undefined;
      if (make) return make(size);
      const names = Object.keys(AUGMENTATIONS).join(', ');
      throw new RangeError(
        `[deepend] augment: there is no transform '${name}'; expected some of ${names}`,
      );
    });
}

/** @throws Error for a run of text, where images are needed */
function refuseLanguageModel({ task }: Settings): void {
  if (task !== 'language-model') return;
  throw new Error(
    '[deepend] this run is a language model, which has no test images; deepend generate ' +
      'continues a prompt with it',
  );
}

type Loaders = [DataLoader<Dataset>, DataLoader<Dataset>];

/** Creates the training and the test loader. */
export async function createLoaders(
  settings: Settings,
  { progress = true } = {},
): Promise<Loaders> {
  refuseLanguageModel(settings);
  const { data, batchSize, root, resize, seed, workers } = settings;
  const { train: numTrain, test: numTest, augment } = settings;
  const options = defined({ root, resize, numTrain, numTest, workers });
  const loaders = (await loadDataset(data, batchSize, { ...options, seed, progress })) as Loaders;
  const [trainIter, testIter] = loaders;
  const transforms = parseAugmentations(augment, trainIter.inputShape[0]);
  if (transforms.length === 0) return loaders;
  const augmented = new DataLoader(trainIter.dataset, {
    batchSize,
    seed,
    shuffle: true,
    transforms,
    ...(resize !== undefined && { resize }),
    ...(workers !== undefined && { workers }),
  });
  return [augmented, testIter];
}

/** Builds the untrained model for the images of a loader. */
export function buildModel(
  settings: Settings,
  loader: { inputShape: readonly number[]; numClasses?: number },
): LayersModel {
  refuseLanguageModel(settings);
  const { model, modelOptions, init, seed } = settings;
  const options = {
    inputShape: loader.inputShape as ImageShape,
    numClasses: loader.numClasses ?? 10,
    seed,
    ...(init && { init }),
    ...modelOptions,
  };
  return createModel(model, options as Parameters<typeof createModel>[1]);
}

/** The options that are not undefined. */
const defined = <T extends object>(options: T) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };

function trainOptions(settings: Settings): TrainOptions {
  const { epochs, lr, schedule, warmUp: warmUpEpochs, seed, labelSmoothing } = settings;
  const { optimizer: name, momentum, nesterov, weightDecay } = settings;
  const { clipNorm, clipValue, gradientAccumulationSteps, emaDecay } = settings;
  const { microBatch, syncBatchNorm, compression, fastDevRun, overfitBatches } = settings;
  const rate = schedules.create(schedule, { lr, numEpochs: epochs });
  return {
    numEpochs: epochs,
    lr: warmUpEpochs ? schedules.warmUp(rate, { epochs: warmUpEpochs }) : rate,
    seed,
    optimizer: {
      name,
      ...defined({ momentum, nesterov, weightDecay }),
      ...(weightDecay && { excludeFromDecay: 'norm-and-bias' as const }),
    },
    ...(labelSmoothing && { loss: crossEntropy({ labelSmoothing }) }),
    ...defined({ clipNorm, clipValue, gradientAccumulationSteps, emaDecay }),
    ...defined({ microBatch, syncBatchNorm, compression, fastDevRun, overfitBatches }),
  };
}

export interface ExperimentOptions {
  /**
   * The run's folder.
   * @example 'runs/resnet18'
   */
  out: string;
  /** Whether to resume from its newest checkpoint. @default false */
  resume?: boolean;
  /** Whether to remove an earlier run in the folder. @default false */
  overwrite?: boolean;
  /** Whether to print progress. @default true */
  progress?: boolean;
  /** Called after the run's own. @default [] */
  callbacks?: readonly Callback[];
}

/**
 * Trains a model by the settings of a run and writes the run's folder.
 * @example
 * await runExperiment(settingsFrom('my script', { model: 'book/lenet', lr: 0.9 }), {
 *   out: 'runs/lenet',
 * });
 */
export async function runExperiment(
  given: Settings,
  options: ExperimentOptions,
): Promise<TrainResult> {
  const settings = withAbsoluteRoot(given);
  const { out, resume = false, progress = true, callbacks = [] } = options;
  // A run that is resumed before its first checkpoint starts from the beginning.
  const overwrite = resume || (options.overwrite ?? false);
  const { device: name, devices: list } = settings;
  const devices = list
    ? { devices: await startDevices(list, name) }
    : { device: await startDevice(name) };
  const { model, trainIter, testIter, ...task } =
    settings.task === 'language-model'
      ? await languageModelTask(settings, { out, resume })
      : await imageTask(settings, { progress });
  return train(model, trainIter, testIter, {
    ...trainOptions(settings),
    ...task.options,
    ...devices,
    progress,
    callbacks: [
      ...settingsCallbacks(settings, { out, overwrite, classNames: trainIter.classNames }),
      ...(task.callbacks ?? []),
      ...callbacks,
    ],
    ...(resume && { resume: out }),
  });
}

/** What a task trains, and on what. */
export interface Task {
  readonly model: LayersModel | ModuleLike;
  readonly trainIter: AnyLoader;
  readonly testIter: AnyLoader | null;
  readonly options?: TrainOptionsOfTask;
  readonly callbacks?: readonly Callback[];
}

type TrainOptionsOfTask = Partial<Pick<TrainOptions, 'carryState'>>;

async function imageTask(settings: Settings, options: { progress: boolean }): Promise<Task> {
  const [trainIter, testIter] = await createLoaders(settings, options);
  return { model: buildModel(settings, trainIter), trainIter, testIter };
}

/** saveRun comes first: it clears the folder, and saves before the others may stop the run. */
function settingsCallbacks(
  settings: Settings,
  {
    out,
    overwrite,
    classNames,
  }: { out: string; overwrite: boolean; classNames: readonly string[] | undefined },
): Callback[] {
  const { checkpointSteps, checkpointSeconds, best, patience, timeLimit: limit } = settings;
  const checkpoints = {
    everySeconds: checkpointSeconds,
    ...(checkpointSteps && { everySteps: checkpointSteps }),
    ...(best && { best }),
  };
  return [
    saveRun(out, { settings, classNames }, { checkpoints, overwrite }),
    ...(patience ? [earlyStopping({ patience })] : []),
    ...(limit ? [timeLimit(limit)] : []),
    ...(settings.tensorBoard ? [tensorBoard(runFile(out, 'tensorBoard'))] : []),
    ...(settings.stopOnNan ? [stopOnNaN()] : []),
  ];
}

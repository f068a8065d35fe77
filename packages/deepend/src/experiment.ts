/** A run from its settings alone: what `deepend train` and `deepend resume` do. */

import {
  cutMix,
  cutout,
  DataLoader,
  type Dataset,
  loadDataset,
  mixUp,
  randomCrop,
  randomErasing,
  randomHorizontalFlip,
  randomRotation,
  type Transform,
} from '@deepend/data';
import { type Device, type DeviceName, device, tryAllGpus, tryGpu } from '@deepend/device';
import { tensorBoard } from '@deepend/export';
import { createModel } from '@deepend/models';
import { crossEntropy, schedules } from '@deepend/optim';
import {
  type Callback,
  earlyStopping,
  stopOnNaN,
  type TrainOptions,
  type TrainResult,
  timeLimit,
  train,
} from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { saveRun } from './run';
import type { Settings } from './settings';

/** Random transforms by the names that `--augment` takes; for images of `size` pixels. */
const AUGMENTS: Record<string, (size: number) => Transform> = {
  flip: () => randomHorizontalFlip(),
  crop: (size) => randomCrop(size, { padding: Math.max(1, Math.round(size / 8)) }), // 4 of 32: He et al. 2015, section 4.2
  rotation: () => randomRotation(10),
  erasing: () => randomErasing(),
  cutout: (size) => cutout(Math.max(1, Math.round(size / 2))), // 16 of 32: DeVries & Taylor 2017
  mixup: () => mixUp({ alpha: 0.2 }),
  cutmix: () => cutMix(),
};

/** What computes, by the name in the settings. */
export const deviceOf = (name: string): Promise<Device> =>
  name === 'auto' ? tryGpu() : device(name as DeviceName);

/**
 * The devices that share each batch, by the list in the settings. The first is made current;
 * another one that cannot compute says so itself.
 */
async function devicesOf(list: string, one: string): Promise<readonly Device[]> {
  if (one !== 'auto')
    throw new TypeError(
      `[deepend] devices: expected "device" or "devices", got both: '${one}' and '${list}'; leave one out`,
    );
  if (list === 'all') return tryAllGpus();
  const [name = '', ...others] = list.split(',').map((text) => text.trim());
  const first = await device(name as DeviceName);
  return [first, ...others.map((other) => (other === name ? first : named(other)))];
}

/** What `device()` would give, without starting it: that is its own thread's or process's to do. */
function named(name: string): Device {
  const engine = name.startsWith('cuda:')
    ? 'tensorflow'
    : name.startsWith('webgpu:')
      ? 'webgpu'
      : name === 'cpu'
        ? 'simd'
        : name;
  return {
    name: name.includes(':') ? name : 'cpu',
    backend: engine as Device['backend'],
    hardware: '',
    why: 'it was asked for',
  };
}

/** @throws RangeError for a transform that does not exist */
function augmentation(list: string | undefined, size: number): Transform[] {
  return (list ?? '')
    .split(',')
    .filter(Boolean)
    .map((name) => {
      const make = Object.hasOwn(AUGMENTS, name) ? AUGMENTS[name] : undefined;
      if (make) return make(size);
      throw new RangeError(
        `[deepend] augment: there is no transform '${name}'; it has ${Object.keys(AUGMENTS).join(', ')}`,
      );
    });
}

/** The loaders that the settings ask for. */
export async function loadersOf(
  settings: Settings,
  { progress = true } = {},
): Promise<[DataLoader<Dataset>, DataLoader<Dataset>]> {
  const {
    data,
    batchSize,
    root,
    resize,
    train: numTrain,
    test: numTest,
    seed,
    workers,
    augment,
  } = settings;
  const chosen = { root, resize, numTrain, numTest, workers };
  const given = Object.fromEntries(
    Object.entries(chosen).filter(([, value]) => value !== undefined),
  );
  const plain = (await loadDataset(data, batchSize, { ...given, seed, progress })) as [
    DataLoader<Dataset>,
    DataLoader<Dataset>,
  ];
  const transforms = augmentation(augment, plain[0].inputShape[0]);
  if (transforms.length === 0) return plain;
  const [{ dataset }, testIter] = plain;
  const sized = {
    batchSize,
    seed,
    ...(resize !== undefined && { resize }),
    ...(workers !== undefined && { workers }),
  };
  return [new DataLoader(dataset, { ...sized, shuffle: true, transforms }), testIter];
}

/** The untrained net that the settings ask for. */
export function netOf(
  settings: Settings,
  loader: { inputShape: readonly number[]; numClasses?: number },
): LayersModel {
  const { model, modelOptions, init, seed } = settings;
  const inputShape = [...loader.inputShape] as [number, number, number];
  const numClasses = loader.numClasses ?? 10;
  return createModel(model, {
    inputShape,
    numClasses,
    seed,
    ...(init && { init }),
    ...modelOptions,
  } as Parameters<typeof createModel>[1]);
}

function optionsOf(settings: Settings): TrainOptions {
  const {
    epochs,
    lr,
    schedule,
    warmUp: warm,
    optimizer: name,
    momentum,
    nesterov,
    weightDecay,
    labelSmoothing,
    seed,
  } = settings;
  const { clipNorm, clipValue, gradientAccumulationSteps, emaDecay } = settings;
  const { microBatch, fastDevRun, overfitBatches } = settings;
  const rate = schedules.create(schedule, { lr, numEpochs: epochs });
  const rest = {
    clipNorm,
    clipValue,
    gradientAccumulationSteps,
    emaDecay,
    microBatch,
    fastDevRun,
    overfitBatches,
  };
  const optimizer = {
    name,
    momentum,
    nesterov,
    weightDecay,
    ...(weightDecay && { excludeFromDecay: 'norm-and-bias' as const }),
  };
  const defined = <T extends object>(from: T) =>
    Object.fromEntries(Object.entries(from).filter(([, value]) => value !== undefined)) as T;
  return {
    numEpochs: epochs,
    lr: warm ? schedules.warmUp(rate, { epochs: warm }) : rate,
    seed,
    optimizer: defined(optimizer) as NonNullable<TrainOptions['optimizer']>,
    ...(labelSmoothing && { loss: crossEntropy({ labelSmoothing }) }),
    ...(defined(rest) as Partial<TrainOptions>),
  };
}

export interface ExperimentOptions {
  /** The run's directory. */
  out: string;
  /** Goes on from its newest checkpoint. @default false */
  resume?: boolean;
  progress?: boolean;
  callbacks?: readonly Callback[];
}

/** Trains by the settings, and fills `out`. */
export async function runExperiment(
  settings: Settings,
  options: ExperimentOptions,
): Promise<TrainResult> {
  const { out, resume = false, progress = true, callbacks = [] } = options;
  const { device: one, devices: list } = settings;
  const computing = list
    ? { devices: await devicesOf(list, one) }
    : { device: await deviceOf(one) };
  const [trainIter, testIter] = await loadersOf(settings, { progress });
  const net = netOf(settings, trainIter);
  const { checkpointSteps, checkpointSeconds, best, patience, timeLimit: limit } = settings;
  const checkpoints = {
    everySeconds: checkpointSeconds,
    ...(checkpointSteps && { everySteps: checkpointSteps }),
    ...(best && { best }),
  };
  const watchers: Callback[] = [
    saveRun(out, { settings, classNames: trainIter.classNames }, { checkpoints }), // first, so that it clears the folder before others write there, and saves what they leave
    ...(patience ? [earlyStopping({ patience })] : []),
    ...(limit ? [timeLimit(limit)] : []),
    ...(settings.tensorBoard ? [tensorBoard(`${out}/tensorboard`)] : []),
    ...(settings.stopOnNan ? [stopOnNaN()] : []),
    ...callbacks,
  ];
  return train(net, trainIter, testIter, {
    ...optionsOf(settings),
    ...computing,
    progress,
    callbacks: watchers,
    ...(resume && { resume: out }),
  });
}

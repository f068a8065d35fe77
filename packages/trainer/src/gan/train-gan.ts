/** Generative adversarial networks, Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661. */
import { inMode, isTensor, withSeed } from '@deepend/compiler';
import { formatValue, mixSeed } from '@deepend/core';
import { activate, type Device, toDevice } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { disposeBatch, type Loader } from '../loader';
import type { AnyModel } from '../model';
import { startDefaultDevice } from '../start-device';
import { onStopSignal } from '../stop-signals';
import { Timer } from '../timer';
import { checkGan, type GanOptions, type GanRecord, optimizersFor, WHERE } from './options';
import { discriminatorStep, type GanNetworks, generate, generatorStep } from './steps';

export interface GanResult {
  readonly history: readonly GanRecord[];
  readonly device: Device;
  readonly samplesPerSecond: number;
  /** Whether Ctrl-C or SIGTERM ended the training: both modules keep what they have learned. */
  readonly interrupted: boolean;
}

/**
 * Trains a generator and a discriminator in turn: for each batch the discriminator learns to tell
 * real samples from generated ones, then the generator learns to deceive it. The book's chapter 20
 * (en 20.1, 20.2). The labels of the loader are not used. Ctrl-C and SIGTERM end it after the
 * current step; an epoch that is not complete is not in the history.
 * @param networks both modules; training starts from the weights that they have
 * @throws TypeError or RangeError before anything is updated, when modules, loader and options do
 *   not fit together
 * @throws Error when a loss becomes NaN or infinite
 * @example
 * const { history } = await trainGan({ generator, discriminator }, trainIter, {
 *   numEpochs: 20,
 *   lr: { discriminator: 0.05, generator: 0.005 },
 *   latentShape: [2],
 * });
 */
export async function trainGan(
  networks: GanNetworks,
  trainIter: Loader,
  options: GanOptions,
): Promise<GanResult> {
  const checked = checkGan(networks, options);
  const device = await prepare(networks, checked.device);
  const optimizers = optimizersFor(networks, checked);
  const timer = new Timer();
  const history: GanRecord[] = [];
  let samples = 0;
  const stopping = { now: false };
  const removeListeners = onStopSignal(() => {
    stopping.now = true;
  });
  try {
    for (let epoch = 1; epoch <= checked.numEpochs; epoch++) {
      timer.start();
      const { lossD, lossG, count } = await trainOneEpoch(
        { networks, trainIter, epoch },
        { ...checked, optimizers, stopping },
      );
      const seconds = timer.stop();
      samples += count;
      if (stopping.now) {
        if (checked.progress) console.log(`interrupted in epoch ${epoch} of ${checked.numEpochs}`);
        break;
      }
      requireFinite(epoch, { lossD, lossG });
      const record = { epoch, lossD, lossG, seconds, samplesPerSecond: count / seconds };
      history.push(record);
      if (checked.progress) console.log(epochLine(record, checked.numEpochs));
      setTraining(networks, false);
      await checked.onEpochEnd?.(record, networks.generator);
    }
  } finally {
    removeListeners();
    setTraining(networks, false);
    optimizers.discriminator.dispose();
    optimizers.generator.dispose();
  }
  const samplesPerSecond = samples / timer.sum();
  if (checked.progress)
    console.log(`${samplesPerSecond.toFixed(1)} examples/sec on ${device.name}`);
  return { history, device, samplesPerSecond, interrupted: stopping.now };
}

/** Activates the device, and moves both modules there. */
async function prepare(networks: GanNetworks, asked: Device | undefined): Promise<Device> {
  const both = [networks.generator, networks.discriminator] as AnyModel[];
  if (asked) {
    await activate(asked);
    for (const module of both) await toDevice(module, asked);
    return asked;
  }
  const { isDefault: _, ...device } = await startDefaultDevice(both[0] as AnyModel);
  await toDevice(both[1] as AnyModel, device);
  return device;
}

interface EpochSettings extends Omit<ReturnType<typeof checkGan>, 'optimizer' | 'lr'> {
  optimizers: ReturnType<typeof optimizersFor>;
  /** Whether to end after the current step. */
  stopping: { readonly now: boolean };
}

/** One pass over the data: mean losses, and the number of samples. */
async function trainOneEpoch(
  { networks, trainIter, epoch }: { networks: GanNetworks; trainIter: Loader; epoch: number },
  { latentShape, loss, seed, optimizers, stopping }: EpochSettings,
) {
  setTraining(networks, true);
  let [totals, count, step] = [tf.zeros([2]) as tf.Tensor1D, 0, 0];
  try {
    for await (const batch of trainIter) {
      try {
        const real = requireSamples(batch.features);
        const size = real.shape[0] as number;
        const stepSeed = mixSeed(seed, epoch, step++);
        const before = totals;
        totals = tf.tidy(() => {
          const shape = [size, ...latentShape]; // [batch, ...latent]
          const noise = tf.randomNormal(shape, 0, 1, 'float32', stepSeed);
          if (count === 0) requireShapes(networks, { real, noise });
          const losses = withSeed(stepSeed, () => [
            discriminatorStep(
              networks,
              { real, noise },
              { optimizer: optimizers.discriminator, loss },
            ),
            generatorStep(networks, noise, { optimizer: optimizers.generator, loss }),
          ]);
          return tf.add(before, tf.mul(tf.stack(losses), size)) as tf.Tensor1D;
        });
        before.dispose();
        count += size;
      } finally {
        disposeBatch(batch);
      }
      await new Promise((resolve) => setImmediate(resolve)); // signals arrive between steps
      if (stopping.now) break;
    }
    if (count === 0) throw new RangeError(`${WHERE}: expected a loader with samples, got none`);
    const [sumD = Number.NaN, sumG = Number.NaN] = await totals.data();
    return { lossD: sumD / count, lossG: sumG / count, count };
  } finally {
    totals.dispose();
  }
}

function requireSamples(features: unknown): tf.Tensor {
  if (isTensor(features) && features.rank > 1) return features;
  throw new TypeError(
    `${WHERE}: expected batches whose features are one tensor [batch, ...], got ` +
      `${formatValue(features)}; give a loader of samples`,
  );
}

/** The generator makes samples of the data's shape; the discriminator gives each one logit. */
function requireShapes(
  { generator, discriminator }: GanNetworks,
  { real, noise }: { real: tf.Tensor; noise: tf.Tensor },
): void {
  // These calls are for shapes: they change no running statistics.
  const { shape } = inMode(generator, false, () => generate(generator, noise));
  if (shape.join() === real.shape.join()) {
    const logits = inMode(discriminator, false, () => generate(discriminator, real));
    if (logits.size === real.shape[0]) return;
    throw new RangeError(
      `${WHERE}: expected the discriminator to give one logit for each of ${real.shape[0]} ` +
        `samples, got [${logits.shape.join(', ')}]; let its last layer have one output`,
    );
  }
  throw new RangeError(
    `${WHERE}: expected the generator to make the shape of the data, [${real.shape.join(', ')}], ` +
      `got [${shape.join(', ')}]; change the generator's last layer, or "latentShape"`,
  );
}

function setTraining({ generator, discriminator }: GanNetworks, training: boolean): void {
  for (const module of [generator, discriminator]) module.train(training);
}

function requireFinite(epoch: number, losses: { lossD: number; lossG: number }): void {
  for (const [name, value] of Object.entries(losses)) {
    if (Number.isFinite(value)) continue;
    throw new Error(
      `${WHERE}: expected finite losses, got ${name} ${value} in epoch ${epoch}; lower "lr"`,
    );
  }
}

/** `epoch 3 of 20: loss_D 0.693, loss_G 0.693, 1.2 s`: the names are the book's. */
const epochLine = ({ epoch, lossD, lossG, seconds }: GanRecord, numEpochs: number) =>
  `epoch ${epoch} of ${numEpochs}: loss_D ${lossD.toFixed(3)}, loss_G ${lossG.toFixed(3)}, ` +
  `${seconds.toFixed(1)} s`;

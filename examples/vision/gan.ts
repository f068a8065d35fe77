/**
 * A deep convolutional GAN, section 20.2 of the English Dive into Deep Learning, on Fashion-MNIST
 * at 28 pixels. Writes a picture of new clothes after each epoch:
 * npm run example examples/vision/gan.ts -- --epochs 5
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { loadFashionMnist, nn, showImages, trainGan, transforms, tryGpu } from 'deepend';

const DEFAULTS = {
  train: 60_000, // images
  'batch-size': 128,
  channels: 32, // of the largest images within the networks
  latent: 64, // numbers that an image is made of
  lr: 0.0005,
  epochs: 5,
  seed: 1,
  out: 'runs/gan',
};
const option = (value: unknown) => ({ type: 'string' as const, default: String(value) });
const options = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [name, option(value)]),
);
const args = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
const values = args.values as Record<string, string | boolean | undefined>;
if (values.help) {
  for (const [name, value] of Object.entries(DEFAULTS)) console.log(`--${name} (${value})`);
  process.exit();
}
const number = (name: keyof typeof DEFAULTS) => Number(values[name]);
const [n, latent, seed, out] = [number('channels'), number('latent'), number('seed'), values.out];

nn.manualSeed(seed);
const conv = { stride: 2, padding: 1, bias: false, init: nn.init.normal({ std: 0.02 }) };
const up = (from: number, to: number, kernel: number, more = {}) => [
  new nn.ConvTranspose2d(from, to, kernel, { ...conv, ...more }),
  ...[new nn.BatchNorm2d(to), new nn.ReLU()],
];
const generator = new nn.Sequential(
  ...up(latent, 2 * n, 7, { stride: 1, padding: 0 }), // 1 → 7 pixels
  ...[...up(2 * n, n, 4), new nn.ConvTranspose2d(n, 1, 4, conv)], // 7 → 14 → 28
  new nn.Tanh(), // from −1 to 1
);
const down = (from: number, to: number) => [
  new nn.Conv2d(from, to, 4, conv),
  ...[new nn.BatchNorm2d(to), new nn.LeakyReLU(0.2)],
];
const discriminator = new nn.Sequential(
  ...[...down(1, n), ...down(n, 2 * n)], // 28 → 14 → 7 pixels
  ...[new nn.Conv2d(2 * n, 1, 7, { bias: false }), new nn.Flatten()], // 1: a logit
);
const device = await tryGpu();
const [trainIter] = await loadFashionMnist(number('batch-size'), {
  ...{ numTrain: number('train'), numTest: 1, seed },
  transforms: [transforms.normalize({ mean: [0.5], std: [0.5] })],
});
const noise = tf.randomNormal([32, 1, 1, latent], 0, 1, 'float32', seed); // the same in each epoch
await trainGan({ generator, discriminator }, trainIter, {
  ...{ numEpochs: number('epochs'), lr: number('lr'), latentShape: [1, 1, latent], seed, device },
  optimizer: { name: 'adam', beta1: 0.5 },
  onEpochEnd: async ({ epoch }) => {
    const clothes = tf.div(tf.add(generator.forward(noise), 1), 2); // [32, 28, 28, 1], 0 to 1
    await (await showImages(clothes, 4, 8)).save(`${out}/epoch-${epoch}.png`);
  },
});

/**
 * A residual net that reaches the article's 0.926 test accuracy on Fashion-MNIST in minutes on two
 * CPU cores:
 * npm run example examples/fashion-mnist-fast.ts -- --seed 1
 */
import { parseArgs } from 'node:util';
import {
  crossEntropy,
  loadFashionMnist,
  nn,
  saveRun,
  schedules,
  train,
  transforms,
  tryGpu,
} from 'deepend';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    epochs: { type: 'string', default: '7' },
    train: { type: 'string', default: '60000' }, // training images
    out: { type: 'string', default: 'runs/fashion-mnist-fast' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  console.log('--seed (1), --epochs (7), --train (60000 images), --out (runs/fashion-mnist-fast)');
  process.exit();
}
const seed = Number(values.seed);
const numTrain = Number(values.train);

/** 3×3 convolution, batch normalization, ReLU. */
const conv = (filters: number) =>
  nn.chain(nn.conv(filters, { kernel: 3, padding: 1, bias: false }), nn.batchNorm(), nn.relu());
const halve = () => nn.maxPool({ size: 2 });
const blocks = [
  ...[conv(32), halve()], //                      28 → 14 pixels
  ...[conv(64), nn.residual(64), halve()], //     14 → 7
  ...[conv(128), nn.residual(128)], //            7
  nn.classifier(10),
];
const net = nn.sequential(blocks, { inputShape: [28, 28, 1], seed });

const device = await tryGpu();
const augment = [transforms.randomHorizontalFlip(), transforms.randomCrop(28, { padding: 2 })];
const [trainIter, testIter] = await loadFashionMnist(128, { numTrain, transforms: augment, seed });
await train(net, trainIter, testIter, {
  numEpochs: Number(values.epochs),
  lr: schedules.oneCycle({ maxLr: 0.2 }),
  optimizer: {
    name: 'sgd',
    momentum: 0.9,
    nesterov: true,
    weightDecay: 5e-4,
    excludeFromDecay: 'norm-and-bias',
  },
  loss: crossEntropy({ labelSmoothing: 0.1 }),
  emaDecay: 0.99,
  seed,
  device,
  callbacks: [saveRun(values.out, { numTrain }, { overwrite: true })],
});

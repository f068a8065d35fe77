/**
 * Compares five orders of convolution, normalization and ReLU in a residual block (He et al. 2016,
 * https://arxiv.org/abs/1603.05027, figure 4): five ResNets that are otherwise the same learn from
 * the same images in the same order. --help lists the flags.
 */
import { parseArgs } from 'node:util';
import { loadFashionMnist, models, nn, plot, saveRun, train, tryGpu } from 'deepend';

const DEFAULTS = {
  size: 28, // pixels that images are resized to
  'batch-size': 64,
  lr: 0.1,
  epochs: 5,
  train: 60_000, // training images
  test: 10_000, // test images
  seed: 0,
  out: 'runs/block-orders',
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
const { out } = values;
const [size, seed, numEpochs] = [number('size'), number('seed'), number('epochs')];
const data = { resize: size, numTrain: number('train'), numTest: number('test'), seed };

const device = await tryGpu();
const settings = { numEpochs, lr: number('lr'), seed, device };
console.log(`training on ${device.name}: ${device.backend} on ${device.hardware} (${device.why})`);
const orders = Object.keys(nn.BLOCK_ORDERS) as nn.BlockOrderName[];
const losses: number[][] = [];
const accuracies: number[][] = [];
for (const blockOrder of orders) {
  console.log(`\n${blockOrder}`);
  const [trainIter, testIter] = await loadFashionMnist(number('batch-size'), data);
  const net = models.cifar.resnet20({
    inputShape: [size, size, 1],
    numClasses: 10,
    seed,
    blockOrder,
  });
  const callbacks = [saveRun(`${out}/${blockOrder}`, data, { overwrite: true })];
  const { history } = await train(net, trainIter, testIter, { ...settings, callbacks });
  net.dispose();
  losses.push(history.map(({ loss }) => loss));
  accuracies.push(history.map(({ testAcc }) => testAcc ?? Number.NaN));
}

const epochs = Array.from({ length: numEpochs }, (_, i) => i + 1);
const axes = { xlabel: 'epoch', legend: orders };
await plot(epochs, losses, { ...axes, ylabel: 'loss' }).save(`${out}/losses.png`);
await plot(epochs, accuracies, { ...axes, ylabel: 'test acc' }).save(`${out}/accuracies.png`);
console.log(`\nthe curves are in ${out}/losses.png and ${out}/accuracies.png`);

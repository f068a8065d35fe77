/**
 * ResNet-18 of Dive into Deep Learning, chapter 8.6, on Fashion-MNIST at 224 pixels:
 * npm run example examples/resnet18-fashion-mnist.ts -- --size 96 --epochs 2
 */
import { parseArgs } from 'node:util';
import { Animator, book, loadFashionMnist, saveRun, summary, train, tryGpu } from 'deepend';

const DEFAULTS = {
  size: 224, // pixels that images are resized to
  'batch-size': 128,
  lr: 0.05,
  epochs: 10,
  train: 60_000, // training images
  test: 10_000, // test images
  seed: 0,
  out: 'runs/resnet18-fashion-mnist',
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
const size = number('size');
const seed = number('seed');
const out = String(values.out);

const net = book.resnet18({ inputShape: [size, size, 1], numClasses: 10, seed });
console.log(`${summary(net)}\n`);

const device = await tryGpu();
const data = { resize: size, numTrain: number('train'), numTest: number('test'), seed };
const [trainIter, testIter] = await loadFashionMnist(number('batch-size'), data);
await train(net, trainIter, testIter, {
  numEpochs: number('epochs'),
  lr: number('lr'),
  seed,
  device,
  callbacks: [new Animator(), saveRun(out, data, { overwrite: true })],
});
console.log(`the three curves are in ${out}/curves.png`);

/**
 * Fine-tuning, section 13.2 (en 14.2) of Dive into Deep Learning: a model with the weights of
 * ImageNet learns the classes of a folder of images, its new last layer ten times as fast. The
 * folders train and test have one of images for each class; docs/weights.md says how to get weights:
 * npm run example examples/vision/fine-tuning.ts -- --data hotdog --weights resnet18.safetensors
 */
import { parseArgs } from 'node:util';
import { DataLoader, imageFolder, models, saveRun, train, transforms, tryGpu } from 'deepend';

const DEFAULTS = {
  data: 'hotdog', // a folder with train and test
  model: 'resnet18',
  weights: '', // of torchvision, a safetensors file; without it the model learns from scratch
  size: 224, // pixels
  'batch-size': 64,
  lr: 0.005,
  epochs: 5,
  seed: 1,
  out: 'runs/fine-tuning',
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
const [batchSize, size, seed] = [number('batch-size'), number('size'), number('seed')];
const [data, out, weights] = [String(values.data), String(values.out), String(values.weights)];

const trainSet = await imageFolder(`${data}/train`);
const { classNames = [] } = trainSet;
const normalize = transforms.normalize({ mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] });
const trainIter = new DataLoader(trainSet, {
  ...{ batchSize, seed, shuffle: true },
  transforms: [transforms.randomResizedCrop(size), transforms.randomHorizontalFlip(), normalize],
});
const testIter = new DataLoader(await imageFolder(`${data}/test`, { classNames }), {
  batchSize,
  transforms: [transforms.resize([size, size]), normalize],
});

const device = await tryGpu();
const pretrained = models.createModel(String(values.model), { inputShape: [size, size, 3], seed });
if (weights) await models.loadWeights(pretrained, weights);
const net = models.replaceHead(pretrained, classNames.length, { seed });
await train(net, trainIter, testIter, {
  ...{ numEpochs: number('epochs'), lr: number('lr'), seed, device },
  optimizer: {
    name: 'sgd',
    weightDecay: 0.001,
    groups: [{ params: net.layers.at(-1)?.name ?? '', lrScale: 10 }],
  },
  callbacks: [saveRun(out, {}, { overwrite: true })],
});

/**
 * The class of each pixel: a small U-Net on scenes made of Fashion-MNIST's clothes, and a picture
 * of images, truth and predictions. Sections 13.9 to 13.11 (en 14.9 to 14.11) of Dive into Deep
 * Learning: npm run example examples/vision/segmentation.ts -- --epochs 6
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { datasets, metrics, nn, plots, saveRun, schedules, train, tryGpu, vision } from 'deepend';

const DEFAULTS = {
  classes: 't-shirt,trouser,bag,ankle boot', // or all
  channels: 8, // of the largest feature maps
  train: 1000, // scenes of an epoch; a fifth as many for the test
  'batch-size': 16,
  lr: 0.004,
  epochs: 6,
  seed: 1,
  out: 'runs/segmentation',
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
const [seed, numEpochs, out] = [number('seed'), number('epochs'), String(values.out)];
const device = await tryGpu();
const classes = values.classes === 'all' ? {} : { classes: String(values.classes).split(',') };
const [trainIter, testIter] = await datasets.fashionScenes(number('batch-size'), {
  ...{ target: 'masks', numTrain: number('train'), numTest: number('train') / 5, seed },
  ...{ fresh: true, ...classes }, // new scenes in each epoch
});
const [numClasses, first] = [trainIter.classNames.length, number('channels')];
const channels = [first, 2 * first, 4 * first, 8 * first];
const net = new vision.UNet({ numClasses, channels, seed });
const example = tf.zeros([number('batch-size'), ...trainIter.inputShape]);
await train(nn.compile(net, example), trainIter, testIter, {
  ...{ numEpochs, lr: schedules.cosine({ lr: number('lr') }), optimizer: 'adam', seed, device },
  metrics: [metrics.meanIou()],
  callbacks: [saveRun(out, {}, { overwrite: true })],
});

for await (const { features, labels } of testIter) {
  const predicted = tf.argMax(net.eval().forward(features), 3); // [batch, height, width]
  const colors = (mask: tf.Tensor) => {
    const { data, shape } = vision.label2image(mask.dataSync(), mask.shape);
    return tf.div(tf.tensor(data, shape), 255);
  };
  const rows = [features, colors(labels), colors(predicted)].map((images) =>
    tf.slice(images, 0, 8),
  );
  await (await plots.showImages(tf.concat(rows), 3, 8)).save(`${out}/masks.png`);
  break;
}

/**
 * Object detection: TinySSD, section 13.7 (en 14.7) of Dive into Deep Learning, finds clothes in
 * scenes that are made of Fashion-MNIST, so nothing else is downloaded:
 * npm run example examples/vision/detection.ts -- --epochs 20
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { datasets, nn, plots, saveRun, schedules, train, tryGpu, vision } from 'deepend';

const DEFAULTS = {
  size: 64, // pixels of a scene
  train: 2000, // scenes
  test: 300,
  'batch-size': 32,
  lr: 0.002,
  epochs: 20,
  seed: 1,
  out: 'runs/detection',
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
const [seed, out] = [number('seed'), String(values.out)];

const device = await tryGpu();
const batchSize = number('batch-size');
const [trainIter, testIter] = await datasets.fashionScenes(batchSize, {
  ...{ size: number('size'), numTrain: number('train'), numTest: number('test'), seed },
  fresh: true, // new scenes in each epoch
});
const { inputShape, numClasses, classNames } = trainIter;
const filters = [64]; // feature maps of 8 × 8, 4 × 4 and 1 × 1
const sizes = [[0.25, 0.35, 0.45], [0.45, 0.55], [0.8]]; // of the anchors on each map
const net = new vision.TinySSD({ inputShape, numClasses, filters, sizes, seed });
const compiled = nn.compile(net, tf.zeros([batchSize, ...inputShape])); // a third faster
await train(compiled, vision.targetLoader(trainIter, net), null, {
  ...{ numEpochs: number('epochs'), lr: schedules.cosine({ lr: number('lr') }), optimizer: 'adam' },
  ...{ loss: vision.ssdLoss(net), seed, device },
  callbacks: [saveRun(out, {}, { overwrite: true })],
});
const { map, map50, perClass } = await vision.evaluateDetector(net, testIter);
for (const [i, name] of classNames.entries()) console.log(`${name}: AP ${perClass[i]?.toFixed(3)}`);
console.log(`mAP@0.5 ${map50.toFixed(3)}, mAP@[.5:.95] ${map.toFixed(3)}`);

for await (const { features, labels } of testIter) {
  const images = tf.slice(features, 0, 6);
  const found = vision.detectObjects(net, images, { scoreThreshold: 0.5 });
  const objects = [...vision.truthsOf(labels).slice(0, 6), ...found];
  const titles = objects.map((_, i) => (i < 6 ? 'truth' : 'prediction'));
  const figure = await plots.showObjects(tf.concat([images, images]), objects, {
    ...{ classNames, titles, cols: 6 },
  });
  await figure.save(`${out}/detections.png`);
  break;
}

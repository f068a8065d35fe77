/**
 * ResNet-18 on Fashion-MNIST at 224 pixels, batch 128, learning rate 0.05, 10 epochs: the net of
 * Dive into Deep Learning, chapter 8.6,
 * at the size of its earlier nets. Every number is a flag: `npm run example
 * examples/resnet18-fashion-mnist.ts -- --size 96`.
 */
import { Animator, book, loadFashionMnist, saveRun, summary, train, tryGpu } from 'deepend';
import { settings } from './settings.js';

const {
  net: options,
  batchSize,
  data,
  training,
  out,
} = settings('book/resnet18', {
  ...{ size: 224, batchSize: 128, out: 'runs/resnet18-fashion-mnist' },
});

const net = book.resnet18(options);
console.log(`${summary(net)}\n`);

const device = await tryGpu();
console.log(`training on ${device.name}: ${device.backend} on ${device.hardware} (${device.why})`);
const [trainIter, testIter] = await loadFashionMnist(batchSize, data);
await train(net, trainIter, testIter, {
  ...training,
  device,
  callbacks: [new Animator(), saveRun(out, data)],
});
console.log(`the three curves are in ${out}/curves.png`);

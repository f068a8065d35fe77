/**
 * Network in network on Fashion-MNIST (Dive into Deep Learning, chapter 8.3): the book's run
 * reached 0.790.
 */
import { Animator, book, loadFashionMnist, saveRun, summary, train, tryGpu } from 'deepend';
import { settings } from './settings.js';

const { net: options, batchSize, data, training, out } = settings('book/nin');

const net = book.nin(options);
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

/**
 * ResNet-18 on Fashion-MNIST at 224 pixels, batch 128, learning rate 0.05, 10 epochs: the figures of Dive into Deep Learning, chapter
 * 8.6, at the size of its earlier nets. Every number is a flag: `npm run example examples/resnet18-fashion-mnist.ts -- --resize 96`.
 */
import { parseArgs } from 'node:util';
import { Animator, book, loadFashionMnist, saveRun, summary, train, tryGpu } from 'deepend';

const { values } = parseArgs({
  options: {
    resize: { type: 'string', default: '224' },
    'batch-size': { type: 'string', default: '128' },
    lr: { type: 'string', default: '0.05' },
    epochs: { type: 'string', default: '10' },
    train: { type: 'string', default: '60000' },
    test: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '0' },
    out: { type: 'string', default: 'runs/resnet18-fashion-mnist' },
  },
});
const resize = Number(values.resize);
const seed = Number(values.seed);

const net = book.resnet18({ inputShape: [resize, resize, 1], numClasses: 10, seed });
console.log(`${summary(net)}\n`);

const device = await tryGpu();
console.log(`training on ${device.name}: ${device.engine} on ${device.hardware} (${device.why})`);
const [trainIter, testIter] = await loadFashionMnist(Number(values['batch-size']), {
  ...(resize !== 28 && { resize }),
  numTrain: Number(values.train),
  numTest: Number(values.test),
  seed,
});
const numEpochs = Number(values.epochs);
const callbacks = [new Animator(), saveRun(values.out, { resize, seed })];
await train(net, trainIter, testIter, { numEpochs, lr: Number(values.lr), device, seed, callbacks });
console.log(`the three curves are in ${values.out}/curves.png`);

/**
 * Trains a small ResNet on Fashion-MNIST to a test accuracy of 0.9 in a minute or two, and saves
 * the
 * run in runs/quickstart. --help says what it reads.
 */
import { book, loadFashionMnist, saveRun, showPredictions, summary, train, tryGpu } from 'deepend';

if (process.argv.includes('--help')) {
  console.log('Trains a small ResNet on Fashion-MNIST, in a minute or two. It takes no flags, and');
  console.log('reads QUICKSTART_OUT (runs/quickstart) and QUICKSTART_IMAGES (60000).');
  process.exit();
}

const out = process.env.QUICKSTART_OUT ?? 'runs/quickstart';
const numTrain = Number(process.env.QUICKSTART_IMAGES ?? 60_000);

const device = await tryGpu();
console.log(`device ${device.name}: ${device.backend} on ${device.hardware} (${device.why})\n`);

const [trainIter, testIter] = await loadFashionMnist(64, { numTrain, seed: 1 });
const net = book.resnet8({ inputShape: [28, 28, 1], numClasses: 10, seed: 1 });
console.log(`${summary(net)}\n`);

const lr = (epoch: number) => (epoch <= 6 ? 0.1 : 0.01); // large steps first, then small ones
await train(net, trainIter, testIter, {
  numEpochs: 8,
  lr,
  device,
  callbacks: [saveRun(out, { numTrain }, { overwrite: true })],
});

const picture = await showPredictions(net, testIter, { count: 18 });
await picture.save(`${out}/predictions.png`);
console.log(`\nthe curves, the model and its predictions are in ${out}`);

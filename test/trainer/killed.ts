/**
 * A run for a test that kills it: `killed.ts DIR` trains with a checkpoint at each step, resumes
 * from the last, and prints what its net came to.
 */
import { createHash } from 'node:crypto';
import { arrayDataset, DataLoader } from '@deepend/data';
import { device } from '@deepend/device';
import { book } from '@deepend/models';
import { checkpoints, train } from '@deepend/trainer';

const [dir = ''] = process.argv.slice(2);
await device('simd');
const images = Uint8Array.from({ length: 64 * 144 }, (_, i) => (i * 2_654_435_761) >>> 24);
const labels = Uint8Array.from({ length: 64 }, (_, i) => (7 * i + 3) % 10);
const loader = new DataLoader(arrayDataset({ images, labels, imageShape: [12, 12, 1] }), {
  batchSize: 8,
  shuffle: true,
  workers: 0,
});
const net = book.resnet8({ inputShape: [12, 12, 1], seed: 1 });
const callbacks = [checkpoints(dir, { everySteps: 1 }), { onStep: () => console.log('step') }];
const optimizer = { name: 'sgd', momentum: 0.9 } as const;
await train(net, loader, null, {
  numEpochs: 3,
  lr: 0.02,
  optimizer,
  progress: false,
  callbacks,
  resume: dir,
});
const hash = createHash('sha256');
for (const weight of net.weights)
  hash.update(new Uint8Array(weight.read().dataSync().slice().buffer));
console.log(hash.digest('hex'));
process.exit(0);

/**
 * A run for a test that interrupts it: `interrupted.ts DIR`, with `deepend train`'s own way of
 * saving.
 */
import { book, DataLoader, datasets, device, saveRun, train } from 'deepend';

const [dir = '', resume] = process.argv.slice(2);
const computing = await device('simd');
const images = Uint8Array.from({ length: 640 * 144 }, (_, i) => (i * 2_654_435_761) >>> 24);
const labels = Uint8Array.from({ length: 640 }, (_, i) => (7 * i + 3) % 10);
const loader = new DataLoader(datasets.arrayDataset({ images, labels, imageShape: [12, 12, 1] }), {
  batchSize: 8,
  shuffle: true,
  workers: 0,
});
const net = book.resnet8({ inputShape: [12, 12, 1], seed: 1 });
const callbacks = [saveRun(dir), { onStep: () => console.log('step') }];
const numEpochs = resume ? 3 : 1000;
await train(net, loader, null, {
  numEpochs,
  lr: 0.02,
  device: computing,
  callbacks,
  ...(resume && { resume: dir }),
});
process.exit(0);

/**
 * The orderings of the residual block (He et al. 2016, https://arxiv.org/abs/1603.05027, figure 4):
 * five ResNets that differ in nothing
 * else learn from the same images in the same order. Their curves go to
 * runs/block-orders/losses.png and accuracies.png.
 */
import { loadFashionMnist, models, nn, plot, train, tryGpu } from 'deepend';
import { settings } from './settings.js';

const own = { size: 28, batchSize: 64, lr: 0.1, numEpochs: 5, out: 'runs/block-orders' };
const { net: options, batchSize, data, training, out } = settings('book/resnet18', own);

const device = await tryGpu();
console.log(`training on ${device.name}: ${device.backend} on ${device.hardware} (${device.why})`);
const orders = Object.keys(nn.BLOCK_ORDERS) as (keyof typeof nn.BLOCK_ORDERS)[];
const curves: Record<'loss' | 'testAcc', number[][]> = { loss: [], testAcc: [] };
for (const blockOrder of orders) {
  console.log(`\n${blockOrder}`);
  const [trainIter, testIter] = await loadFashionMnist(batchSize, data);
  const net = models.cifar.resnet20({ ...options, blockOrder });
  const { history } = await train(net, trainIter, testIter, { ...training, device });
  net.dispose();
  curves.loss.push(history.map(({ loss }) => loss));
  curves.testAcc.push(history.map(({ testAcc }) => testAcc ?? Number.NaN));
}

const epochs = curves.loss[0]?.map((_, i) => i + 1) ?? [];
const axes = { xlabel: 'epoch', legend: orders };
await plot(epochs, curves.loss, { ...axes, ylabel: 'loss' }).save(`${out}/losses.png`);
await plot(epochs, curves.testAcc, { ...axes, ylabel: 'test accuracy' }).save(
  `${out}/accuracies.png`,
);
console.log(`\nthe five curves are in ${out}/losses.png and ${out}/accuracies.png`);

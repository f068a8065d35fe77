/**
 * Searches for LeNet's learning rate and batch size on Fashion-MNIST, chapter 19 of Dive into Deep
 * Learning: many configurations train briefly, the best of them longer. Started again, it
 * continues:
 * npm run example examples/search.ts -- --scheduler hyperband
 */
import { parseArgs } from 'node:util';
import { book, loadFashionMnist, plots, saveRun, search, spaces, train, tryGpu } from 'deepend';

const DEFAULTS = {
  scheduler: 'successive-halving', // or hyperband, asha; random gives each trial all epochs
  'min-epochs': 1,
  epochs: 9, // of the best configurations
  train: 6000, // training images
  test: 2000, // validation images
  seed: 0,
  out: 'runs/search',
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
const out = String(values.out);
const data = { numTrain: number('train'), numTest: number('test'), progress: false };
const device = await tryGpu();

const budgets = { minBudget: number('min-epochs'), maxBudget: number('epochs') };
const name = String(values.scheduler) as 'successive-halving' | 'hyperband' | 'asha' | 'random';
const { best, results, interrupted } = await search({
  space: { lr: spaces.logUniform(1e-2, 1), batchSize: spaces.int(16, 256) },
  initial: [{ lr: 0.1, batchSize: 128 }],
  objective: async ({ lr, batchSize }, { budget, seed, folder = out }) => {
    const [trainIter, testIter] = await loadFashionMnist(batchSize, { ...data, seed });
    const net = book.bn_lenet({ seed });
    const { history } = await train(net, trainIter, testIter, {
      ...{ numEpochs: budget, lr, seed, device, progress: false },
      callbacks: [saveRun(folder, { lr, batchSize }, { overwrite: true })], // for the dashboard
    });
    net.dispose();
    return 1 - (history.at(-1)?.testAcc ?? Number.NaN);
  },
  scheduler: name === 'random' ? { name, maxBudget: budgets.maxBudget } : { name, ...budgets },
  seed: number('seed'),
  out,
});

const { lr, batchSize } = best.config;
console.log(`best of ${results.length}: lr ${lr.toPrecision(3)}, batch size ${batchSize}`);
console.log(`validation error ${best.error?.toFixed(3)} after ${best.budget} epochs`);
for (const kind of ['best', 'curves', 'configurations'] as const)
  await plots.plotSearch(results, { kind }).save(`${out}/${kind}.png`);
process.exit(interrupted ? 130 : 0);

/**
 * The convolutional networks of Dive into Deep Learning, chapters 8.1 to 8.7, on Fashion-MNIST with
 * the book's settings: npm run example examples/book-cnns.ts -- --model nin
 */
import { parseArgs } from 'node:util';
import { Animator, createModel, loadFashionMnist, saveRun, summary, train, tryGpu } from 'deepend';

/** Pixels, batch size and learning rate; a comment has the test accuracy of the book's own run. */
const MODELS: Record<string, { size: number; batchSize: number; lr: number; options?: object }> = {
  alexnet: { size: 224, batchSize: 128, lr: 0.01 }, // 0.883
  vgg11: { size: 224, batchSize: 128, lr: 0.05, options: { widthDivisor: 4 } }, // 0.920
  nin: { size: 224, batchSize: 128, lr: 0.1 }, // 0.790
  googlenet: { size: 96, batchSize: 128, lr: 0.1 }, // 0.886
  densenet: { size: 96, batchSize: 256, lr: 0.1 }, // 0.885
};
const FLAGS = 'model size batch-size lr epochs train test seed init out'.split(' ');

const options = Object.fromEntries(FLAGS.map((name) => [name, { type: 'string' as const }]));
const args = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
const { help, ...flags } = args.values as Record<string, string | undefined>;
const { model = 'alexnet', init = 'xavier-uniform', out = `runs/${model}` } = flags;
const number = (name: string, standard: number) => Number(flags[name] ?? standard);

const recipe = MODELS[model];
if (help || !recipe) {
  console.log(`models: ${Object.keys(MODELS).join(', ')}\nflags: --${FLAGS.join(', --')}`);
  process.exit(help ? 0 : 1);
}
const size = number('size', recipe.size); // images are resized to size × size pixels
const seed = number('seed', 0);
const data = { resize: size, numTrain: number('train', 60_000), numTest: number('test', 10_000) };

const net = createModel(`book/${model}`, {
  inputShape: [size, size, 1],
  numClasses: 10,
  seed,
  init: init as 'xavier-uniform' | 'he-normal',
  ...recipe.options,
});
console.log(`${summary(net)}\n`);

const device = await tryGpu();
const batchSize = number('batch-size', recipe.batchSize);
const [trainIter, testIter] = await loadFashionMnist(batchSize, { ...data, seed });
await train(net, trainIter, testIter, {
  numEpochs: number('epochs', 10),
  lr: number('lr', recipe.lr),
  seed,
  device,
  callbacks: [new Animator(), saveRun(out, data, { overwrite: true })],
});
console.log(`the three curves are in ${out}/curves.png`);

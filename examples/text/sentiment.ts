/**
 * Good or bad: a bidirectional LSTM or a convolution over the words of reviews, sections 15.2 and
 * 15.3 (en 16.2 and 16.3) of Dive into Deep Learning, on the sentences of reviews.txt:
 * npm run example examples/text/sentiment.ts -- --model birnn
 */
import { parseArgs } from 'node:util';
import { d2l, saveRun, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  model: 'textcnn', // or birnn
  data: `${import.meta.dirname}/reviews.txt`,
  embed: 32, // features of a word
  'batch-size': 32,
  lr: 0.005,
  epochs: 40,
  seed: 1,
  out: 'runs/sentiment',
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
const seed = number('seed');

const CLASSES = ['negative', 'positive'];
const rows = await text.readPairs(String(values.data)); // the class, a tab, the sentence
const labels = rows.map(([name]) => CLASSES.indexOf(name));
const reviews = text.tokenize(rows.map(([, review]) => review));
const pick = <T>(list: T[], test: boolean) => list.filter((_, i) => (i % 5 === 2) === test);
const vocab = new text.Vocab(pick(reviews, false), { reservedTokens: ['<pad>'] });
const padding = vocab.indexOf('<pad>');
const toIds = (words: string[]) => text.truncatePad(vocab.toIndices(words), 16, padding);
const batchSize = number('batch-size');
const loaderOf = (test: boolean) => {
  const ids = pick(reviews, test).map(toIds); // every fifth sentence is for the test
  return text.paddedLoader(ids, pick(labels, test), { batchSize, padding, seed, shuffle: !test });
};

const device = await tryGpu();
const sizes = { vocabSize: vocab.size, embedSize: number('embed'), seed };
const net =
  values.model === 'birnn'
    ? new text.BiRNN({ ...sizes, hidden: 32, layers: 1 })
    : new text.TextCNN({
        ...sizes,
        kernelSizes: [1, 2, 3],
        numChannels: [32, 32, 32],
        pool: 'max',
      });
await train(net, loaderOf(false), loaderOf(true), {
  ...{ numEpochs: number('epochs'), lr: number('lr'), optimizer: 'adam', seed, device },
  callbacks: [saveRun(String(values.out), {}, { overwrite: true })],
});
for (const review of ['this story is so wonderful', 'the music is so lifeless']) {
  console.log(`${review} => ${await d2l.predictSentiment(net, vocab, review)}`);
}

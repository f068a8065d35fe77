/**
 * Word vectors by the skip-gram model with negative sampling, sections 14.1 to 14.4 (en 15.1 to
 * 15.4) of Dive into Deep Learning, from the Penn Treebank; prints the nearest words of some:
 * npm run example examples/text/word-vectors.ts -- --words chip,dollar
 */
import { parseArgs } from 'node:util';
import { saveRun, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  root: '', // folder with ptb.zip; without one it is downloaded
  threshold: 0.0001, // frequency above which a word is left out by chance
  embed: 100, // features of a word
  window: 5, // words on each side, at most
  noise: 5, // noise words for each word of a context
  'batch-size': 512,
  lr: 0.002,
  epochs: 5,
  words: 'chip,president,monday,oil,court',
  seed: 1,
  out: 'runs/word-vectors',
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
const [embedSize, seed] = [number('embed'), number('seed')];

const device = await tryGpu();
const [trainIter, vocab] = await text.loadPtb(number('batch-size'), {
  ...(values.root ? { root: `${values.root}` } : {}),
  ...{ threshold: number('threshold'), maxWindowSize: number('window') },
  ...{ numNoiseWords: number('noise'), seed },
});
const net = new text.SkipGram({ vocabSize: vocab.size, embedSize, seed });
await train(net, trainIter, null, {
  ...{ numEpochs: number('epochs'), lr: number('lr'), optimizer: 'adam', seed, device },
  loss: text.skipGramLoss,
  callbacks: [saveRun(`${values.out}`, values, { overwrite: true })],
});
const weights = (await net.center.weight.data()) as Float32Array; // [tokens, features]
const vectors = new text.TokenEmbedding(vocab.idxToToken.slice(1), weights.slice(embedSize));
for (const word of `${values.words}`.split(',')) {
  const near = vectors.similar(word, 5).map(({ token }) => token);
  console.log(`${word} => ${near.join(', ')}`);
}

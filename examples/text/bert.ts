/**
 * A small BERT, sections 14.8 to 14.10 (en 15.8 to 15.10) of Dive into Deep Learning: learns masked
 * words and next sentences from animals.txt, a paragraph in each line, and fills in a word:
 * npm run example examples/text/bert.ts -- --epochs 100
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { saveRun, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  data: `${import.meta.dirname}/animals.txt`,
  hidden: 64,
  heads: 2,
  layers: 2,
  'max-len': 32, // tokens in a pair of sentences
  'batch-size': 26,
  lr: 0.002,
  epochs: 150,
  seed: 1,
  out: 'runs/bert',
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
const [hidden, maxLen, seed] = [number('hidden'), number('max-len'), number('seed')];
const [batchSize, heads, layers] = [number('batch-size'), number('heads'), number('layers')];

const lines = await text.readLines(String(values.data));
const once = lines.map((line) => text.tokenize(line.replace(/ \.$/, '').split(' . ')));
const paragraphs = [...once, ...once]; // each sentence with two others
const vocab = new text.Vocab(paragraphs.flat(), { reservedTokens: text.BERT_TOKENS });
const trainIter = text.bertLoader(paragraphs, vocab, { batchSize, maxLen, seed });

const sizes = { hidden, ffnHidden: 2 * hidden, heads, layers };
const net = new text.BERTModel({ vocabSize: vocab.size, ...sizes, maxLen, seed });
await train(net, trainIter, null, {
  ...{ numEpochs: number('epochs'), lr: number('lr'), optimizer: 'adam', clipNorm: 1 },
  ...{ loss: text.bertLoss, seed, device: await tryGpu() },
  callbacks: [saveRun(String(values.out), {}, { overwrite: true })],
});

net.eval();
for (const question of [
  ['the cow eats <mask>', 'every cow gives milk'],
  ['the camel lives in a <mask>', 'the camel eats dry plants'],
]) {
  const [first = [], second] = text.tokenize(question);
  const { tokens, segments } = text.getTokensAndSegments(first, second);
  const toTensor = (row: number[]) => tf.tensor2d([row], [1, row.length], 'int32');
  const { mlm } = net.forward({
    tokens: toTensor(vocab.toIndices(tokens)),
    segments: toTensor(segments),
    predPositions: toTensor([tokens.indexOf('<mask>')]),
  });
  const best = tf.argMax(mlm as tf.Tensor, -1).dataSync()[0] ?? 0; // of [1, 1, tokens]
  console.log(`${question.join(' . ')} => ${vocab.toTokens(best)}`);
}

/**
 * Trains an LSTM of two layers on the words of the Penn Treebank and measures its perplexity on
 * text that it has not seen (Zaremba et al. 2014, https://arxiv.org/abs/1409.2329, their small
 * model). --help lists the flags.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { nn, saveRun, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  root: '', // folder with ptb.zip; without one it is downloaded
  hidden: 200,
  layers: 2,
  dropout: 0.2,
  sentences: 42_068, // that are trained on
  'batch-size': 20,
  steps: 35, // words in a sequence
  epochs: 6,
  lr: 20, // until epoch 4; then half of it after each epoch
  prompt: 'the company',
  seed: 0,
  out: 'runs/word-language-model',
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
const [batchSize, numSteps, seed] = [number('batch-size'), number('steps'), number('seed')];

const device = await tryGpu();
const files = values.root ? { root: `${values.root}` } : {};
const read = async (split: 'train' | 'valid') =>
  (await text.readPtb({ split, ...files })).map((sentence) => [...sentence, '<eos>']);
const sentences = (await read('train')).slice(0, number('sentences'));
const vocab = new text.Vocab(sentences);
const load = (tokens: string[][]) =>
  text.sequenceLoader(text.toCorpus(tokens, vocab), { batchSize, numSteps, seed });

const [hidden, layers, dropout] = [number('hidden'), number('layers'), number('dropout')];
const shape = { vocabSize: vocab.size, embedSize: hidden, hidden, layers, dropout };
const model = new text.LanguageModel({ ...shape, cell: 'lstm', seed });
const net = nn.compile(model, tf.zeros([batchSize, numSteps], 'int32'));
await train(net, load(sentences), load(await read('valid')), {
  numEpochs: number('epochs'),
  lr: (epoch) => number('lr') / 2 ** Math.max(0, epoch - 4),
  clipNorm: 0.25,
  carryState: true,
  device,
  callbacks: [saveRun(`${values.out}`, values, { overwrite: true })],
});
const generated = await text.generate(model, `${values.prompt}`, {
  ...{ vocab, tokenizer: 'word', maxTokens: 30, temperature: 0.8, seed },
});
console.log(generated.text);

/**
 * Trains a character language model on a text file, as in the book's chapters on recurrent networks
 * (8.5 and 9 in Chinese, 9.5 and 10 in English), and continues a prompt. --help lists the flags.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { cpu, nn, saveRun, text, train } from 'deepend';

const DEFAULTS = {
  data: '', // a text file; without one, The Time Machine
  cell: 'gru', // rnn, gru or lstm
  hidden: 256,
  tokens: 10_000, // characters of the text that are used, as in the book
  'batch-size': 32,
  steps: 35, // characters in a sequence
  epochs: 500,
  lr: 1,
  prompt: 'time traveller',
  seed: 0,
  out: 'runs/language-model',
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

const device = await cpu(); // steps this small are faster there than on a GPU
const lines = await (values.data ? text.readLines(`${values.data}`) : text.readTimeMachine());
const letters = lines.map((line) =>
  line
    .replace(/[^A-Za-z]+/g, ' ')
    .trim()
    .toLowerCase(),
);
const tokens = text.tokenize(letters, 'char');
const vocab = new text.Vocab(tokens);
const corpus = text.toCorpus(tokens, vocab).slice(0, number('tokens'));
console.log(`${corpus.length} characters, ${vocab.size} different ones`);

const trainIter = text.sequenceLoader(corpus, { batchSize, numSteps, seed });
const cell = values.cell as 'rnn' | 'gru' | 'lstm';
const hidden = number('hidden');
const model = new text.LanguageModel({ vocabSize: vocab.size, hidden, cell, seed });
const compiled = nn.compile(model, tf.zeros([batchSize, numSteps], 'int32'));
await train(compiled, trainIter, null, {
  numEpochs: number('epochs'),
  lr: number('lr'),
  clipNorm: 1,
  carryState: true, // from batch to batch, since each row continues the one before
  device,
  callbacks: [saveRun(`${values.out}`, values, { overwrite: true })],
});
for (const sampling of [{}, { temperature: 0.7, seed }]) {
  const options = { vocab, maxTokens: 80, ...sampling };
  console.log((await text.generate(model, `${values.prompt}`, options)).text);
}

/**
 * Trains a character language model on a text file, as in the book's chapters on recurrent networks
 * (8.5 and 9 in Chinese, 9.5 and 10 in English), and continues a prompt. --help lists the flags.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { cpu, metrics, nn, saveRun, text, train } from 'deepend';

const DEFAULTS = {
  data: '', // a text file; The Time Machine where it is empty
  cell: 'gru', // rnn, gru or lstm
  hidden: 256,
  layers: 1,
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
const values = args.values as Record<keyof typeof DEFAULTS | 'help', string>;
if (values.help) {
  for (const [name, value] of Object.entries(DEFAULTS)) console.log(`--${name} (${value})`);
  process.exit();
}
const [numSteps, batchSize, seed] = [+values.steps, +values['batch-size'], +values.seed];

const device = await cpu(); // steps this small are faster there than on a GPU
const lines = await text.readLines(values.data);
const letters = lines.map((line) =>
  line
    .replace(/[^A-Za-z]+/g, ' ')
    .trim()
    .toLowerCase(),
);
const tokens = text.tokenize(letters, 'char');
const vocab = new text.Vocab(tokens);
const corpus = text.toCorpus(tokens, vocab).slice(0, +values.tokens);
console.log(`${corpus.length} characters, ${vocab.size} different ones`);

const trainIter = text.sequenceLoader(corpus, { batchSize, numSteps, seed });
const model = new text.LanguageModel({
  vocabSize: vocab.size,
  hidden: +values.hidden,
  layers: +values.layers,
  cell: values.cell as 'rnn' | 'gru' | 'lstm',
  seed,
});
const compiled = nn.compile(model, tf.zeros([batchSize, numSteps], 'int32'));
await train(compiled, trainIter, null, {
  numEpochs: +values.epochs,
  lr: +values.lr,
  clipNorm: 1,
  carryState: true,
  metrics: [metrics.perplexity()],
  device,
  callbacks: [saveRun(values.out, { ...values }, { overwrite: true })],
});
for (const sampling of [{}, { temperature: 0.7, seed }]) {
  const generated = await text.generate(model, values.prompt, {
    vocab,
    maxTokens: 80,
    ...sampling,
  });
  console.log(generated.text);
}

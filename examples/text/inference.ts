/**
 * Does a sentence follow from another, contradict it, or neither? Decomposable attention, sections
 * 15.4 and 15.5 (en 16.4 and 16.5) of Dive into Deep Learning, on the pairs of inference.txt:
 * npm run example examples/text/inference.ts -- --epochs 20
 */
import { parseArgs } from 'node:util';
import { d2l, saveRun, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  data: `${import.meta.dirname}/inference.txt`, // the class, a premise and a hypothesis in each row
  embed: 32, // features of a word
  hidden: 64,
  'batch-size': 32,
  lr: 0.005,
  epochs: 120,
  seed: 1,
  out: 'runs/inference',
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
const [seed, batchSize] = [number('seed'), number('batch-size')];

const rows = await text.readCsv(String(values.data), { separator: '\t' });
const select = (test: boolean) => rows.filter((_, i) => (i % 5 === 4) === test); // every fifth
const column = (list: string[][], at: number) => list.map((row) => row[at] ?? '');
const trained = select(false);
const vocab = new text.Vocab(text.tokenize([...column(trained, 1), ...column(trained, 2)]), {
  reservedTokens: ['<pad>'],
});
const loaderOf = (list: string[][], shuffle: boolean) => {
  const toIds = (lines: string[]) => text.tokenize(lines).map((words) => vocab.toIndices(words));
  const [premises, hypotheses] = [toIds(column(list, 1)), toIds(column(list, 2))];
  const labels = column(list, 0).map((name) => text.SNLI_CLASSES.indexOf(name as 'neutral'));
  const shape = { batchSize, numSteps: 10, padding: vocab.indexOf('<pad>') };
  return text.sentencePairLoader({ premises, hypotheses, labels }, { ...shape, shuffle, seed });
};

const device = await tryGpu();
const sizes = { vocabSize: vocab.size, embedSize: number('embed'), hidden: number('hidden') };
const net = new text.DecomposableAttention({ ...sizes, seed });
await train(net, loaderOf(trained, true), loaderOf(select(true), false), {
  ...{ numEpochs: number('epochs'), lr: number('lr'), optimizer: 'adam', seed, device },
  callbacks: [saveRun(String(values.out), {}, { overwrite: true })],
});
for (const [premise, hypothesis] of [
  ['a woman runs in the park', 'the person is outdoors'],
  ['a woman lies in bed', 'the person is outdoors'],
  ['a woman eats an apple', 'the person is outdoors'],
] as const) {
  const [first = [], second = []] = text.tokenize([premise, hypothesis]);
  console.log(`${premise} | ${hypothesis} => ${await d2l.predictSnli(net, vocab, first, second)}`);
}

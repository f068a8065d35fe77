/**
 * English to French with the Transformer, section 10.7 (en 11.7) of Dive into Deep Learning: learns
 * the sentences of english-french.txt by heart, and draws where each head looks:
 * npm run example examples/text/translation-transformer.ts -- --epochs 30
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { crossEntropy, saveRun, showHeatmaps, text, train, tryGpu } from 'deepend';

const DEFAULTS = {
  hidden: 64, // features of a token
  heads: 4,
  layers: 2,
  'batch-size': 64,
  lr: 0.003,
  epochs: 40,
  seed: 1,
  out: 'runs/translation-transformer',
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
const out = String(values.out);

const pairs = text.normalize(await text.readText(`${import.meta.dirname}/english-french.txt`));
const [source, target] = text.tokenizeNmt(pairs);
const reservedTokens = text.TRANSLATION_TOKENS;
const sourceVocab = new text.Vocab(source, { reservedTokens });
const targetVocab = new text.Vocab(target, { reservedTokens });
const data = { sourceVocab, targetVocab, numSteps: 7 }; // the longest sentence has six tokens
const loading = { ...data, batchSize: number('batch-size'), seed };
const trainIter = text.translationLoader(source, target, loading);

const [hidden, heads, layers] = [number('hidden'), number('heads'), number('layers')];
const sizes = { hidden, ffnHidden: 2 * hidden, heads, layers, seed };
const net = new text.EncoderDecoder(
  new text.TransformerEncoder({ vocabSize: sourceVocab.size, ...sizes }),
  new text.TransformerDecoder({ vocabSize: targetVocab.size, ...sizes }),
);
const loss = crossEntropy({ ignoreIndex: targetVocab.indexOf('<pad>') });
await train(net, trainIter, null, {
  numEpochs: number('epochs'),
  ...{ lr: number('lr'), optimizer: 'adam', clipNorm: 1, loss, seed, device: await tryGpu() },
  callbacks: [saveRun(out, {}, { overwrite: true })],
});

const SHOWN = { 'Go.': 'va !', 'I lost.': "j'ai perdu .", "He's calm.": 'il est calme .' };
for (const [english, french] of Object.entries({ ...SHOWN, "I'm home.": 'je suis chez moi .' })) {
  const found = await text.translate(net, english, { ...data, attention: true });
  console.log(`${english} => ${found.text}, bleu ${text.bleu(found.text, french).toFixed(3)}`);
  const looks = found.attention.filter(({ of }) => of === 'source'); // one for each block
  const weights = looks.map((attention) => attention.weights);
  const ticks = { xticks: found.sourceTokens, yticks: [...found.tokens, '<eos>'] };
  await showHeatmaps(weights, ticks).save(`${out}/attention.png`);
  writeFileSync(`${out}/attention.json`, JSON.stringify({ weights, ...ticks })); // the last stays
}

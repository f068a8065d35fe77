/**
 * The worker of the page that trains on text: trains a GRU on characters, then continues prompts.
 * The page shows what it prints and draws.
 */
import { Animator, nn, text, tf, train, tryGpu } from './standalone.js';

const HIDDEN = 128;
const MAX_TOKENS = 20_000; // of the text
const [batchSize, numSteps] = [16, 32];
const { searchParams } = new URL(self.location.href);
const numEpochs = Number(searchParams.get('epochs'));

/** The page's text, or that of the site. */
async function readText(own) {
  if (own !== '') return own;
  return (await fetch(new URL(searchParams.get('pages'), self.location.href))).text();
}

async function learn(own) {
  await tryGpu();
  const tokens = text
    .tokenizer('char')
    .tokenize(await readText(own))
    .slice(0, MAX_TOKENS);
  const vocab = new text.Vocab(tokens);
  const trainIter = text.sequenceLoader(text.toCorpus(tokens, vocab), { batchSize, numSteps });
  console.log(`${tokens.length} characters, ${vocab.size - 1} different ones`);
  const model = new text.LanguageModel({ vocabSize: vocab.size, hidden: HIDDEN, cell: 'gru' });
  const example = tf.zeros([batchSize, numSteps], 'int32');
  const net = nn.compile(model, example);
  example.dispose();
  const animator = new Animator({ xlabel: 'epoch', legend: ['perplexity'], yscale: 'log' });
  const draw = { onEpochEnd: ({ epoch, loss }) => animator.add(epoch, [Math.exp(loss)]) };
  const options = { lr: 2, clipNorm: 1, carryState: true, callbacks: [draw] };
  await train(net, trainIter, null, { numEpochs, ...options });
  return { model, vocab };
}

let learned;
self.onmessage = async ({ data }) => {
  try {
    if (data.text !== undefined) {
      learned = await learn(data.text);
      postMessage({ isTrained: true });
    } else if (learned) {
      const { model, vocab } = learned;
      const onToken = (token) => postMessage({ token });
      const sampling = { temperature: 0.5, seed: Date.now(), allowUnknown: true };
      await text.generate(model, data.prompt, { vocab, maxTokens: 300, ...sampling, onToken });
    }
  } catch (error) {
    postMessage({ fault: error.message });
  }
};

/** Language models from settings: what `deepend train --task language-model` trains. */
import { readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@deepend/core';
import { rank } from '@deepend/distributed';
import { loadModule } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as text from '@deepend/text';
import { bestCheckpoint, type Callback, restoreWeights } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Task } from './experiment';
import { runFile } from './run/layout';
import type { LanguageModelName, Settings } from './settings';

const WHERE = '[deepend] language model';
const NUM_STEPS = 35; // tokens, as in the book
/** The part of the text at its end that is not trained on. */
const TEST_FRACTION = 0.1;

export type LanguageModel = text.LanguageModel | text.GPT;

interface Row {
  readonly sampling: 'sequential' | 'random';
  /** Whether a state passes from batch to batch. */
  readonly carryState: boolean;
  readonly build: (vocabSize: number, settings: Settings) => LanguageModel;
}

const recurrent = (cell: 'rnn' | 'gru' | 'lstm'): Row => ({
  sampling: 'sequential',
  carryState: true,
  build: (vocabSize, { modelOptions, seed }) =>
    new text.LanguageModel({ vocabSize, hidden: 256, cell, seed, ...modelOptions }),
});

const ROWS: Record<LanguageModelName, Row> = {
  rnn: recurrent('rnn'),
  gru: recurrent('gru'),
  lstm: recurrent('lstm'),
  gpt: {
    sampling: 'random',
    carryState: false,
    build: (vocabSize, { modelOptions, seed, numSteps = NUM_STEPS }) => {
      const small = { layers: 4, heads: 4, hidden: 128, dropout: 0 };
      return new text.GPT({ vocabSize, blockSize: numSteps, ...small, seed, ...modelOptions });
    },
  },
};

const rowOf = ({ model }: Settings): Row => ROWS[model as LanguageModelName];

export const tokenizerOf = ({ tokenizer = 'char' }: Settings): text.Tokenizer =>
  text.tokenizer(tokenizer);

/** Reads the text, and makes its vocabulary, the loaders and the untrained model. */
export async function languageModelTask(
  settings: Settings,
  { out, resume }: { out: string; resume: boolean },
): Promise<Task> {
  const { data, batchSize, seed, numSteps = NUM_STEPS } = settings;
  const { sampling, carryState } = rowOf(settings);
  const tokens = tokenizerOf(settings).tokenize(await text.readText(data));
  const vocab = new text.Vocab(tokens);
  if (resume) await requireSameVocab(out, vocab);
  const corpus = text.toCorpus(tokens, vocab);
  const cut = corpus.length - Math.floor(TEST_FRACTION * corpus.length);
  const options = { batchSize, numSteps, seed, sampling };
  const test = corpus.slice(cut);
  const isLong = test.length > (batchSize + 1) * (numSteps + 1);
  if (!isLong && rank() === 0) {
    console.error(
      `deepend: the last tenth of ${data}, ${test.length} tokens, is shorter than a batch: all ` +
        'is trained on, nothing is evaluated',
    );
  }
  const example = tf.zeros([batchSize, numSteps], 'int32');
  const model = nn.compile(rowOf(settings).build(vocab.size, settings), example);
  example.dispose();
  return {
    model,
    trainIter: text.sequenceLoader(isLong ? corpus.slice(0, cut) : corpus, options),
    testIter: isLong ? text.sequenceLoader(test, { ...options, offset: 0 }) : null,
    options: { carryState },
    callbacks: [saveVocab(out, vocab)],
  };
}

/** Writes the vocabulary into the run's folder, which generation needs. */
const saveVocab = (out: string, vocab: text.Vocab): Callback => ({
  onTrainBegin: async () => {
    if (rank() === 0)
      await writeFileAtomic(runFile(out, 'vocab'), `${JSON.stringify(vocab)}\n`, {
        where: WHERE,
        hint: 'free the disk or name another folder',
      });
  },
});

/** The vocabulary of a run. @throws Error when the file is missing or damaged */
export async function readVocab(dir: string): Promise<text.Vocab> {
  const file = runFile(dir, 'vocab');
  const json = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Error(
      `${file}: cannot be read (${error.message}); expected the vocabulary that ` +
        'deepend train --task language-model writes',
    );
  });
  return text.Vocab.fromJSON(json);
}

async function requireSameVocab(dir: string, vocab: text.Vocab): Promise<void> {
  const before = await readVocab(dir).catch(() => undefined); // not yet written: no step was made
  if (!before || JSON.stringify(before) === JSON.stringify(vocab)) return;
  throw new Error(
    `${dir}: expected the text that the run was started with, got one of another vocabulary ` +
      `(${before.size} tokens before, ${vocab.size} now); start a new run in another folder`,
  );
}

/**
 * The model of a run: the final one, else that of its best or newest checkpoint. The caller
 * disposes it.
 * @throws Error when the run has saved neither
 */
export async function loadLanguageModel(dir: string, settings: Settings): Promise<LanguageModel> {
  const { LanguageModel: Recurrent, GPT } = text;
  const isSaved = await readFile(`${runFile(dir, 'model')}/model.json`).then(
    () => true,
    () => false,
  );
  if (isSaved)
    return loadModule(runFile(dir, 'model'), {
      LanguageModel: Recurrent,
      GPT,
    }) as Promise<LanguageModel>;
  const found = await bestCheckpoint(dir);
  if (!found) {
    throw new Error(
      `${dir}: the run has saved neither a model nor a checkpoint yet; ` +
        `npx deepend resume ${dir} continues it`,
    );
  }
  const model = rowOf(settings).build((await readVocab(dir)).size, settings);
  restoreWeights(model, found.checkpoint, {
    ema: true, // a run with an EMA evaluates it
    where: 'the checkpoint belongs to another model than config.json',
  });
  return model;
}

/** The Time Machine by H. G. Wells: the corpus of the book's language models. */
import {
  type SequenceLoader,
  type SequenceLoaderOptions,
  sequenceLoader,
} from '../loading/sequences';
import { readLines } from '../reading';
import { tokenize } from '../tokenizers';
import { toCorpus, Vocab } from '../vocab';
import { type FileOptions, plainFile, splitOptions } from './files';

/**
 * Reads the lines of The Time Machine: lower case, with a space in place of all that are no letters
 * from a to z (the book's `read_time_machine`, zh 8.2).
 */
export async function readTimeMachine(options: FileOptions = {}): Promise<string[]> {
  const lines = await readLines(await plainFile('time_machine', options));
  return lines.map((line) =>
    line
      .replace(/[^A-Za-z]+/g, ' ')
      .trim()
      .toLowerCase(),
  );
}

export interface CorpusOptions extends FileOptions {
  /** Tokens of the corpus. @default 'char' */
  token?: 'char' | 'word';
  /** Tokens to take from the start. @default all */
  maxTokens?: number;
}

/**
 * Reads The Time Machine as indices: 170,580 characters of 28 kinds with the unknown one, or
 * 32,775 words.
 */
export async function loadCorpusTimeMachine(
  options: CorpusOptions = {},
): Promise<[corpus: Int32Array, vocab: Vocab]> {
  const { files, rest } = splitOptions(options);
  const { token = 'char', maxTokens } = rest;
  const tokens = tokenize(await readTimeMachine(files), token);
  const vocab = new Vocab(tokens);
  return [toCorpus(tokens, vocab).slice(0, maxTokens), vocab];
}

export interface TimeMachineOptions
  extends CorpusOptions,
    Omit<SequenceLoaderOptions, 'batchSize' | 'numSteps'> {}

/**
 * Loads The Time Machine for a language model (the book's `load_data_time_machine`).
 * @param batchSize sequences in a batch
 * @param numSteps tokens in a sequence
 * @param options.maxTokens @default 10000
 * @returns the loader and the vocabulary
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 * @example const [trainIter, vocab] = await loadTimeMachine(32, 35);
 */
export async function loadTimeMachine(
  batchSize: number,
  numSteps: number,
  options: TimeMachineOptions = {},
): Promise<[loader: SequenceLoader, vocab: Vocab]> {
  const { files, rest } = splitOptions(options);
  const { token = 'char', maxTokens = 10_000, ...sampling } = rest;
  const [corpus, vocab] = await loadCorpusTimeMachine({ ...files, token, maxTokens });
  return [sequenceLoader(corpus, { ...sampling, batchSize, numSteps }), vocab];
}

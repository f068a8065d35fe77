/**
 * The data classes of the book's text chapters. What the English edition's classes download in
 * their constructors, `load` downloads here.
 */
import { DATA_HUB, type DownloadOptions, download } from '@deepend/data';
import {
  type FileOptions,
  loadTimeMachine,
  normalize,
  readFrenchEnglish,
  readText,
  type SequenceLoader,
  sequenceLoader,
  toCorpus,
  tokenizeNmt,
  translationLoader,
  truncatePad,
  Vocab,
} from '@deepend/text';

/**
 * Chinese edition, section 4.10: downloads every file of `DATA_HUB`, several GB.
 * @returns the files' paths
 */
export async function downloadAll(options: DownloadOptions = {}): Promise<string[]> {
  const files: string[] = [];
  for (const name of Object.keys(DATA_HUB)) files.push(await download(name, options));
  return files;
}

/** Chinese edition, section 8.3: a loader of The Time Machine with its corpus's vocabulary. */
export class SeqDataLoader {
  readonly vocab: Vocab;
  readonly #loader: SequenceLoader;

  private constructor(loader: SequenceLoader, vocab: Vocab) {
    this.#loader = loader;
    this.vocab = vocab;
  }

  /** @param maxTokens tokens to take from the start of the corpus */
  static async load(
    batchSize: number,
    numSteps: number,
    ...[useRandomIter, maxTokens, files = {}]: [
      useRandomIter: boolean,
      maxTokens: number,
      files?: FileOptions,
    ]
  ): Promise<SeqDataLoader> {
    const sampling = useRandomIter ? 'random' : 'sequential';
    const options = { ...files, sampling, maxTokens } as const;
    return new this(...(await loadTimeMachine(batchSize, numSteps, options)));
  }

  [Symbol.asyncIterator]() {
    return this.#loader[Symbol.asyncIterator]();
  }
}

/** How many samples are for training and for validation. */
interface Sizes {
  /** @default 10000, or 512 pairs */
  numTrain?: number;
  /** @default 5000, or 128 pairs */
  numVal?: number;
}

/**
 * English edition, section 9.2: The Time Machine by characters, every window of `numSteps`. Only
 * full batches are loaded.
 */
export class TimeMachine {
  readonly vocab: Vocab;
  readonly corpus: Int32Array;
  readonly #sizes: { batchSize: number; numSteps: number } & Required<Sizes>;

  /** @param rawText the book */
  constructor(rawText: string, batchSize: number, ...[numSteps, sizes = {}]: [number, Sizes?]) {
    const { numTrain = 10_000, numVal = 5000 } = sizes;
    this.#sizes = { batchSize, numSteps, numTrain, numVal };
    [this.corpus, this.vocab] = this.build(rawText);
  }

  static async load(
    batchSize: number,
    numSteps: number,
    { numTrain, numVal, ...files }: Sizes & FileOptions = {},
  ): Promise<TimeMachine> {
    const rawText = await readText(await download('time_machine', files));
    const sizes = { ...(numTrain && { numTrain }), ...(numVal && { numVal }) };
    return new this(rawText, batchSize, numSteps, sizes);
  }

  /** A string as indices; by the vocabulary of its own characters, if none is given. */
  build(rawText: string, vocab?: Vocab): [corpus: Int32Array, vocab: Vocab] {
    const characters = Array.from(rawText.replace(/[^A-Za-z]+/g, ' ').toLowerCase());
    const found = vocab ?? new Vocab(characters, { order: 'codePoint' });
    return [toCorpus(characters, found), found];
  }

  trainDataloader(): SequenceLoader {
    const { numTrain } = this.#sizes;
    return this.#windows(0, numTrain);
  }

  valDataloader(): SequenceLoader {
    const { numTrain, numVal } = this.#sizes;
    return this.#windows(numTrain, numVal);
  }

  #windows(start: number, count: number): SequenceLoader {
    const { batchSize, numSteps } = this.#sizes;
    const part = this.corpus.subarray(start, start + count + numSteps);
    return sequenceLoader(part, { batchSize, numSteps, sampling: 'windows' });
  }
}

/** English edition, section 10.5: English sentences and their French translations. */
export class MTFraEng {
  readonly srcVocab: Vocab;
  readonly tgtVocab: Vocab;
  readonly #pairs: readonly [source: string[][], target: string[][]];
  readonly #sizes: { batchSize: number; numSteps: number } & Required<Sizes>;

  /** @param rawText a line for each pair, with a tab between the sentences */
  constructor(
    rawText: string,
    batchSize: number,
    ...[numSteps = 9, sizes = {}]: [number?, Sizes?]
  ) {
    const { numTrain = 512, numVal = 128 } = sizes;
    this.#sizes = { batchSize, numSteps, numTrain, numVal };
    const pairs = tokenizeNmt(normalize(rawText), numTrain + numVal);
    const withoutBlanks = (sentences: string[][]) =>
      sentences.map((tokens) => tokens.filter((token) => token !== ''));
    this.#pairs = [withoutBlanks(pairs[0]), withoutBlanks(pairs[1])];
    const [source, target] = this.#pairs;
    this.srcVocab = this.#vocabOf(source);
    this.tgtVocab = this.#vocabOf(
      target.map((tokens) => tokens),
      ['<bos>'],
    );
  }

  static async load(
    batchSize: number,
    numSteps = 9,
    { numTrain, numVal, ...files }: Sizes & FileOptions = {},
  ): Promise<MTFraEng> {
    const sizes = { ...(numTrain && { numTrain }), ...(numVal && { numVal }) };
    return new this(await readFrenchEnglish(files), batchSize, numSteps, sizes);
  }

  /** The tokens that appear twice or more among the first `numSteps` of the sentences. */
  #vocabOf(sentences: readonly string[][], more: readonly string[] = []): Vocab {
    const { numSteps } = this.#sizes;
    const padded = sentences.map((tokens) => [
      ...more,
      ...truncatePad([...tokens, '<eos>'], numSteps, '<pad>'),
    ]);
    const reservedTokens = ['<pad>', '<eos>', ...more];
    return new Vocab(padded, { minFreq: 2, reservedTokens, order: 'codePoint' });
  }

  trainDataloader() {
    return this.#loader(true);
  }

  valDataloader() {
    return this.#loader(false);
  }

  #loader(train: boolean) {
    const { batchSize, numSteps, numTrain } = this.#sizes;
    const [source, target] = this.#pairs.map((sentences) =>
      train ? sentences.slice(0, numTrain) : sentences.slice(numTrain),
    ) as [string[][], string[][]];
    const { srcVocab: sourceVocab, tgtVocab: targetVocab } = this;
    const options = { batchSize, numSteps, sourceVocab, targetVocab, shuffle: train };
    return translationLoader(source, target, options);
  }
}

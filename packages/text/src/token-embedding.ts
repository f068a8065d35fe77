/** Word vectors: the book's `TokenEmbedding`, with similar tokens and analogies. */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { DATA_HUB } from '@deepend/data';
import { Embedding } from '@deepend/nn';
import { type Tensor2D, tensor2d } from '@tensorflow/tfjs-core';
import { type FileOptions, fileOf } from './datasets/files';
import { readVectors } from './vector-file';
import type { Vocab } from './vocab';

const WHERE = '[text] TokenEmbedding';

/** A token, and the cosine of the angle between its vector and the one that was asked for. */
export interface SimilarToken {
  readonly token: string;
  /** From −1 to 1. */
  readonly similarity: number;
}

export interface AnalogyOptions {
  /** Tokens to return. @default 1 */
  k?: number;
  /** Whether the three tokens of the question may be the answer, as in the book. @default false */
  allowInputs?: boolean;
}

export interface ToEmbeddingOptions {
  /** The rows: one for each token of a vocabulary. @default the tokens of the vectors */
  vocab?: Vocab;
  /** Whether training changes the vectors. @default false */
  trainable?: boolean;
}

const ANALOGY = rule.object({
  k: rule.positiveInteger().optional(),
  allowInputs: rule.boolean().optional(),
});
const TO_EMBEDDING = rule.object({
  vocab: rule
    .custom<Vocab>((value) => Array.isArray((value as Vocab)?.idxToToken), 'a Vocab')
    .optional(),
  trainable: rule.boolean().optional(),
});

/**
 * Vectors of tokens. The unknown token is at index 0 with a vector of zeros.
 * The book's `TokenEmbedding`: d2l 15.7, zh 14.7.
 *
 * @example
 * const glove = await TokenEmbedding.load('glove.6b.50d');
 * glove.similar('chip', 3); // chips, intel, electronics
 * glove.analogy('man', 'woman', 'son'); // daughter
 */
export class TokenEmbedding {
  readonly idxToToken: readonly string[];
  readonly tokenToIdx: ReadonlyMap<string, number>;
  /** Numbers in a vector. */
  readonly dim: number;
  readonly #values: Float32Array;
  #lengths: Float64Array | undefined;

  /**
   * @param tokens without the unknown one; of a token that is there twice, the last vector counts
   * @param values float32, the vectors one after the other
   * @throws RangeError when the numbers do not make a vector for each token
   */
  constructor(tokens: readonly string[], values: Float32Array) {
    const dim = values?.length / tokens?.length;
    if (!Number.isInteger(dim) || dim < 1) {
      throw new RangeError(
        `${WHERE}: expected a vector for each token, got ${formatValue(values?.length)} numbers ` +
          `for ${formatValue(tokens?.length)} tokens`,
      );
    }
    this.dim = dim;
    this.idxToToken = ['<unk>', ...tokens];
    this.tokenToIdx = new Map(this.idxToToken.map((token, index) => [token, index]));
    this.#values = new Float32Array((tokens.length + 1) * dim);
    this.#values.set(values, dim);
  }

  /**
   * Loads vectors: by the book's name (`glove.6b.50d`, `glove.6b.100d`, `glove.42b.300d`,
   * `wiki.en`), which are downloaded once; or from a file with a token and its numbers in each
   * line, or a folder that has it as `vec.txt`.
   * @throws DataError for a file that cannot be read or downloaded, and for the first bad line
   */
  static load(nameOrFile: string, options: FileOptions = {}): Promise<TokenEmbedding> {
    return loadEmbedding(nameOrFile, options);
  }

  /** Number of tokens, the unknown one included. */
  get size(): number {
    return this.idxToToken.length;
  }

  /** The vectors of tokens, float32 `[tokens, dim]`; zeros for unknown ones. You dispose them. */
  vectors(tokens: readonly string[]): Tensor2D {
    const rows = new Float32Array(tokens.length * this.dim);
    tokens.forEach((token, i) => {
      rows.set(this.#row(this.tokenToIdx.get(token) ?? 0), i * this.dim);
    });
    return tensor2d(rows, [tokens.length, this.dim]);
  }

  /**
   * The tokens whose vectors point most nearly in the direction of a token's, best first, without
   * the token itself.
   * @throws RangeError for an unknown token, or `k` below 1
   */
  similar(token: string, k = 3): SimilarToken[] {
    checkCount(k);
    const index = this.#indexOf(token);
    return this.#nearest(this.#row(index), k, new Set([index]));
  }

  /**
   * Answers "`a` is to `b` as `c` is to …": the tokens near `b − a + c`, best first.
   * @throws RangeError for an unknown token
   */
  analogy(a: string, b: string, c: string, options: AnalogyOptions = {}): SimilarToken[] {
    const { k = 1, allowInputs = false } = checkOptions(`${WHERE}.analogy`, ANALOGY, options);
    const indices = [a, b, c].map((token) => this.#indexOf(token));
    const [first, second, third] = indices.map((index) => this.#row(index)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const wanted = first.map((value, i) => (second[i] as number) - value + (third[i] as number));
    return this.#nearest(wanted, k, new Set(allowInputs ? [] : indices));
  }

  /**
   * An embedding with these vectors; tokens of the vocabulary without a vector get zeros.
   * @example const embedding = glove.toEmbedding({ vocab, trainable: true });
   */
  toEmbedding(options: ToEmbeddingOptions = {}): Embedding {
    const checked = checkOptions(`${WHERE}.toEmbedding`, TO_EMBEDDING, options);
    const tokens = checked.vocab?.idxToToken ?? this.idxToToken;
    const vectors = this.vectors(tokens);
    try {
      return Embedding.fromPretrained(vectors, { freeze: !(checked.trainable ?? false) });
    } finally {
      vectors.dispose();
    }
  }

  #row(index: number): Float32Array {
    return this.#values.subarray(index * this.dim, (index + 1) * this.dim);
  }

  #indexOf(token: string): number {
    const index = this.tokenToIdx.get(token);
    if (index !== undefined && index > 0) return index;
    throw new RangeError(
      `${WHERE}: expected a token with a vector, got ${formatValue(token)}; these vectors have ` +
        `${this.size - 1} tokens, often only in lower case`,
    );
  }

  /** The `k` rows with the largest cosine; the unknown token is none of them. */
  #nearest(wanted: Float32Array, k: number, leftOut: ReadonlySet<number>): SimilarToken[] {
    const { dim } = this;
    const values = this.#values;
    this.#lengths ??= Float64Array.from(this.idxToToken, (_, i) => lengthOf(this.#row(i)));
    const length = Math.sqrt(wanted.reduce((sum, value) => sum + value * value, 0));
    const best: { index: number; similarity: number }[] = [];
    for (let index = 1; index < this.size; index++) {
      if (leftOut.has(index)) continue;
      let product = 0;
      for (let i = 0; i < dim; i++)
        product += (values[index * dim + i] as number) * (wanted[i] as number);
      const similarity = product / ((this.#lengths[index] as number) * (length || 1));
      if (best.length === k && similarity <= (best[k - 1]?.similarity as number)) continue;
      const place = best.findIndex((other) => other.similarity < similarity);
      best.splice(place < 0 ? best.length : place, 0, { index, similarity });
      best.length = Math.min(best.length, k);
    }
    return best.map(({ index, similarity }) => ({
      token: this.idxToToken[index] as string,
      similarity,
    }));
  }
}

/** As the book's: never 0. */
const lengthOf = (row: Float32Array) =>
  Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) + 1e-9);

function checkCount(k: number): void {
  if (Number.isInteger(k) && k >= 1) return;
  throw new RangeError(`${WHERE}.similar: expected at least 1 token, got ${formatValue(k)}`);
}

// A function of its own, because the bundler renames a class that refers to itself.
async function loadEmbedding(nameOrFile: string, options: FileOptions): Promise<TokenEmbedding> {
  const isKnown = Object.hasOwn(DATA_HUB, nameOrFile);
  const place = isKnown ? await fileOf(nameOrFile, 'vec.txt', options) : nameOrFile;
  const isFolder = (await stat(place).catch(() => undefined))?.isDirectory();
  const { tokens, values } = await readVectors(isFolder ? path.join(place, 'vec.txt') : place);
  return new TokenEmbedding(tokens, values);
}

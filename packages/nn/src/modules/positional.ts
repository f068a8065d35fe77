/** Positions of sequences by sines and cosines. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { Module } from '../module';
import { dropped } from './activation';
import { checkInput, checkSize, shown } from './checks';
import { given } from './seeded';

export interface PositionalEncodingOptions {
  /** Probability of an element of the sum to be zeroed in training. @default 0 */
  dropout?: number;
  /** The longest sequence. @default 1000 */
  maxLen?: number;
}

const positionalRules = rule.object({
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  maxLen: rule.positiveInteger().optional(),
});

/**
 * Adds sines and cosines of each position: number 2j of position i gets sin(i / 10000^(2j/hidden)),
 * number 2j + 1 the cosine. Vaswani et al. 2017, https://arxiv.org/abs/1706.03762. It has no
 * parameters.
 * @example
 * const encoding = new nn.PositionalEncoding(32, { dropout: 0.1 });
 * encoding.forward(tf.zeros([2, 60, 32])); // [2, 60, 32]
 */
export class PositionalEncoding extends Module {
  readonly hidden: number;
  readonly maxLen: number;
  readonly dropout: number;
  readonly #options: PositionalEncodingOptions;
  #table: Float32Array | undefined; // [maxLen, hidden]

  constructor(hidden: number, options: PositionalEncodingOptions = {}) {
    super();
    checkSize('[nn] PositionalEncoding', 'hidden', hidden);
    const checked = checkOptions('[nn] PositionalEncoding', positionalRules, options);
    this.#options = checked;
    this.hidden = hidden;
    this.maxLen = checked.maxLen ?? 1000;
    this.dropout = checked.dropout ?? 0;
  }

  override config() {
    return [this.hidden, given(this.#options)];
  }

  /**
   * @param x `[batch, time, hidden]`
   * @param offset the position of the first time step @default 0
   * @returns the shape of x
   * @throws RangeError for another number of features, or more positions than `maxLen`
   */
  override forward(x: tf.Tensor, offset = 0): tf.Tensor {
    const where = `[nn] ${this.name}`;
    checkInput(where, x, { axes: ['batch', 'time', 'features'], last: this.hidden });
    const [, time = 0] = x.shape;
    if (!Number.isInteger(offset) || offset < 0)
      throw new RangeError(`${where}: the offset must be an integer of at least 0, got ${offset}`);
    if (offset + time > this.maxLen) {
      throw new RangeError(
        `${where}: expected at most ${this.maxLen} positions, got ${shown(x)} from position ` +
          `${formatValue(offset)}; build the module with a larger "maxLen"`,
      );
    }
    this.#table ??= positions(this.maxLen, this.hidden);
    const part = this.#table.slice(offset * this.hidden, (offset + time) * this.hidden);
    return tf.tidy(() => {
      const sum = tf.add(x, tf.tensor(part, [1, time, this.hidden]));
      return dropped(sum, this.training ? this.dropout : 0);
    });
  }
}

/** `[length, hidden]` */
function positions(length: number, hidden: number): Float32Array {
  const table = new Float32Array(length * hidden);
  for (let i = 0; i < length; i++) {
    for (let j = 0; j < hidden; j++) {
      const angle = i / 10000 ** ((j - (j % 2)) / hidden);
      table[i * hidden + j] = j % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  }
  return table;
}

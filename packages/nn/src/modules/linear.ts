import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { embedding, linear } from '../functional/index';
import * as init from '../init';
import { Module } from '../module';
import { parameter } from '../parameter';
import { isTensor } from '../weight-traits';
import { checkLastAxis, checkSize, checkTensor, shown } from './checks';
import { given, seeded, type WeightOptions, weightRules } from './seeded';

export interface LinearOptions extends WeightOptions {
  /** Whether it adds a bias. @default true */
  bias?: boolean;
}

const linearRules = rule.object({ bias: rule.boolean().optional(), ...weightRules });

/**
 * `x·weightᵀ + bias` over the last axis: `[..., inFeatures]` → `[..., outFeatures]`.
 * `torch.nn.Linear`: `weight` `[outFeatures, inFeatures]` and `bias` `[outFeatures]`, both uniform
 * within ±1/√inFeatures at first.
 * @throws RangeError for inputs with another last axis
 * @example
 * const layer = new nn.Linear(128, 10);
 * layer.forward(tf.zeros([32, 128])).shape; // [32, 10]
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  weight: tf.Variable;
  bias: tf.Variable | null;
  readonly #options: LinearOptions;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkSize('[nn] Linear', 'inFeatures', inFeatures);
    checkSize('[nn] Linear', 'outFeatures', outFeatures);
    const checked = checkOptions('[nn] Linear', linearRules, options);
    this.#options = options;
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    [this.weight, this.bias] = seeded(checked.seed, () => {
      const weight = parameter([outFeatures, inFeatures], {
        init: checked.init ?? 'kaiming-uniform',
      });
      return [weight, checked.bias === false ? null : biasWithin(outFeatures, inFeatures)];
    });
  }

  override config() {
    return [this.inFeatures, this.outFeatures, given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkLastAxis(`[nn] ${this.name}`, x, this.inFeatures);
    const bias = this.bias as tf.Tensor1D | null;
    return linear(x, this.weight as tf.Tensor2D, bias ?? undefined);
  }
}

/** PyTorch's bias of linear layers and convolutions: uniform within ±1/√fanIn. */
export function biasWithin(size: number, fanIn: number): tf.Variable {
  const bound = 1 / Math.sqrt(fanIn);
  return parameter([size], { init: init.uniform({ low: -bound, high: bound }) });
}

export interface EmbeddingOptions extends WeightOptions {
  /**
   * An id whose row is 0 at first and never learns, such as the padding's.
   * @default null, none
   */
  paddingIdx?: number | null;
}

export interface PretrainedOptions extends EmbeddingOptions {
  /** Whether training leaves the vectors as they are. @default true */
  freeze?: boolean;
}

const embeddingRules = rule.object({
  paddingIdx: rule
    .either(
      rule.integer(),
      rule.custom<null>((v) => v === null, 'null'),
      'an integer or null',
    )
    .optional(),
  ...weightRules,
});

/**
 * Rows of a table by integer ids: int32 `[...]` → `[..., embeddingDim]`. `torch.nn.Embedding`:
 * `weight` `[numEmbeddings, embeddingDim]`, standard normal at first.
 * @throws TypeError for ids that are not int32; RangeError for an id outside the table
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  weight: tf.Variable;
  readonly #options: EmbeddingOptions;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingOptions = {}) {
    super();
    const where = '[nn] Embedding';
    checkSize(where, 'numEmbeddings', numEmbeddings);
    checkSize(where, 'embeddingDim', embeddingDim);
    const {
      paddingIdx,
      init: values = 'normal',
      seed,
    } = checkOptions(where, embeddingRules, options);
    this.#options = options;
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingRow(where, paddingIdx ?? null, numEmbeddings);
    this.weight = seeded(seed, () => parameter([numEmbeddings, embeddingDim], { init: values }));
    const row = this.paddingIdx;
    if (row !== null) {
      tf.tidy(() => this.weight.assign(tf.mul(this.weight, rowMask(numEmbeddings, row))));
    }
  }

  /**
   * An embedding with given vectors `[num, dim]`. The tensor is copied; you still dispose it.
   * @throws RangeError for anything but a tensor of rank 2
   */
  static fromPretrained(vectors: tf.Tensor, options: PretrainedOptions = {}): Embedding {
    return pretrainedEmbedding(vectors, options);
  }

  override config() {
    return [this.numEmbeddings, this.embeddingDim, given(this.#options)];
  }

  override forward(ids: tf.Tensor): tf.Tensor {
    const where = `[nn] ${this.name}`;
    checkTensor(where, ids, 'a tensor of ids');
    if (ids.dtype !== 'int32') {
      throw new TypeError(
        `${where}: expected integer ids (int32), got a ${ids.dtype} tensor ${shown(ids)}; make ` +
          "them by tf.tensor(ids, shape, 'int32'), or tf.cast(ids, 'int32') if they are integers",
      );
    }
    const weight = this.weight as tf.Tensor2D;
    return embedding(ids, weight, { paddingIdx: this.paddingIdx ?? undefined });
  }
}

/** `[num, 1]`: 0 for one row and 1 for the others. */
const rowMask = (num: number, row: number) =>
  tf.sub(1, tf.expandDims(tf.oneHot(tf.scalar(row, 'int32'), num) as tf.Tensor1D, 1));

function paddingRow(where: string, index: number | null, num: number): number | null {
  if (index === null) return null;
  const row = index < 0 ? index + num : index;
  if (row >= 0 && row < num) return row;
  throw new RangeError(
    `${where}: option "paddingIdx" must be an id from ${-num} to ${num - 1}, got ${index}`,
  );
}

// A function of its own, because the bundler renames a class that refers to itself, and models are
// saved with the names of their classes.
function pretrainedEmbedding(
  vectors: tf.Tensor,
  { freeze = true, ...options }: PretrainedOptions,
): Embedding {
  const [num, dim] = isTensor(vectors) && vectors.rank === 2 ? vectors.shape : [];
  if (num === undefined || dim === undefined) {
    throw new RangeError(
      `[nn] Embedding.fromPretrained: expected a tensor [num, dim], got ${shown(vectors)}`,
    );
  }
  const module = new Embedding(num, dim, { ...options, init: 'zeros' });
  module.loadStateDict({ weight: vectors });
  module.weight.trainable = !freeze;
  return module;
}

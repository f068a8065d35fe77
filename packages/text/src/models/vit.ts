/** The Vision Transformer, the book's en 11.8. Dosovitskiy et al. 2020. */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { attentionOf, type BlockOptions } from './transformer-blocks';

export interface ViTOptions extends BlockOptions {
  /**
   * Height and width of the images.
   * @example 96
   */
  imageSize: number;
  /**
   * Height and width of a patch, a divisor of `imageSize`.
   * @example 16
   */
  patchSize: number;
  /** Channels of the images. @default 1 */
  channels?: number;
  /** Number of blocks. @default 2 */
  layers?: number;
  /** Probability of zeroing behind the embedding. @default 0.1 */
  embDropout?: number;
  /** Number of classes. @default 10 */
  numClasses?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const vitRules = rule.object({
  imageSize: rule.positiveInteger(),
  patchSize: rule.positiveInteger(),
  hidden: rule.positiveInteger(),
  ffnHidden: rule.positiveInteger(),
  heads: rule.positiveInteger(),
  channels: rule.positiveInteger().optional(),
  layers: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  embDropout: rule.number({ min: 0, max: 1 }).optional(),
  bias: rule.boolean().optional(),
  numClasses: rule.positiveInteger().optional(),
  seed: rule.seed().optional(),
});

export interface PatchEmbeddingOptions {
  /**
   * Features of each patch.
   * @example 512
   */
  hidden: number;
  /** Channels of the images. @default 1 */
  channels?: number;
}

/**
 * Patches of images as vectors, by a convolution: `[batch, height, width, channels]` → `[batch, n,
 * hidden]`.
 */
export class PatchEmbedding extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly numPatches: number;
  readonly #arguments: readonly [number, number, number, number];

  /** @throws RangeError when a patch's size does not divide the image's */
  constructor(
    imageSize: number,
    patchSize: number,
    { hidden, channels = 1 }: PatchEmbeddingOptions,
  ) {
    super();
    if (imageSize % patchSize !== 0) {
      throw new RangeError(
        `[text] PatchEmbedding: the patch size must divide the image size ${imageSize}, got ` +
          `${patchSize}`,
      );
    }
    this.#arguments = [imageSize, patchSize, hidden, channels];
    this.numPatches = (imageSize / patchSize) ** 2;
    this.conv = new nn.Conv2d(channels, hidden, patchSize, { stride: patchSize });
  }

  override config() {
    const [imageSize, patchSize, hidden, channels] = this.#arguments;
    return [imageSize, patchSize, { hidden, channels }];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const y = this.conv.forward(x);
      return tf.reshape(y, [y.shape[0] as number, -1, y.shape[3] as number]);
    });
  }
}

/** Linear, GELU, dropout, linear, dropout. Parameters `dense1`, `dense2`. */
class ViTMLP extends nn.Module {
  readonly dense1: nn.Linear;
  readonly dense2: nn.Linear;
  readonly dropout: nn.Dropout;

  constructor(hidden: number, wide: number, dropout: number) {
    super();
    this.dense1 = new nn.Linear(hidden, wide);
    this.dense2 = new nn.Linear(wide, hidden);
    this.dropout = new nn.Dropout(dropout);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const wide = nn.functional.gelu(this.dense1.forward(x));
      return this.dropout.forward(this.dense2.forward(this.dropout.forward(wide)));
    });
  }
}

/** Attention and an MLP, each behind a layer normalization. */
class ViTBlock extends nn.Module {
  readonly ln1: nn.LayerNorm;
  readonly attention: nn.MultiheadAttention;
  readonly ln2: nn.LayerNorm;
  readonly mlp: ViTMLP;

  constructor(options: BlockOptions) {
    super();
    const { hidden, ffnHidden, dropout = 0 } = options;
    this.ln1 = new nn.LayerNorm(hidden);
    this.attention = attentionOf(options);
    this.ln2 = new nn.LayerNorm(hidden);
    this.mlp = new ViTMLP(hidden, ffnHidden, dropout);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const y = this.ln1.forward(x);
      const z = tf.add(x, this.attention.forward(y, y, y)[0]);
      return tf.add(z, this.mlp.forward(this.ln2.forward(z)));
    });
  }
}

/**
 * A Transformer over the patches of an image, and a class from the first position. Parameters
 * `cls_token`, `pos_embedding`, `patch_embedding.conv`, `blks.0.ln1`, ..., `head.0`, `head.1`.
 * @example
 * const net = new ViT({
 *   ...{ imageSize: 96, patchSize: 16, hidden: 512, ffnHidden: 2048, heads: 8, layers: 2 },
 *   dropout: 0.1,
 * });
 */
export class ViT extends nn.Module {
  cls_token: tf.Variable;
  pos_embedding: tf.Variable;
  readonly patch_embedding: PatchEmbedding;
  readonly dropout: nn.Dropout;
  readonly blks: ViTBlock[];
  readonly head: nn.Sequential;
  readonly #options: ViTOptions;

  constructor(options: ViTOptions) {
    super();
    const checked = checkOptions('[text] ViT', vitRules, options);
    const { imageSize, patchSize, hidden, ffnHidden, heads, layers = 2, channels = 1 } = checked;
    const { dropout = 0.1, embDropout = 0.1, bias = false, numClasses = 10, seed } = checked;
    this.#options = options;
    const make = () => {
      const patches = new PatchEmbedding(imageSize, patchSize, { hidden, channels });
      return {
        patches,
        cls: nn.parameter([1, 1, hidden], { init: 'zeros' }),
        positions: nn.parameter([1, patches.numPatches + 1, hidden], { init: 'normal' }),
        blocks: Array.from(
          { length: layers },
          () => new ViTBlock({ hidden, ffnHidden, heads, dropout, bias }),
        ),
        head: new nn.Sequential(new nn.LayerNorm(hidden), new nn.Linear(hidden, numClasses)),
      };
    };
    const made = withSeed(seed, make);
    this.cls_token = made.cls;
    this.pos_embedding = made.positions;
    this.patch_embedding = made.patches;
    this.dropout = new nn.Dropout(embDropout);
    this.blks = made.blocks;
    this.head = made.head;
  }

  override config() {
    return [this.#options];
  }

  /** Images `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
  override forward(images: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const patches = this.patch_embedding.forward(images); // [batch, n, hidden]
      const [batch = 0, , hidden = 0] = patches.shape;
      const cls = tf.broadcastTo(this.cls_token, [batch, 1, hidden]);
      const x = tf.add(tf.concat([cls, patches], 1), this.pos_embedding);
      const y = this.blks.reduce((z, block) => block.forward(z), this.dropout.forward(x));
      return this.head.forward(
        tf.reshape(tf.slice(y, [0, 0, 0], [batch, 1, hidden]), [batch, hidden]),
      );
    });
  }
}

/**
 * The Vision Transformer, Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, with timm's
 * architecture and names of weights.
 */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';

export interface ViTSpec {
  /** Height and width of a patch, a divisor of the image's. */
  readonly patchSize: number;
  /** Features of each patch. */
  readonly hidden: number;
  /** Number of blocks. */
  readonly layers: number;
  /** Heads of each attention, a divisor of `hidden`. */
  readonly heads: number;
  /** Features inside the MLP of each block. */
  readonly ffnHidden: number;
}

/** With the parameters for 224×224 pixels and 1,000 classes. */
export const VITS = {
  vit_s_16: { patchSize: 16, hidden: 384, layers: 12, heads: 6, ffnHidden: 1536 }, //    22.1 M
  vit_b_16: { patchSize: 16, hidden: 768, layers: 12, heads: 12, ffnHidden: 3072 }, //   86.6 M
} as const satisfies Record<string, ViTSpec>;

export type ViTName = keyof typeof VITS;

export interface VisionTransformerOptions {
  /** Height and width of the images. @default 224 */
  imageSize?: number;
  /** Channels of the images. @default 3 */
  channels?: number;
  /** Number of classes. @default 1000 */
  numClasses?: number;
  /**
   * Probability of zeroing behind the embedding, each attention and each layer of the MLPs.
   * @default 0
   */
  dropout?: number;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const WHERE = '[vision] VisionTransformer';
const optionRules = rule.object({
  imageSize: rule.positiveInteger().optional(),
  channels: rule.positiveInteger().optional(),
  numClasses: rule.positiveInteger().optional(),
  dropout: rule.fraction().optional(),
  seed: rule.seed().optional(),
});
const specRules = rule.object({
  patchSize: rule.positiveInteger(),
  hidden: rule.positiveInteger(),
  layers: rule.positiveInteger(),
  heads: rule.positiveInteger(),
  ffnHidden: rule.positiveInteger(),
});

const normal = () => nn.init.normal({ std: 0.02 });
const norm = (hidden: number) => new nn.LayerNorm(hidden, { epsilon: 1e-6 });

/** A linear layer with timm's initial values: normal, and zeros as bias. */
function linear(inputs: number, outputs: number): nn.Linear {
  const layer = new nn.Linear(inputs, outputs, { init: normal() });
  tf.tidy(() => layer.bias?.assign(tf.zeros([outputs])));
  return layer;
}

class PatchEmbed extends nn.Module {
  readonly proj: nn.Conv2d;

  constructor(channels: number, { patchSize, hidden }: ViTSpec) {
    super();
    this.proj = new nn.Conv2d(channels, hidden, patchSize, { stride: patchSize });
  }

  /** `[batch, height, width, channels]` → `[batch, patches, hidden]` */
  override forward(images: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const y = this.proj.forward(images); // [batch, rows, columns, hidden]
      return tf.reshape(y, [y.shape[0] as number, -1, y.shape[3] as number]);
    });
  }
}

class Attention extends nn.Module {
  readonly qkv: nn.Linear;
  readonly proj: nn.Linear;
  readonly proj_drop: nn.Dropout;
  readonly #heads: number;

  constructor({ hidden, heads }: ViTSpec, dropout: number) {
    super();
    this.#heads = heads;
    this.qkv = linear(hidden, 3 * hidden);
    this.proj = linear(hidden, hidden);
    this.proj_drop = new nn.Dropout(dropout);
  }

  /** `[batch, positions, hidden]` → the same */
  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const qkv = this.qkv.forward(x) as tf.Tensor3D; // [batch, positions, 3 · hidden]
      const attended = nn.functional.packedAttention(qkv, { heads: this.#heads });
      return this.proj_drop.forward(this.proj.forward(attended));
    });
  }
}

class Mlp extends nn.Module {
  readonly fc1: nn.Linear;
  readonly fc2: nn.Linear;
  readonly drop: nn.Dropout;

  constructor({ hidden, ffnHidden }: ViTSpec, dropout: number) {
    super();
    this.fc1 = linear(hidden, ffnHidden);
    this.fc2 = linear(ffnHidden, hidden);
    this.drop = new nn.Dropout(dropout);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const wide = this.drop.forward(nn.functional.gelu(this.fc1.forward(x)));
      return this.drop.forward(this.fc2.forward(wide));
    });
  }
}

/** Attention and an MLP, each behind a layer normalization and with a shortcut. */
class EncoderBlock extends nn.Module {
  readonly norm1: nn.LayerNorm;
  readonly attn: Attention;
  readonly norm2: nn.LayerNorm;
  readonly mlp: Mlp;

  constructor(spec: ViTSpec, dropout: number) {
    super();
    this.norm1 = norm(spec.hidden);
    this.attn = new Attention(spec, dropout);
    this.norm2 = norm(spec.hidden);
    this.mlp = new Mlp(spec, dropout);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const y = tf.add(x, this.attn.forward(this.norm1.forward(x)));
      return tf.add(y, this.mlp.forward(this.norm2.forward(y)));
    });
  }
}

/** The number of patches. @throws RangeError when sizes do not divide one another */
function checkedPatches({ patchSize, hidden, heads }: ViTSpec, imageSize: number): number {
  if (imageSize % patchSize !== 0) {
    throw new RangeError(
      `${WHERE}: expected an imageSize that patches of ${patchSize} pixels divide, got ` +
        `${imageSize}; take ${Math.ceil(imageSize / patchSize) * patchSize}`,
    );
  }
  if (hidden % heads !== 0) {
    throw new RangeError(
      `${WHERE}: expected a number of heads that divides hidden ${hidden}, got ${heads}`,
    );
  }
  return (imageSize / patchSize) ** 2;
}

/**
 * A Transformer over the patches of an image and a class token. Parameters, by timm's names:
 * `cls_token`, `pos_embed`, `patch_embed.proj`, `blocks.0.norm1`, `blocks.0.attn.qkv`, ..., `norm`,
 * `head`. `loadWeights` reads what `convert-timm.py` makes of timm's `vit_small_patch16_224`.
 * @param design a name of `VITS`, or sizes of your own
 * @throws RangeError for an unknown name, and when the sizes do not fit
 * @example
 * const net = new VisionTransformer('vit_s_16', { numClasses: 10, seed: 1 });
 */
export class VisionTransformer extends nn.Module {
  cls_token: tf.Variable;
  pos_embed: tf.Variable;
  readonly patch_embed: PatchEmbed;
  readonly pos_drop: nn.Dropout;
  readonly blocks: EncoderBlock[];
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear;
  readonly #arguments: readonly [ViTName | ViTSpec, VisionTransformerOptions];

  constructor(design: ViTName | ViTSpec, options: VisionTransformerOptions = {}) {
    super();
    const checked = checkOptions(WHERE, optionRules, options);
    const { imageSize = 224, channels = 3, numClasses = 1000, dropout = 0, seed } = checked;
    const spec = specOf(design);
    const positions = checkedPatches(spec, imageSize) + 1;
    this.#arguments = [design, options];
    const { hidden } = spec;
    const made = withSeed(seed, () => ({
      cls: nn.parameter([1, 1, hidden], { init: nn.init.normal({ std: 1e-6 }) }),
      positions: nn.parameter([1, positions, hidden], { init: normal() }),
      patches: new PatchEmbed(channels, spec),
      blocks: Array.from({ length: spec.layers }, () => new EncoderBlock(spec, dropout)),
      norm: norm(hidden),
      head: linear(hidden, numClasses),
    }));
    this.cls_token = made.cls;
    this.pos_embed = made.positions;
    this.patch_embed = made.patches;
    this.pos_drop = new nn.Dropout(dropout);
    this.blocks = made.blocks;
    this.norm = made.norm;
    this.head = made.head;
  }

  override config() {
    return [...this.#arguments];
  }

  /** Images `[batch, height, width, channels]` → logits `[batch, numClasses]`. */
  override forward(images: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const patches = this.patch_embed.forward(images); // [batch, patches, hidden]
      const [batch = 0, , hidden = 0] = patches.shape;
      const cls = tf.broadcastTo(this.cls_token, [batch, 1, hidden]);
      // [batch, 1 + patches, hidden]
      const x = tf.add(tf.concat([cls, patches], 1), this.pos_embed);
      const y = this.blocks.reduce((z, block) => block.forward(z), this.pos_drop.forward(x));
      const first = tf.reshape(tf.slice(y, [0, 0, 0], [batch, 1, hidden]), [batch, hidden]);
      return this.head.forward(this.norm.forward(first));
    });
  }
}

function specOf(design: ViTName | ViTSpec): ViTSpec {
  if (typeof design !== 'string') return checkOptions(WHERE, specRules, design) as ViTSpec;
  if (Object.hasOwn(VITS, design)) return VITS[design];
  throw new RangeError(
    `${WHERE}: expected one of ${Object.keys(VITS).join(', ')}, or sizes of your own, ` +
      `got '${design}'`,
  );
}

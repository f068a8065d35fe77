/** A decoder-only Transformer with nanoGPT's architecture and GPT-2's names of weights. */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { type Autoregressive, checkIds, type GenerationState, lastStep } from './autoregressive';

export interface GPTOptions {
  /**
   * Number of tokens in the vocabulary.
   * @example 50257
   */
  vocabSize: number;
  /** The longest sequence. @default 1024 */
  blockSize?: number;
  /** Number of blocks. @default 12 */
  layers?: number;
  /** Heads of each attention, a divisor of `hidden`. @default 12 */
  heads?: number;
  /** Features of each position. @default 768 */
  hidden?: number;
  /** Probability of zeroing. @default 0 */
  dropout?: number;
  /** Whether linear layers and normalizations have biases. @default true */
  bias?: boolean;
  /** GELU exact, or by the hyperbolic tangent as in GPT-2's checkpoints. @default 'none' */
  approximate?: 'none' | 'tanh';
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const gptRules = rule.object({
  vocabSize: rule.positiveInteger(),
  blockSize: rule.positiveInteger().optional(),
  layers: rule.positiveInteger().optional(),
  heads: rule.positiveInteger().optional(),
  hidden: rule.positiveInteger().optional(),
  dropout: rule.number({ min: 0, max: 1 }).optional(),
  bias: rule.boolean().optional(),
  approximate: rule.oneOf(['none', 'tanh']).optional(),
  seed: rule.seed().optional(),
});

type Settings = Required<Omit<GPTOptions, 'seed'>>;

const STD = 0.02;
const normal = (std = STD) => nn.init.normal({ std });

/** A linear layer with GPT-2's initial values: normal, and zeros as bias. */
function linear([inputs, outputs]: readonly [number, number], bias: boolean, std = STD): nn.Linear {
  const layer = new nn.Linear(inputs, outputs, { bias, init: normal(std) });
  if (layer.bias) tf.tidy(() => layer.bias?.assign(tf.zeros([outputs])));
  return layer;
}

/** Projections into the residual stream start smaller, since their sum grows with the depth. */
const residualStd = ({ layers }: Settings): number => STD / Math.sqrt(2 * layers);

class CausalSelfAttention extends nn.Module {
  readonly c_attn: nn.Linear;
  readonly c_proj: nn.Linear;
  readonly resid_dropout: nn.Dropout;
  readonly #settings: Settings;

  constructor(settings: Settings) {
    super();
    const { hidden, bias, dropout } = settings;
    this.#settings = settings;
    this.c_attn = linear([hidden, 3 * hidden], bias);
    this.c_proj = linear([hidden, hidden], bias, residualStd(settings));
    this.resid_dropout = new nn.Dropout(dropout);
  }

  /** `[batch, time, hidden]` → the same */
  override forward(x: tf.Tensor): tf.Tensor {
    const { heads, dropout } = this.#settings;
    return tf.tidy(() => {
      const attended = nn.functional.packedAttention(this.c_attn.forward(x) as tf.Tensor3D, {
        ...{ heads, causal: true },
        dropout: this.training ? dropout : 0,
      });
      return this.resid_dropout.forward(this.c_proj.forward(attended));
    });
  }

  /** The positions that follow those of a cache, and the cache with them. */
  step(x: tf.Tensor, cache: nn.KeysAndValues | undefined): [tf.Tensor, nn.KeysAndValues] {
    const { heads, hidden } = this.#settings;
    const [batch = 0, time = 0] = x.shape;
    return tf.tidy(() => {
      const parts = tf.split(this.c_attn.forward(x), 3, 2).map((part) => {
        const split = tf.reshape(part, [batch, time, heads, hidden / heads]);
        return tf.transpose(split, [0, 2, 1, 3]);
      });
      const [q, k, v] = parts as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
      const all = nn.concatKeys(cache, { k, v });
      const options = maskOf(time, all.k.shape[2]);
      const attended = nn.functional.scaledDotProductAttention(q, all.k, all.v, options);
      const joined = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [batch, time, hidden]);
      return [this.c_proj.forward(joined), all];
    }) as [tf.Tensor, nn.KeysAndValues];
  }
}

/** What the last `queries` of `keys` positions see. */
function maskOf(queries: number, keys: number): nn.functional.AttentionOptions {
  if (queries === 1) return {};
  if (queries === keys) return { causal: true };
  const last = tf.reshape(tf.range(keys - queries, keys, 1, 'int32'), [-1, 1]);
  return { mask: tf.lessEqual(tf.range(0, keys, 1, 'int32'), last) };
}

class MLP extends nn.Module {
  readonly c_fc: nn.Linear;
  readonly c_proj: nn.Linear;
  readonly dropout: nn.Dropout;
  readonly #approximate: 'none' | 'tanh';

  constructor(settings: Settings) {
    super();
    const { hidden, bias, dropout, approximate } = settings;
    this.#approximate = approximate;
    this.c_fc = linear([hidden, 4 * hidden], bias);
    this.c_proj = linear([4 * hidden, hidden], bias, residualStd(settings));
    this.dropout = new nn.Dropout(dropout);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => {
      const wide = nn.functional.gelu(this.c_fc.forward(x), { approximate: this.#approximate });
      return this.dropout.forward(this.c_proj.forward(wide));
    });
  }
}

class Block extends nn.Module {
  readonly ln_1: nn.LayerNorm;
  readonly attn: CausalSelfAttention;
  readonly ln_2: nn.LayerNorm;
  readonly mlp: MLP;

  constructor(settings: Settings) {
    super();
    const { hidden, bias } = settings;
    this.ln_1 = new nn.LayerNorm(hidden, { bias });
    this.attn = new CausalSelfAttention(settings);
    this.ln_2 = new nn.LayerNorm(hidden, { bias });
    this.mlp = new MLP(settings);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => this.#feed(tf.add(x, this.attn.forward(this.ln_1.forward(x)))));
  }

  step(x: tf.Tensor, cache: nn.KeysAndValues | undefined): [tf.Tensor, nn.KeysAndValues] {
    return tf.tidy(() => {
      const [attended, after] = this.attn.step(this.ln_1.forward(x), cache);
      return [this.#feed(tf.add(x, attended)), after];
    }) as [tf.Tensor, nn.KeysAndValues];
  }

  #feed(x: tf.Tensor): tf.Tensor {
    return tf.add(x, this.mlp.forward(this.ln_2.forward(x)));
  }
}

class Transformer extends nn.Module {
  readonly wte: nn.Embedding;
  readonly wpe: nn.Embedding;
  readonly drop: nn.Dropout;
  readonly h: Block[];
  readonly ln_f: nn.LayerNorm;

  constructor(settings: Settings) {
    super();
    const { vocabSize, blockSize, hidden, layers, dropout, bias } = settings;
    this.wte = new nn.Embedding(vocabSize, hidden, { init: normal() });
    this.wpe = new nn.Embedding(blockSize, hidden, { init: normal() });
    this.drop = new nn.Dropout(dropout);
    this.h = Array.from({ length: layers }, () => new Block(settings));
    this.ln_f = new nn.LayerNorm(hidden, { bias });
  }

  /** Tokens and positions from `past` on: `[batch, time, hidden]`. */
  embed(ids: tf.Tensor, past: number): tf.Tensor {
    const positions = tf.range(past, past + (ids.shape[1] as number), 1, 'int32');
    return this.drop.forward(tf.add(this.wte.forward(ids), this.wpe.forward(positions)));
  }

  override forward(ids: tf.Tensor): tf.Tensor {
    return tf.tidy(() =>
      this.ln_f.forward(this.h.reduce((x, block) => block.forward(x), this.embed(ids, 0))),
    );
  }
}

/**
 * A decoder-only Transformer: nanoGPT's, which is GPT-2 (Radford et al. 2019). The output layer has
 * the weights of the embedding. Parameters `transformer.wte.weight`, `transformer.wpe.weight`,
 * `transformer.h.0.ln_1.weight`, `transformer.h.0.attn.c_attn.weight`, ..., `lm_head.weight`.
 * @example
 * const model = new GPT({ vocabSize: 65, blockSize: 64, layers: 4, heads: 4, hidden: 128 });
 * const logits = model.forward(ids); // [batch, time, 65]
 */
export class GPT extends nn.Module implements Autoregressive {
  readonly vocabSize: number;
  readonly contextLength: number;
  readonly transformer: Transformer;
  readonly lm_head: nn.Linear;
  readonly #options: GPTOptions;

  /** @throws RangeError when `heads` does not divide `hidden` */
  constructor(options: GPTOptions) {
    super();
    const { seed, ...rest } = checkOptions('[text] GPT', gptRules, options);
    const settings: Settings = {
      ...{ blockSize: 1024, layers: 12, heads: 12, hidden: 768 },
      ...{ dropout: 0, bias: true, approximate: 'none' },
      ...withoutUndefined(rest),
    };
    const { vocabSize, hidden, heads } = settings;
    if (hidden % heads !== 0) {
      throw new RangeError(
        `[text] GPT: "heads" must divide "hidden", got ${heads} heads for ${hidden} features`,
      );
    }
    this.#options = options;
    this.vocabSize = vocabSize;
    this.contextLength = settings.blockSize;
    const make = () => new Transformer(settings);
    this.transformer = withSeed(seed, make);
    this.lm_head = new nn.Linear(hidden, vocabSize, { bias: false, init: 'zeros' });
    this.lm_head.weight.dispose();
    this.lm_head.weight = this.transformer.wte.weight; // tied
  }

  override config() {
    return [this.#options];
  }

  /**
   * @param ids tokens, int32 `[batch, time]`, at most `blockSize` of them
   * @returns logits of the next token at each position `[batch, time, vocabSize]`
   * @throws RangeError for a longer sequence, or ids outside the vocabulary
   */
  override forward(ids: tf.Tensor): tf.Tensor {
    this.#check(ids, 0);
    return tf.tidy(() => this.lm_head.forward(this.transformer.forward(ids)));
  }

  #check(ids: tf.Tensor, past: number): void {
    const where = `[text] ${this.name}`;
    checkIds(where, ids, this.vocabSize);
    const length = past + (ids.shape[1] as number);
    if (length <= this.contextLength) return;
    throw new RangeError(
      `${where}: expected at most ${this.contextLength} tokens, its "blockSize", got ${length}; ` +
        'cut the sequence, or build the model with a larger blockSize',
    );
  }

  next(ids: tf.Tensor2D, state?: GenerationState): [tf.Tensor2D, GenerationState] {
    const caches = (state ?? []) as readonly nn.KeysAndValues[];
    const past = caches[0]?.k.shape[2] ?? 0;
    this.#check(ids, past);
    return tf.tidy(() => {
      const after: nn.KeysAndValues[] = [];
      let x = this.transformer.embed(ids, past);
      this.transformer.h.forEach((block, i) => {
        const [y, cache] = block.step(x, caches[i]);
        x = y;
        after.push(cache);
      });
      const last = this.transformer.ln_f.forward(lastStep(x));
      return [this.lm_head.forward(last), after];
    }) as unknown as [tf.Tensor2D, GenerationState];
  }

  selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState {
    return (state as readonly nn.KeysAndValues[]).map(({ k, v }) => ({
      k: tf.gather(k, rows),
      v: tf.gather(v, rows),
    }));
  }
}

const withoutUndefined = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;

/** Layers that GPT-2's checkpoints keep as `Conv1D`, with inputs and outputs exchanged. */
const CONV1D = /(?:attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/;
/** The causal mask, which is no weight. */
const MASKS = /(?:^|\.)attn\.(?:bias|masked_bias)$/;

/**
 * Loads the weights of a GPT-2 checkpoint, such as those of a safetensors file: names with or
 * without `transformer.`, the masks of attention left out, and the `Conv1D` layers turned. For
 * GPT-2's numbers build the model with `approximate: 'tanh'`.
 * @param state tensors by GPT-2's names. They stay the caller's
 * @param options.conv1d whether the linear layers lie as `[in, out]` in the checkpoint, as in
 *   GPT-2's; nanoGPT's lie as `[out, in]` @default true
 * @throws RangeError for missing or unexpected names, or a tensor of another shape
 */
export function loadGpt2Weights(
  model: GPT,
  state: Readonly<Record<string, tf.Tensor>>,
  { conv1d = true }: { conv1d?: boolean } = {},
): void {
  tf.tidy(() => {
    const entries = Object.entries(state)
      .filter(([name]) => !MASKS.test(name))
      .map(([name, tensor]): [string, tf.Tensor] => {
        const isHead = name === 'lm_head.weight';
        const full = isHead || name.startsWith('transformer.') ? name : `transformer.${name}`;
        return [full, conv1d && CONV1D.test(name) ? tf.transpose(tensor) : tensor];
      });
    const renamed = Object.fromEntries(entries);
    const { 'transformer.wte.weight': tied } = renamed;
    if (tied) renamed['lm_head.weight'] ??= tied;
    model.loadStateDict(renamed);
  });
}

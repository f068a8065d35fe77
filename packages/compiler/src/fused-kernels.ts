/**
 * The contract of the fused kernels. A backend implements some of them and registers them in
 * TensorFlow.js's own registry (`registerFusedKernels`); operations ask for them by name
 * (`runFusedKernel`) and compute with core ops where the backend has none.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { ActivationName } from './ops/simple';
import type { ConvAttrs, Padding } from './primitives';

type Tensor = tf.Tensor;
type Vector = tf.Tensor1D;
type Image = tf.Tensor4D;
type Heads = tf.Tensor4D;
type Optional<T> = T | undefined;
/** For a kernel without attributes, or without inputs. */
type None = Readonly<Record<never, never>>;

/** Whether a ReLU follows, and its upper bound: 6 for ReLU6. */
export interface ReluAttrs {
  readonly relu: boolean;
  readonly ceiling?: Optional<6>;
}

/**
 * Every fused kernel by its name: named inputs, attributes, and a tuple of outputs. A `context` is
 * what a forward kernel hands to its own backend's gradient kernel; nobody else reads it.
 */
export interface FusedKernels {
  /** Convolution, bias and ReLU. With `groups`, a filter sees one group's input channels. */
  'deepend.conv2d': {
    inputs: {
      x: Image; //                     [batch, height, width, in]
      filter: Image; //                [kh, kw, in / groups, out]
      bias?: Optional<Vector>; //      [out]
    };
    attrs: ConvAttrs & { readonly relu: boolean };
    outputs: [
      y: Image, //                     [batch, height', width', out]
      context?: Tensor,
    ];
  };
  /** The gradient of a convolution's input. */
  'deepend.conv2dInputGradient': {
    inputs: {
      dy: Image; //                    [batch, height', width', out]
      filter: Image; //                [kh, kw, in / groups, out]
      context?: Optional<Tensor>;
    };
    attrs: ConvAttrs & { readonly xShape: readonly number[] };
    outputs: [dx: Image]; //           xShape
  };
  /** The gradient of a convolution's filter. */
  'deepend.conv2dFilterGradient': {
    inputs: {
      x: Image; //                     [batch, height, width, in]
      dy: Image; //                    [batch, height', width', out]
    };
    attrs: ConvAttrs & { readonly filterShape: readonly number[] };
    outputs: [dFilter: Image]; //      filterShape
  };
  /** Linear layer, bias and ReLU. */
  'deepend.dense': {
    inputs: {
      x: tf.Tensor2D; //               [batch, in]
      kernel: tf.Tensor2D; //          [in, out]
      bias?: Optional<Vector>; //      [out]
    };
    attrs: { readonly relu: boolean };
    outputs: [y: tf.Tensor2D]; //      [batch, out]
  };
  /** Sums over all axes but the last. */
  'deepend.channelSums': {
    inputs: { x: Tensor }; //          [..., channels]
    attrs: None;
    outputs: [sums: Vector]; //        [channels]
  };
  /** The gradient of an activation, from its output. */
  'deepend.activationGradient': {
    inputs: {
      dy: Tensor; //                   [...]
      y: Tensor; //                    the same shape
    };
    attrs: { readonly name: ActivationName };
    outputs: [dx: Tensor]; //          the same shape
  };
  /**
   * Batch normalization by the batch's statistics, sum with a shortcut, ReLU. Updates the moving
   * statistics in place: `moving · momentum + batch · (1 − momentum)`, with the unbiased variance.
   */
  'deepend.batchNorm': {
    inputs: {
      x: Tensor; //                    [..., channels]
      gamma?: Optional<Tensor>; //     [channels]
      beta?: Optional<Tensor>; //      [channels]
      movingMean: Tensor; //           [channels]
      movingVariance: Tensor; //       [channels]
      residual?: Optional<Tensor>; //  x's shape
    };
    attrs: ReluAttrs & { readonly epsilon: number; readonly momentum: number };
    outputs: [
      y: Tensor, //                    x's shape
      mean: Tensor, //                 [channels], of the batch
      invStd: Tensor, //               [channels], 1 / √(variance + epsilon); `tensorflow`: variance
      context?: Tensor,
    ];
  };
  /** Batch normalization by given statistics, sum with a shortcut, ReLU. */
  'deepend.normalize': {
    inputs: {
      x: Tensor; //                    [..., channels]
      gamma?: Optional<Tensor>; //     [channels]
      beta?: Optional<Tensor>; //      [channels]
      mean: Tensor; //                 [channels]
      variance: Tensor; //             [channels]
      residual?: Optional<Tensor>; //  x's shape
    };
    attrs: ReluAttrs & { readonly epsilon: number };
    outputs: [y: Tensor]; //           x's shape
  };
  /** The gradient of 'deepend.batchNorm'. */
  'deepend.batchNormGradient': {
    inputs: {
      x: Tensor; //                    [..., channels]
      y: Tensor; //                    x's shape; may be read only with `relu`
      dy: Tensor; //                   x's shape
      mean: Tensor; //                 [channels], an output of 'deepend.batchNorm'
      invStd: Tensor; //               [channels], an output of 'deepend.batchNorm'
      context?: Optional<Tensor>;
      gamma?: Optional<Tensor>; //     [channels]
    };
    attrs: ReluAttrs & { readonly epsilon: number; readonly residual: boolean };
    outputs: [
      dx: Tensor, //                   x's shape
      dGamma: Tensor, //               [channels]
      dBeta: Tensor, //                [channels]
      dResidual?: Tensor, //           x's shape, with `residual`
    ];
  };
  /** Moments over all axes but the last. */
  'deepend.channelMoments': {
    inputs: { x: Tensor }; //          [..., channels]
    attrs: None;
    outputs: [
      mean: Vector, //                 [channels]
      unbiased: Vector, //             [channels], Σ(x − mean)² / max(rows − 1, 1)
    ];
  };
  /** The first half of 'deepend.batchNormGradient': the sums of a gradient. */
  'deepend.batchNormSums': {
    inputs: {
      x: Tensor; //                    [..., channels]
      y: Tensor; //                    x's shape; read only with `relu`
      dy: Tensor; //                   x's shape
      mean: Tensor; //                 [channels]
      invStd: Tensor; //               [channels], 1 / √(variance + epsilon)
    };
    attrs: ReluAttrs;
    outputs: [dGamma: Vector, dBeta: Vector]; // [channels]
  };
  /** The second half: dx = a · dz + b · (x − mean) + c, where dz is dy through the ReLU. */
  'deepend.batchNormApply': {
    inputs: {
      x: Tensor; //                    [..., channels]
      y: Tensor; //                    x's shape; read only with `relu`
      dy: Tensor; //                   x's shape
      mean: Tensor; //                 [channels]
      a: Tensor; //                    [channels]
      b: Tensor; //                    [channels]
      c: Tensor; //                    [channels]
    };
    attrs: ReluAttrs & { readonly residual: boolean };
    outputs: [
      dx: Tensor, //                   x's shape
      dz?: Tensor, //                  x's shape, with `residual`
    ];
  };
  /** Max-pool that passes over its padding. */
  'deepend.maxPool': {
    inputs: { x: Image }; //           [batch, height, width, channels]
    attrs: FusedPoolAttrs;
    outputs: [y: Image]; //            [batch, height', width', channels]
  };
  /** Each window's gradient goes to its first largest pixel, as in PyTorch. */
  'deepend.maxPoolGradient': {
    inputs: {
      x: Image; //                     [batch, height, width, channels]
      y: Image; //                     [batch, height', width', channels]
      dy: Image; //                    y's shape
    };
    attrs: FusedPoolAttrs;
    outputs: [dx: Image]; //           x's shape
  };
  /** Zeroes a number with probability `rate` and scales the others by 1 / (1 − rate). */
  'deepend.dropout': {
    inputs: { x: Tensor }; //          [...]; for the gradient, dy with the same seed
    attrs: { readonly rate: number; readonly seed: number };
    outputs: [y: Tensor]; //           the same shape
  };
  /** Mean cross-entropy of logits, the number of correct predictions, and the gradient. */
  'deepend.softmaxCrossEntropy': {
    inputs: {
      logits: tf.Tensor2D; //          [batch, classes]
      labels: Tensor; //               int32 [batch], or probabilities [batch, classes]
    };
    attrs: None;
    outputs: [loss: tf.Scalar, correct: tf.Scalar, dLogits: tf.Tensor2D];
  };
  /**
   * Cross-entropy of each row of logits, and the gradient of their sum. With class weights or
   * smoothing (Szegedy et al. 2015), a label is u = classWeight · (smoothing / classes, and
   * 1 − smoothing more for the label), the loss −Σ u·log p.
   */
  'deepend.weightedCrossEntropy': {
    inputs: {
      logits: tf.Tensor2D; //          [rows, classes]
      labels: Tensor; //               int32 [rows], or probabilities [rows, classes]
      weights?: Optional<Vector>; //   [rows]; a row of weight 0 is not read, nor its label
      classWeights?: Optional<Vector>; // [classes], for indices
      mass?: Optional<tf.Scalar>; //   divides the losses
    };
    /** For indices. 0: a label is its class. */
    attrs: { readonly smoothing: number };
    outputs: [
      losses: Vector, //               [rows], weight · loss / mass
      correct: tf.Scalar, //           Σ weights of correct predictions
      dLogits: tf.Tensor2D, //         of the losses' sum
    ];
  };
  /**
   * All steps of a recurrent layer in one direction, after the product of its inputs. Sizes: T
   * steps, B samples, H hidden numbers, G gates in PyTorch's order (1, 3 for `gru`, 4 for `lstm`).
   */
  'deepend.recurrent': {
    inputs: {
      projected: tf.Tensor3D; //           [T, B, G·H], inputs · weightIhᵀ + biasIh
      h0: tf.Tensor2D; //                  [B, H]
      c0?: Optional<tf.Tensor2D>; //       [B, H], of an LSTM
      weightHh: tf.Tensor2D; //            [G·H, H]
      biasHh?: Optional<Vector>; //        [G·H]
      lengths?: Optional<Vector>; //       int32 [B]: later steps keep the state
    };
    attrs: RecurrentAttrs;
    outputs: [
      states: tf.Tensor3D, //              [T, B, H]
      gates: tf.Tensor3D, //               [T, B, G·H], after their activations
      extra?: tf.Tensor3D, //              [T, B, H]: cells of an LSTM, hidden part of a GRU's n
    ];
  };
  /** The gradient of 'deepend.recurrent'. */
  'deepend.recurrentGradient': {
    inputs: {
      dOutput: tf.Tensor3D; //             [T, B, H], of the states within their sequence
      dh: tf.Tensor2D; //                  [B, H], of the last state
      dc?: Optional<tf.Tensor2D>; //       [B, H], of the last cell
      h0: tf.Tensor2D; //                  [B, H]
      c0?: Optional<tf.Tensor2D>; //       [B, H]
      weightHh: tf.Tensor2D; //            [G·H, H]
      lengths?: Optional<Vector>; //       int32 [B]
      states: tf.Tensor3D; //              outputs of 'deepend.recurrent'
      gates: tf.Tensor3D;
      extra?: Optional<tf.Tensor3D>;
    };
    attrs: RecurrentAttrs;
    outputs: [
      dGates: tf.Tensor3D, //              [T, B, G·H], of `projected`
      dh0: tf.Tensor2D, //                 [B, H]
      dHidden?: tf.Tensor3D, //            of h · weightHhᵀ + biasHh, for a GRU; else it is dGates
      dc0?: tf.Tensor2D, //                [B, H], for an LSTM
    ];
  };
  /** Layer normalization of rows. */
  'deepend.layerNorm': {
    inputs: {
      x: tf.Tensor2D; //                   [rows, n]
      gamma?: Optional<Vector>; //         [n]
      beta?: Optional<Vector>; //          [n]
    };
    attrs: { readonly epsilon: number };
    outputs: [
      y: tf.Tensor2D, //                   [rows, n]
      mean: Vector, //                     [rows]
      invStd: Vector, //                   [rows], 1 / √(variance + epsilon)
    ];
  };
  /** The gradient of 'deepend.layerNorm'. */
  'deepend.layerNormGradient': {
    inputs: {
      x: tf.Tensor2D; //                   [rows, n]
      dy: tf.Tensor2D; //                  [rows, n]
      mean: Vector; //                     [rows]
      invStd: Vector; //                   [rows]
      gamma?: Optional<Vector>; //         [n]
    };
    attrs: None;
    outputs: [dx: tf.Tensor2D, dGamma: Vector, dBeta: Vector];
  };
  /** Adds up rows by their index; rows without an index are 0. */
  'deepend.embeddingGradient': {
    inputs: {
      dy: tf.Tensor2D; //                  [count, dim]
      ids: Vector; //                      int32 [count], from 0 to num − 1
    };
    attrs: { readonly num: number };
    outputs: [dWeight: tf.Tensor2D]; //    [num, dim]
  };
  /** softmax(q · kᵀ · scale + mask) · v of every head. A query that sees no key gives zeros. */
  'deepend.attention': {
    inputs: {
      q: Heads; //                         [batch, heads, queries, dim]
      k: Heads; //                         [batch, heads, keys, dim]
      v: Heads; //                         [batch, heads, keys, valueDim]
      mask?: Optional<Heads>; //           [batch | 1, heads | 1, queries | 1, keys]; −∞ hides a key
    };
    attrs: AttentionAttrs;
    outputs: [
      y: Heads, //                         [batch, heads, queries, valueDim]
      logSum: tf.Tensor3D, //              [batch, heads, queries], for the gradient
    ];
  };
  /** The gradient of 'deepend.attention' but for the mask. */
  'deepend.attentionGradient': {
    inputs: {
      q: Heads; //                         the inputs of 'deepend.attention'
      k: Heads;
      v: Heads;
      mask?: Optional<Heads>;
      y: Heads; //                         its outputs
      logSum: tf.Tensor3D;
      dy: Heads; //                        [batch, heads, queries, valueDim]
    };
    attrs: AttentionAttrs;
    outputs: [dq: Heads, dk: Heads, dv: Heads];
  };
  /** 'deepend.attention' of queries, keys and values in one tensor, without copies of heads. */
  'deepend.selfAttention': {
    inputs: {
      qkv: tf.Tensor3D; //                 [batch, time, 3 · heads · dim], or [time, batch, ...]
      mask?: Optional<Heads>; //           [batch | 1, heads | 1, time | 1, time]; −∞ hides a key
    };
    attrs: SelfAttentionAttrs;
    outputs: [
      y: tf.Tensor3D, //                   [batch, time, heads · dim], or [time, batch, ...]
      logSum: tf.Tensor3D, //              [batch, heads, time], for the gradient
    ];
  };
  /** The gradient of 'deepend.selfAttention' but for the mask. */
  'deepend.selfAttentionGradient': {
    inputs: {
      qkv: tf.Tensor3D; //                 the inputs of 'deepend.selfAttention'
      mask?: Optional<Heads>;
      y: tf.Tensor3D; //                   its outputs
      logSum: tf.Tensor3D;
      dy: tf.Tensor3D; //                  y's shape
    };
    attrs: SelfAttentionAttrs;
    outputs: [dQkv: tf.Tensor3D];
  };
  /** A linear layer of PyTorch's layout. */
  'deepend.linear': {
    inputs: {
      x: tf.Tensor2D; //                   [rows, in]
      weight: tf.Tensor2D; //              [out, in]
      bias: Vector; //                     [out]
    };
    attrs: None;
    outputs: [y: tf.Tensor2D]; //          [rows, out]
  };
  /** GELU, its approximation with tanh, and SiLU. */
  'deepend.curve': {
    inputs: { x: Tensor }; //              [...]
    attrs: { readonly name: CurveName };
    outputs: [y: Tensor]; //               the same shape
  };
  /** The gradient of 'deepend.curve', from its input. */
  'deepend.curveGradient': {
    inputs: {
      dy: Tensor; //                       [...]
      x: Tensor; //                        the same shape
    };
    attrs: { readonly name: CurveName };
    outputs: [dx: Tensor]; //              the same shape
  };
  /** The gradient of bilinear resizing of images. */
  'deepend.resizeBilinearGradient': {
    inputs: { dy: Image }; //              [batch, outHeight, outWidth, channels]
    attrs: {
      readonly xShape: readonly [number, number, number, number];
      readonly alignCorners: boolean;
      readonly halfPixelCenters: boolean;
    };
    outputs: [dx: Image]; //               xShape: [batch, height, width, channels]
  };
  /** One optimizer update of all weights, in place. */
  'deepend.update': {
    inputs: None;
    attrs: UpdateAttrs;
    outputs: [];
  };
}

export type CurveName = 'gelu' | 'geluTanh' | 'silu';

export interface RecurrentAttrs {
  readonly cell: 'tanh' | 'relu' | 'gru' | 'lstm';
  /** From the last step to the first. */
  readonly reverse: boolean;
}

export interface AttentionAttrs {
  /** Factor of the scores. */
  readonly scale: number;
  /** Query t sees the keys 0 to t only. */
  readonly causal: boolean;
}

export interface SelfAttentionAttrs extends AttentionAttrs {
  readonly heads: number;
  /** Whether the batch is the first axis, not the time. */
  readonly batchFirst: boolean;
}

export interface FusedPoolAttrs {
  readonly size: readonly [height: number, width: number];
  readonly strides: readonly [down: number, across: number];
  readonly padding: Padding;
}

export interface UpdateAttrs extends UpdateCoefficients {
  readonly rule: UpdateRule;
  readonly entries: readonly UpdateEntry[];
}

export type UpdateRule =
  | 'sgd'
  | 'momentum'
  | 'nesterov'
  | 'adam'
  | 'rmsprop'
  | 'rmspropMomentum'
  | 'rmspropCentered'
  | 'rmspropCenteredMomentum'
  | 'adagrad'
  | 'lion';

export interface UpdateCoefficients {
  /** Decay rate of the velocity, or of the first moment. @default 0 */
  readonly beta1?: number;
  /** Decay rate of the second moment. @default 0 */
  readonly beta2?: number;
  /** @default 0 */
  readonly epsilon?: number;
}

/** The update of one weight: w ← shrink·w − lr·change(gradient + decay·w). */
export interface UpdateEntry {
  readonly weight: tf.Variable;
  readonly gradient: tf.Tensor;
  /** The rule's slots, in order. @default none */
  readonly slots?: readonly tf.Variable[];
  readonly lr: number;
  /** Weight decay that is added to the gradient. @default 0 */
  readonly decay?: number;
  /**
   * Decoupled weight decay (Loshchilov & Hutter 2017, https://arxiv.org/abs/1711.05101): 1 − lr·λ.
   * @default 1
   */
  readonly shrink?: number;
  /** Adam's √(1 − β₂ᵗ). @default 1 */
  readonly correction?: number;
}

export type FusedKernelName = keyof FusedKernels;

/** What a backend's kernel receives. Inputs that are absent are not in the record. */
export interface FusedKernelCall<K extends FusedKernelName, Backend = tf.KernelBackend> {
  readonly backend: Backend;
  readonly inputs: Readonly<FusedKernels[K]['inputs']>;
  readonly attrs: FusedKernels[K]['attrs'];
}

/** A tuple of `TensorInfo` in place of tensors: a backend may give either. */
type AsInfo<Outputs extends readonly unknown[]> = { [I in keyof Outputs]: tf.TensorInfo };

/** The outputs of a backend's kernel. */
export type FusedKernelOutputs<K extends FusedKernelName> = AsInfo<FusedKernels[K]['outputs']>;

/** One backend's implementation of one fused kernel. */
export interface FusedKernel<K extends FusedKernelName, Backend = tf.KernelBackend> {
  /**
   * Whether the kernel computes this call. Where it does not, the operation computes with core ops.
   * @default always
   */
  supports?(call: Omit<FusedKernelCall<K, Backend>, 'backend'>): boolean;
  run(call: FusedKernelCall<K, Backend>): FusedKernelOutputs<K>;
}

/** The fused kernels that a backend has: one row each. */
export type FusedKernelTable<Backend> = {
  readonly [K in FusedKernelName]?: FusedKernel<K, Backend>;
};

/** A row of TensorFlow.js's registry, which keeps `supports` as it is. */
type RegisteredKernel = tf.KernelConfig & Pick<FusedKernel<FusedKernelName>, 'supports'>;

/**
 * Registers a backend's fused kernels. The backend need not be started, or even be installed. A
 * kernel's intermediate tensors are disposed when it returns.
 * @param backendName the backend's name in TensorFlow.js
 */
export function registerFusedKernels<Backend>(
  backendName: string,
  kernels: FusedKernelTable<Backend>,
): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    if (tf.getKernel(kernelName, backendName)) continue; // the ES or CommonJS copy was first
    const { supports, run } = kernel as FusedKernel<FusedKernelName>;
    const kernelFunc = (call: unknown) => tf.tidy(() => run(call as never) as never);
    const row: RegisteredKernel = {
      kernelName,
      backendName,
      kernelFunc,
      ...(supports && { supports }),
    };
    tf.registerKernel(row);
  }
}

/** What decides whether a kernel computes a call. */
type Request<K extends FusedKernelName> = Omit<FusedKernelCall<K>, 'backend'>;

/**
 * Whether the current backend has this kernel.
 * @param call also asks whether the kernel computes this call @default any
 */
export function hasFusedKernel<K extends FusedKernelName>(name: K, call?: Request<K>): boolean {
  const kernel = tf.getKernel(name, tf.getBackend()) as RegisteredKernel | undefined;
  if (!kernel) return false;
  return !call || !kernel.supports || kernel.supports(call as never);
}

/**
 * Runs a fused kernel of the current backend. The caller disposes the outputs.
 * @returns the outputs; undefined where the backend has no such kernel, or not for this call
 */
export function runFusedKernel<K extends FusedKernelName>(
  name: K,
  inputs: FusedKernels[K]['inputs'],
  attrs: FusedKernels[K]['attrs'],
): FusedKernels[K]['outputs'] | undefined {
  const kernel = tf.getKernel(name, tf.getBackend()) as RegisteredKernel | undefined;
  if (!kernel) return undefined;
  if (kernel.supports && !kernel.supports({ inputs, attrs } as never)) return undefined;
  const present: tf.NamedTensorMap = {}; // TensorFlow.js expects no undefined inputs
  for (const key in inputs) {
    const tensor = inputs[key] as tf.Tensor | undefined;
    if (tensor) present[key] = tensor;
  }
  const outputs: tf.Tensor | tf.Tensor[] = tf
    .engine()
    .runKernel(name, present, attrs as tf.NamedAttrMap);
  return (Array.isArray(outputs) ? outputs : [outputs]) as FusedKernels[K]['outputs'];
}

/**
 * Makes sure that a variable has its own memory on the current backend, so that a kernel may write
 * it in place: copies it when a clone shares its memory or another backend holds it.
 */
export function ensureUnique(variable: tf.Variable): void {
  if (tf.backend().refCount(variable.dataId) !== 1)
    tf.tidy(() => variable.assign(tf.add(variable, tf.zerosLike(variable))));
}

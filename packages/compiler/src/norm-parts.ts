/** Parts of batch normalization over the last axis: moments, the normalization, its gradient. */
import * as tf from '@tensorflow/tfjs-core';
import { type ReluAttrs, runFusedKernel } from './fused-kernels';
import { ACTIVATIONS, activationGradient } from './ops/simple';
import { channelSums } from './primitives';
import { joinMoments, joinNormSums, type Moments, type NormSums, normSync } from './synced-norm';

type Optional<T> = T | undefined;
type Attrs = ReluAttrs & { readonly epsilon: number };

export const reluOf = ({ ceiling }: ReluAttrs) => (ceiling === undefined ? 'relu' : 'relu6');

/** Batch·height·width. */
const rowsOf = (x: tf.Tensor) => x.size / (x.shape[x.rank - 1] ?? 1);

/**
 * Moments of the batch, over all processes where `withNormSync` says so.
 * @param variable id of a variable of the layer
 * @param where the beginning of an error for one row on all processes @default none is wrong
 */
export function batchMoments(x: tf.Tensor, variable: number, where?: string): Moments {
  const count = rowsOf(x);
  if (normSync())
    return joinMoments(channelMoments(x), {
      count,
      variable,
      ...(where !== undefined && { where }),
    });
  const { mean, squares } = squaredDifferences(x);
  const variance = tf.div(squares, count);
  return { mean, variance, unbiased: tf.mul(variance, count / Math.max(count - 1, 1)) };
}

function channelMoments(x: tf.Tensor): Omit<Moments, 'variance'> {
  const fused = runFusedKernel('deepend.channelMoments', { x }, {});
  if (fused) return { mean: fused[0], unbiased: fused[1] };
  const { mean, squares } = squaredDifferences(x);
  return { mean, unbiased: tf.div(squares, Math.max(rowsOf(x) - 1, 1)) };
}

/** Two passes: the mean of squares minus the squared mean would cancel. */
function squaredDifferences(x: tf.Tensor) {
  const mean = tf.div(channelSums(x), rowsOf(x));
  return { mean, squares: channelSums(tf.squaredDifference(x, mean)) };
}

export interface Normalized {
  readonly x: tf.Tensor; //                       [..., channels]
  readonly gamma?: Optional<tf.Tensor>; //        [channels]
  readonly beta?: Optional<tf.Tensor>; //         [channels]
  readonly mean: tf.Tensor; //                    [channels]
  readonly variance: tf.Tensor; //                [channels]
  readonly residual?: Optional<tf.Tensor>; //     x's shape
}

/** Normalizes by given statistics, then adds a shortcut, then ReLU or ReLU6. @returns x's shape */
export function normalizeBy(inputs: Normalized, attrs: Attrs): tf.Tensor {
  const fused = runFusedKernel('deepend.normalize', { ...inputs }, attrs);
  if (fused) return fused[0];
  const { x, gamma, beta, mean, variance, residual } = inputs;
  const invStd = tf.rsqrt(tf.add(variance, attrs.epsilon));
  const factor = gamma ? tf.mul(gamma, invStd) : invStd;
  const shift = tf.sub(beta ?? 0, tf.mul(mean, factor));
  let y = tf.add(tf.mul(x, factor), shift);
  if (residual) y = tf.add(y, residual);
  return attrs.relu ? ACTIVATIONS[reluOf(attrs)].forward(y) : y;
}

export interface NormGradientInputs {
  readonly x: tf.Tensor; //                       [..., channels]
  /** The output; read only with `relu`. */
  readonly y: tf.Tensor;
  readonly dy: tf.Tensor;
  readonly mean: tf.Tensor; //                    [channels], over all processes
  readonly invStd: tf.Tensor; //                  [channels], over all processes
  readonly gamma?: Optional<tf.Tensor>; //        [channels]
}

/**
 * Gradients of x, gamma, beta and the shortcut. Those of gamma and beta are of this process's
 * samples; x's sees the other processes' through the moments.
 * @param attrs.variable as for `batchMoments`
 */
export function normGradient(
  inputs: NormGradientInputs,
  attrs: Attrs & { readonly residual: boolean; readonly variable: number },
): [dx: tf.Tensor, dGamma: tf.Tensor, dBeta: tf.Tensor, dz: tf.Tensor] {
  const { x, y, dy, mean, invStd, gamma } = inputs;
  const fused = runFusedKernel('deepend.batchNormSums', { x, y, dy, mean, invStd }, attrs);
  const dz = fused || !attrs.relu ? dy : activationGradient(reluOf(attrs), dy, y);
  const sums: NormSums = fused
    ? { dGamma: fused[0], dBeta: fused[1] }
    : { dGamma: tf.mul(channelSums(tf.mul(dz, tf.sub(x, mean))), invStd), dBeta: channelSums(dz) };
  const means = meansOf(sums, rowsOf(x), attrs.variable);
  // dx = γ·invStd·(dz − Σdz/n − x̂·Σ(dz·x̂)/n), as a·dz + b·(x − mean) + c with a, b, c [channels]
  const a = gamma ? tf.mul(gamma, invStd) : invStd;
  const b = tf.neg(tf.mul(a, tf.mul(invStd, means.dGamma)));
  const c = tf.neg(tf.mul(a, means.dBeta));
  const applied =
    fused && runFusedKernel('deepend.batchNormApply', { x, y, dy, mean, a, b, c }, attrs);
  if (applied) return [applied[0], sums.dGamma, sums.dBeta, applied[1] ?? dz];
  const dx = tf.add(tf.add(tf.mul(dz, a), tf.mul(x, b)), tf.sub(c, tf.mul(b, mean)));
  return [dx, sums.dGamma, sums.dBeta, tf.clone(dz)];
}

function meansOf(sums: NormSums, count: number, variable: number): NormSums {
  if (normSync()) return joinNormSums(sums, { count, variable });
  return { dGamma: tf.div(sums.dGamma, count), dBeta: tf.div(sums.dBeta, count) };
}

export interface SyncedNormOptions {
  readonly gamma?: Optional<tf.Tensor>; //        [channels]
  readonly beta?: Optional<tf.Tensor>; //         [channels]
  readonly epsilon: number;
  /** Id of a variable of the layer. */
  readonly variable: number;
  /** The beginning of an error for one row on all processes. @default none is wrong */
  readonly where?: string | undefined;
  /** Gets the batch's moments, to move the moving ones. */
  readonly onMoments: (moments: Moments) => void;
}

/**
 * Batch normalization on the tape over all processes of `withNormSync`.
 * @param x `[..., channels]`
 * @throws RangeError for one row on all processes, with `where`
 */
export function syncedNorm(x: tf.Tensor, options: SyncedNormOptions): tf.Tensor {
  const { gamma, beta, epsilon, variable, where, onMoments } = options;
  const channels = x.shape[x.rank - 1] ?? 1;
  const attrs = { epsilon, relu: false, residual: false, variable } as const;
  type Save = (tensors: tf.Tensor[]) => void;
  const compute = tf.customGrad((...given) => {
    const [input, scale, shift, save] = given as unknown as [tf.Tensor, tf.Tensor, tf.Tensor, Save];
    const moments = batchMoments(input, variable, where);
    onMoments(moments);
    const { mean, variance } = moments;
    const value = normalizeBy({ x: input, gamma: scale, beta: shift, mean, variance }, attrs);
    save([input, scale, mean, tf.rsqrt(tf.add(variance, epsilon))]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [x, gamma, mean, invStd] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      return normGradient({ x, y: dy, dy, mean, invStd, gamma }, attrs).slice(0, 3);
    };
    return { value, gradFunc };
  });
  return compute(x, gamma ?? tf.ones([channels]), beta ?? tf.zeros([channels]));
}

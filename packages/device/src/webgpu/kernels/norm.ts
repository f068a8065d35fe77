/**
 * Batch normalization over the last axis (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167).
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import {
  ACROSS,
  BLOCK,
  DOWN,
  HELD,
  overBlocks,
  overChannels,
  PLACE,
  type Rows,
  rowsOf,
} from './channels';
import { type Form, grid, INDEX, launch, output, type Shader, scratch, size } from './launch';

/**
 * Count, mean, and sum of squared distances from it, of two sets as of one: Chan et al. 1979,
 * Updating Formulae, eq. 2.1. No digits cancel.
 */
const MOMENTS = /* wgsl */ `
struct Moments { n: f32, mean: f32, squares: f32 }
fn joined(a: Moments, b: Moments) -> Moments {
  let n = a.n + b.n;
  if (n == 0.0) { return a; }
  let apart = b.mean - a.mean;
  return Moments(n, a.mean + apart * (b.n / n), a.squares + b.squares + apart * apart * (a.n * b.n / n));
}
var<workgroup> shared_moments: array<Moments, ${ACROSS * DOWN}>;
fn reduce(mine: Moments, lane: u32) -> Moments {
  shared_moments[lane] = mine;
  for (var half = ${(ACROSS * DOWN) / 2}u; half >= ${ACROSS}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shared_moments[lane] = joined(shared_moments[lane], shared_moments[lane + half]); }
  }
  return shared_moments[lane];
}`;

/** The moments of each block's channels: means, then squares, `[2, blocks, channels]`. */
const momentsOfBlocks = (x: TensorInfo, partials: TensorInfo): Shader => ({
  name: 'momentsOfBlocks',
  writes: { partials },
  reads: { x },
  ...overBlocks(rowsOf(x)),
  before: () => MOMENTS,
  main: () => /* wgsl */ `${PLACE}${BLOCK}
  var mine = Moments(0.0, 0.0, 0.0);
  for (var top = first + down; top < end && inside; top += ${DOWN * HELD}) {
    var held: array<f32, ${HELD}>;
    var here = Moments(0.0, 0.0, 0.0);
    for (var k = 0; k < ${HELD}; k++) {
      let row = top + k * ${DOWN};
      if (row < end) { held[k] = x[row * u.channels + c]; here.mean += held[k]; here.n += 1.0; }
    }
    here.mean /= here.n;
    for (var k = 0; k < ${HELD}; k++) {
      if (top + k * ${DOWN} < end) { let apart = held[k] - here.mean; here.squares += apart * apart; }
    }
    mine = joined(mine, here);
  }
  let all = reduce(mine, lane);
  if (down == 0 && inside) { partials[partial] = all.mean; partials[plane + partial] = all.squares; }`,
});

/**
 * Blocks to mean and 1 / √(variance + ε); the moving statistics take in the unbiased variance, in
 * place.
 */
const momentsOfChannels = (
  rows: Rows,
  partials: TensorInfo,
  { writes, epsilon, momentum }: { writes: Shader['writes']; epsilon: number; momentum: number },
): Shader => ({
  name: 'momentsOfChannels',
  writes,
  reads: { partials },
  ...overChannels(rows),
  floats: { epsilon, momentum, rest: 1 - momentum },
  before: () => MOMENTS,
  main: () => /* wgsl */ `${PLACE}
  var mine = Moments(0.0, 0.0, 0.0);
  for (var b = down; b < u.blocks && inside; b += ${DOWN}) {
    let n = f32(min(u.block, u.rows - b * u.block));
    let at = b * u.channels + c;
    mine = joined(mine, Moments(n, partials[at], partials[u.blocks * u.channels + at]));
  }
  let all = reduce(mine, lane);
  if (down == 0 && inside) {
    mean[c] = all.mean;
    deviation[c] = 1.0 / sqrt(all.squares / all.n + u.epsilon);
    movingMean[c] = movingMean[c] * u.momentum + all.mean * u.rest;
    movingVariance[c] = movingVariance[c] * u.momentum + all.squares / max(all.n - 1.0, 1.0) * u.rest;
  }`,
});

/**
 * (x − mean)·deviation·γ + β, the shortcut, and ReLU; it lets NaN through. With `epsilon`,
 * `deviation` is the variance.
 */
function normalized(
  { backend, inputs }: Parameters<Form>[0],
  {
    mean,
    deviation,
    relu,
    epsilon,
  }: { mean?: TensorInfo; deviation?: TensorInfo; relu: boolean; epsilon?: number },
): TensorInfo {
  const { x, gamma, beta, residual } = inputs as { x: TensorInfo } & Record<
    string,
    TensorInfo | undefined
  >;
  const y = output(backend, x.shape);
  const channels = x.shape.at(-1) ?? 1;
  const wide = channels % 4 === 0;
  const [step, count] = wide ? [channels / 4, size(x) / 4] : [channels, size(x)];
  const scale = epsilon === undefined ? 'deviation[c]' : '1.0 / sqrt(deviation[c] + u.epsilon)';
  launch(backend, {
    name: 'normalize',
    variant: `${relu} ${epsilon === undefined}`,
    writes: { y },
    reads: { x, mean, deviation, gamma, beta, residual },
    integers: { count, channels: step },
    floats: { epsilon: epsilon ?? 0 },
    vectors: wide,
    groups: grid(count),
    main: () => /* wgsl */ `${INDEX}
  let c = i % u.channels;
  var v = (x[i] - mean[c]) * (${scale}${gamma ? ' * gamma[c]' : ''})${beta ? ' + beta[c]' : ''}${residual ? ' + residual[i]' : ''};
  ${relu ? 'v = select(v, number(0.0), v < number(0.0));' : ''}
  y[i] = v;`,
  });
  return y;
}

/**
 * {x, gamma?, beta?, movingMean, movingVariance, residual?} → y, mean, deviation; moves the
 * statistics in place.
 */
export const batchNorm: Form = (given) => {
  const { backend, inputs, attrs } = given;
  const { x, movingMean, movingVariance } = inputs as { x: TensorInfo } & Record<
    string,
    TensorInfo | undefined
  >;
  const rows = rowsOf(x);
  const [mean, deviation] = [output(backend, [rows.channels]), output(backend, [rows.channels])];
  const writes = { mean, deviation, movingMean, movingVariance };
  scratch(backend, 2 * rows.blocks * rows.channels, (partials) => {
    launch(backend, momentsOfBlocks(x, partials));
    launch(
      backend,
      momentsOfChannels(rows, partials, {
        writes,
        epsilon: attrs.epsilon,
        momentum: attrs.momentum,
      }),
    );
  });
  return [normalized(given, { mean, deviation, relu: attrs.relu }), mean, deviation];
};

/** {x, gamma?, beta?, mean, variance, residual?} + epsilon, relu → y. */
export const normalize: Form = (given) => {
  const { mean, variance } = given.inputs;
  return normalized(given, {
    mean,
    deviation: variance,
    relu: given.attrs.relu,
    epsilon: given.attrs.epsilon,
  });
};

/**
 * Batch normalization over the last axis (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167).
 */
import type { ReluAttrs } from '@deepend/compiler';
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
import {
  type GpuBackend,
  grid,
  INDEX,
  type Kernel,
  launch,
  output,
  type Shader,
  scratch,
  size,
} from './launch';

/**
 * Merges count, mean and sum of squared deviations of two sets (Chan et al. 1979, Updating Formulae
 * and a Pairwise Algorithm for Computing Sample Variances, eq. 2.1), which avoids cancellation.
 */
const MOMENTS = /* wgsl */ `
struct Moments { n: f32, mean: f32, squares: f32 }
fn joined(a: Moments, b: Moments) -> Moments {
  let n = a.n + b.n;
  if (n == 0.0) { return a; }
  let delta = b.mean - a.mean;
  let squares = a.squares + b.squares + delta * delta * (a.n * b.n / n);
  return Moments(n, a.mean + delta * (b.n / n), squares);
}
var<workgroup> shared_moments: array<Moments, ${ACROSS * DOWN}>;
fn reduce(mine: Moments, lane: u32) -> Moments {
  shared_moments[lane] = mine;
  for (var half = ${(ACROSS * DOWN) / 2}u; half >= ${ACROSS}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) {
      shared_moments[lane] = joined(shared_moments[lane], shared_moments[lane + half]);
    }
  }
  return shared_moments[lane];
}`;

/** The moments of each block: means, then squared deviations, `[2, blocks, channels]`. */
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
      if (row < end) {
        held[k] = x[row * u.channels + c];
        here.mean += held[k];
        here.n += 1.0;
      }
    }
    here.mean /= here.n;
    for (var k = 0; k < ${HELD}; k++) {
      if (top + k * ${DOWN} < end) {
        let delta = held[k] - here.mean;
        here.squares += delta * delta;
      }
    }
    mine = joined(mine, here);
  }
  let all = reduce(mine, lane);
  if (down == 0 && inside) {
    partials[partial] = all.mean;
    partials[plane + partial] = all.squares;
  }`,
});

/**
 * Merges the blocks into mean and invStd, and updates the moving statistics in place, with the
 * unbiased variance.
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
    invStd[c] = 1.0 / sqrt(all.squares / all.n + u.epsilon);
    movingMean[c] = movingMean[c] * u.momentum + all.mean * u.rest;
    let unbiased = all.squares / max(all.n - 1.0, 1.0);
    movingVariance[c] = movingVariance[c] * u.momentum + unbiased * u.rest;
  }`,
});

interface NormalizeCall {
  readonly backend: GpuBackend;
  readonly inputs: Readonly<
    { x: TensorInfo } & Partial<Record<'gamma' | 'beta' | 'residual', TensorInfo | undefined>>
  >;
}

/**
 * (x − mean)·invStd·γ + β, plus the shortcut, then ReLU, which keeps NaN. With `epsilon`, `invStd`
 * holds the variance.
 */
function writeNormalized(
  { backend, inputs }: NormalizeCall,
  {
    mean,
    invStd,
    relu,
    ceiling,
    epsilon,
  }: ReluAttrs & { mean: TensorInfo; invStd: TensorInfo; epsilon?: number },
): TensorInfo {
  const { x, gamma, beta, residual } = inputs;
  const y = output(backend, x.shape);
  const channels = x.shape.at(-1) ?? 1;
  const wide = channels % 4 === 0;
  const [step, count] = wide ? [channels / 4, size(x) / 4] : [channels, size(x)];
  const scale = epsilon === undefined ? 'invStd[c]' : '1.0 / sqrt(invStd[c] + u.epsilon)';
  launch(backend, {
    name: 'normalize',
    variant: `${relu} ${ceiling} ${epsilon === undefined}`,
    writes: { y },
    reads: { x, mean, invStd, gamma, beta, residual },
    integers: { count, channels: step },
    floats: { epsilon: epsilon ?? 0 },
    vectors: wide,
    groups: grid(count),
    main: () => /* wgsl */ `${INDEX}
  let c = i % u.channels;
  var v = (x[i] - mean[c]) * (${scale}${gamma ? ' * gamma[c]' : ''});
  ${beta ? 'v += beta[c];' : ''}
  ${residual ? 'v += residual[i];' : ''}
  ${relu ? 'v = select(v, number(0.0), v < number(0.0));' : ''}
  ${ceiling === undefined ? '' : `v = select(v, number(${ceiling}), v > number(${ceiling}));`}
  y[i] = v;`,
  });
  return y;
}

export const batchNorm: Kernel<'deepend.batchNorm'> = {
  run(call) {
    const { backend, inputs, attrs } = call;
    const { x, movingMean, movingVariance } = inputs;
    const rows = rowsOf(x);
    const mean = output(backend, [rows.channels]);
    const invStd = output(backend, [rows.channels]);
    const writes = { mean, invStd, movingMean, movingVariance };
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
    return [
      writeNormalized(call, { mean, invStd, relu: attrs.relu, ceiling: attrs.ceiling }),
      mean,
      invStd,
    ];
  },
};

export const normalize: Kernel<'deepend.normalize'> = {
  run(call) {
    const { mean, variance } = call.inputs;
    const { relu, ceiling, epsilon } = call.attrs;
    return [writeNormalized(call, { mean, invStd: variance, relu, ceiling, epsilon })];
  },
};

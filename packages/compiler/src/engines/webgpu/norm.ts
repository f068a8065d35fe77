/**
 * Batch normalization over the last axis and its gradient (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167), and sums of channels.
 * Each is three shaders: blocks of rows are summed up, blocks are combined, and every number is moved.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Form, type GpuBackend, grid, INDEX, launch, output, type Shader, scratch, size } from './launch';

/** A workgroup's threads: channels beside each other, as they lie in memory, times rows. */
const [ACROSS, DOWN] = [32, 8];
/** Rows that a thread holds at a time. */
const HELD = 8;
const MOST_BLOCKS = 256;

interface Rows {
  rows: number;
  channels: number;
  /** Rows of a block. */
  block: number;
  blocks: number;
}

function rowsOf({ shape }: TensorInfo): Rows {
  const channels = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  const block = Math.max(DOWN * HELD, Math.ceil(rows / MOST_BLOCKS));
  return { rows, channels, block, blocks: Math.max(1, Math.ceil(rows / block)) };
}

/** The two shaders that lead to sums: one over the rows of each block, one over the blocks. */
const overBlocks = ({ rows, channels, block, blocks }: Rows) => ({
  integers: { rows, channels, block, blocks },
  groups: [Math.ceil(channels / ACROSS), blocks] as const,
});
const overChannels = (rows: Rows) => ({ ...overBlocks(rows), groups: [Math.ceil(rows.channels / ACROSS), 1] as const });

/** A thread's channel and row, in the first shader and in the second. */
const PLACE = /* wgsl */ `
  let c = i32(group.x) * ${ACROSS} + i32(lane % ${ACROSS}u);
  let down = i32(lane / ${ACROSS}u);
  let inside = c < u.channels;`;
const BLOCK = /* wgsl */ `
  let first = i32(group.y) * u.block;
  let end = min(first + u.block, u.rows);
  let partial = i32(group.y) * u.channels + c;
  let plane = u.blocks * u.channels;`;

/** Count, mean, and sum of squared distances from it, of two sets as of one: Chan et al. 1979, Updating Formulae, eq. 2.1. No digits cancel. */
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

/** Blocks to mean and 1 / √(variance + ε); the moving statistics take in the unbiased variance, in place. */
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

/** (x − mean)·deviation·γ + β, the shortcut, and ReLU; it lets NaN through. With `epsilon`, `deviation` is the variance. */
function normalized(
  { backend, inputs }: Parameters<Form>[0],
  { mean, deviation, relu, epsilon }: { mean?: TensorInfo; deviation?: TensorInfo; relu: boolean; epsilon?: number },
): TensorInfo {
  const { x, gamma, beta, residual } = inputs as { x: TensorInfo } & Record<string, TensorInfo | undefined>;
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

/** {x, gamma?, beta?, movingMean, movingVariance, residual?} → y, mean, deviation; moves the statistics in place. */
export const batchNorm: Form = (given) => {
  const { backend, inputs, attrs } = given;
  const { x, movingMean, movingVariance } = inputs as { x: TensorInfo } & Record<string, TensorInfo | undefined>;
  const rows = rowsOf(x);
  const [mean, deviation] = [output(backend, [rows.channels]), output(backend, [rows.channels])];
  const writes = { mean, deviation, movingMean, movingVariance };
  scratch(backend, 2 * rows.blocks * rows.channels, (partials) => {
    launch(backend, momentsOfBlocks(x, partials));
    launch(backend, momentsOfChannels(rows, partials, { writes, epsilon: attrs.epsilon, momentum: attrs.momentum }));
  });
  return [normalized(given, { mean, deviation, relu: attrs.relu }), mean, deviation];
};

/** {x, gamma?, beta?, mean, variance, residual?} + epsilon, relu → y. */
export const normalize: Form = (given) => {
  const { mean, variance } = given.inputs;
  return normalized(given, { mean, deviation: variance, relu: given.attrs.relu, epsilon: given.attrs.epsilon });
};

/** Two sums of each channel over the rows of a workgroup's threads. */
const SUMS = /* wgsl */ `
var<workgroup> shared_sums: array<vec2<f32>, ${ACROSS * DOWN}>;
fn reduce(mine: vec2<f32>, lane: u32) -> vec2<f32> {
  shared_sums[lane] = mine;
  for (var half = ${(ACROSS * DOWN) / 2}u; half >= ${ACROSS}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shared_sums[lane] += shared_sums[lane + half]; }
  }
  return shared_sums[lane];
}`;

/** Sums over the rows of each block, `[planes, blocks, channels]`. @param each WGSL: the numbers of row `row`, at `at` */
const sumsOfBlocks = (
  x: TensorInfo,
  partials: TensorInfo,
  { name, reads, each, planes }: { name: string; reads: Shader['reads']; each: string; planes: 1 | 2 },
): Shader => ({
  name,
  variant: each,
  writes: { partials },
  reads,
  ...overBlocks(rowsOf(x)),
  before: () => SUMS,
  main: () => /* wgsl */ `${PLACE}${BLOCK}
  var mine = vec2<f32>(0.0);
  for (var row = first + down; row < end && inside; row += ${DOWN}) {
    let at = row * u.channels + c;
    ${each}
  }
  let all = reduce(mine, lane);
  if (down == 0 && inside) {
    partials[partial] = all.x;
    ${planes === 2 ? 'partials[plane + partial] = all.y;' : ''}
  }`,
});

/** A thread's part of the blocks, then the whole channel. */
const sumBlocks = (planes: 1 | 2) => /* wgsl */ `${PLACE}
  var mine = vec2<f32>(0.0);
  for (var b = down; b < u.blocks && inside; b += ${DOWN}) {
    let at = b * u.channels + c;
    mine += vec2<f32>(partials[at], ${planes === 2 ? 'partials[u.blocks * u.channels + at]' : '0.0'});
  }
  let all = reduce(mine, lane);`;

/** {x} → the sum of each channel, `[channels]`. */
export const channelSums: Form = ({ backend, inputs }) => {
  const { x } = inputs as { x: TensorInfo };
  const rows = rowsOf(x);
  const sums = output(backend, [rows.channels]);
  scratch(backend, rows.blocks * rows.channels, (partials) => {
    launch(
      backend,
      sumsOfBlocks(x, partials, { name: 'channelSumsOfBlocks', reads: { x }, each: 'mine.x += x[at];', planes: 1 }),
    );
    launch(backend, {
      name: 'channelSums',
      writes: { sums },
      reads: { partials },
      ...overChannels(rows),
      before: () => SUMS,
      main: () => `${sumBlocks(1)}\n  if (down == 0 && inside) { sums[c] = all.x; }`,
    });
  });
  return sums;
};

/** dβ = Σdz, dγ = Σdz·x̂, and dx = γ·deviation·(dz − dβ/n − x̂·dγ/n), gathered as a·dz + b·(x − mean) + c for each channel. */
const gradientOfChannels = (rows: Rows, tensors: { writes: Shader['writes']; reads: Shader['reads'] }): Shader => ({
  name: 'normGradientOfChannels',
  ...tensors,
  ...overChannels(rows),
  before: () => SUMS,
  main: () => /* wgsl */ `${sumBlocks(2)}
  if (down == 0 && inside) {
    dBeta[c] = all.x;
    dGamma[c] = all.y;
    let n = f32(u.rows);
    let a = deviation[c]${tensors.reads.gamma ? ' * gamma[c]' : ''};
    factors[c] = a;
    factors[u.channels + c] = -a * deviation[c] * all.y / n;
    factors[2 * u.channels + c] = -a * all.x / n;
    factors[3 * u.channels + c] = mean[c];
  }`,
});

/** {x, y, dy, mean, deviation, gamma?} + relu, residual → dx, dGamma, dBeta, dz where residual. */
export const batchNormGradient: Form = ({ backend, inputs, attrs: { relu, residual } }) => {
  const { x, dy, mean, deviation, gamma } = inputs as { x: TensorInfo; dy: TensorInfo } & Record<string, TensorInfo | undefined>;
  const y = relu ? inputs.y : undefined;
  const rows = rowsOf(x);
  const dx = output(backend, x.shape);
  const dz = residual ? output(backend, x.shape) : undefined;
  const [dGamma, dBeta] = [output(backend, [rows.channels]), output(backend, [rows.channels])];
  const each = `let z = ${relu ? 'select(0.0, dy[at], y[at] > 0.0)' : 'dy[at]'}; mine += vec2<f32>(z, z * (x[at] - mean[c]) * deviation[c]);`;
  scratch(backend, 4 * rows.channels, (factors) => {
    scratch(backend, 2 * rows.blocks * rows.channels, (partials) => {
      const reads = { x, y, dy, mean, deviation };
      launch(backend, sumsOfBlocks(x, partials, { name: 'normGradientOfBlocks', reads, each, planes: 2 }));
      const tensors = { writes: { dGamma, dBeta, factors }, reads: { partials, mean, deviation, gamma } };
      launch(backend, gradientOfChannels(rows, tensors));
    });
    moved(backend, { writes: { dx, dz }, reads: { x, y, dy, factors } });
  });
  return dz ? [dx, dGamma, dBeta, dz] : [dx, dGamma, dBeta];
};

/** dx, and dz for the shortcut. */
function moved(backend: GpuBackend, { writes, reads }: Pick<Shader, 'writes' | 'reads'>): void {
  const x = reads.x as TensorInfo;
  const channels = x.shape.at(-1) ?? 1;
  const wide = channels % 4 === 0;
  const [step, count] = wide ? [channels / 4, size(x) / 4] : [channels, size(x)];
  launch(backend, {
    name: 'normGradient',
    writes,
    reads,
    integers: { count, channels: step },
    vectors: wide,
    groups: grid(count),
    main: () => /* wgsl */ `${INDEX}
  let c = i % u.channels;
  let z = ${reads.y ? 'select(number(0.0), dy[i], y[i] > number(0.0))' : 'dy[i]'};
  ${writes.dz ? 'dz[i] = z;' : ''}
  dx[i] = factors[c] * z + factors[u.channels + c] * (x[i] - factors[3 * u.channels + c]) + factors[2 * u.channels + c];`,
  });
}

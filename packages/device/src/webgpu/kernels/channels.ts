/**
 * Sums of each channel over all rows of images, in two shaders: blocks of rows are summed up, then
 * the blocks. What batch normalization is
 * made of.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { type Kernel, launch, output, type Shader, scratch } from './launch';

/** A workgroup's threads: adjacent channels, as they lie in memory, times rows. */
export const [ACROSS, DOWN] = [32, 8];
/** Rows that a thread holds at a time. */
export const HELD = 8;
const MOST_BLOCKS = 256;

export interface Rows {
  rows: number;
  channels: number;
  /** Rows of a block. */
  block: number;
  blocks: number;
}

export function rowsOf({ shape }: TensorInfo): Rows {
  const channels = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, n) => product * n, 1);
  const block = Math.max(DOWN * HELD, Math.ceil(rows / MOST_BLOCKS));
  return { rows, channels, block, blocks: Math.max(1, Math.ceil(rows / block)) };
}

/** The two shaders that lead to sums: one over the rows of each block, one over the blocks. */
export const overBlocks = ({ rows, channels, block, blocks }: Rows) => ({
  integers: { rows, channels, block, blocks },
  groups: [Math.ceil(channels / ACROSS), blocks] as const,
});
export const overChannels = (rows: Rows) => ({
  ...overBlocks(rows),
  groups: [Math.ceil(rows.channels / ACROSS), 1] as const,
});

/** A thread's channel and row, in the first shader and in the second. */
export const PLACE = /* wgsl */ `
  let c = i32(group.x) * ${ACROSS} + i32(lane % ${ACROSS}u);
  let down = i32(lane / ${ACROSS}u);
  let inside = c < u.channels;`;
export const BLOCK = /* wgsl */ `
  let first = i32(group.y) * u.block;
  let end = min(first + u.block, u.rows);
  let partial = i32(group.y) * u.channels + c;
  let plane = u.blocks * u.channels;`;

/** Two sums of each channel over the rows of a workgroup's threads. */
export const SUMS = /* wgsl */ `
var<workgroup> shared_sums: array<vec2<f32>, ${ACROSS * DOWN}>;
fn reduce(mine: vec2<f32>, lane: u32) -> vec2<f32> {
  shared_sums[lane] = mine;
  for (var half = ${(ACROSS * DOWN) / 2}u; half >= ${ACROSS}u; half /= 2u) {
    workgroupBarrier();
    if (lane < half) { shared_sums[lane] += shared_sums[lane + half]; }
  }
  return shared_sums[lane];
}`;

/**
 * Sums over the rows of each block, `[planes, blocks, channels]`. @param each WGSL: the numbers of
 * row `row`, at `at`
 */
export const sumsOfBlocks = (
  x: TensorInfo,
  partials: TensorInfo,
  {
    name,
    reads,
    each,
    planes,
  }: { name: string; reads: Shader['reads']; each: string; planes: 1 | 2 },
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
export const sumBlocks = (planes: 1 | 2) => /* wgsl */ `${PLACE}
  var mine = vec2<f32>(0.0);
  for (var b = down; b < u.blocks && inside; b += ${DOWN}) {
    let at = b * u.channels + c;
    let second = ${planes === 2 ? 'partials[u.blocks * u.channels + at]' : '0.0'};
    mine += vec2<f32>(partials[at], second);
  }
  let all = reduce(mine, lane);`;

/** {x} → the sum of each channel, `[channels]`. */
export const channelSums: Kernel<'deepend.channelSums'> = {
  run({ backend, inputs: { x } }) {
    const rows = rowsOf(x);
    const sums = output(backend, [rows.channels]);
    scratch(backend, rows.blocks * rows.channels, (partials) => {
      launch(
        backend,
        sumsOfBlocks(x, partials, {
          name: 'channelSumsOfBlocks',
          reads: { x },
          each: 'mine.x += x[at];',
          planes: 1,
        }),
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
    return [sums];
  },
};

/**
 * Grouped convolution over few channels, through gathered windows of one group each; see
 * assembly/conv-groups.ts.
 */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { GroupArgs } from '../generated/bindings';
import { FEW_CHANNELS } from '../limits';
import { type Finish, sumPartials } from './conv-direct';
import { type PaddedImages, WINDOW_LIMIT, windowArgs, withPadding } from './conv-gather';
import { flipGeometry, type Geometry } from './conv-geometry';
import { countPanels, panelColumns } from './matmul';

const FLOAT_BYTES = 4;
/** Positions of a tile. */
const ROW_BLOCK = 60;
/** Fewest tiles of a job: enough for every thread to have about the same work. */
const MIN_TILES = 32;

/** Whether groups are convolved where they are. */
export const shouldGatherGroups = (g: Geometry, groups: number): boolean =>
  g.channels / groups <= FEW_CHANNELS &&
  (g.kernelHeight * g.kernelWidth * g.channels) / groups <= WINDOW_LIMIT;

/** Fewest output channels of a tile: a cache line, so that threads do not write to the same one. */
const LINE = 16;

/** Groups that fill a cache line. */
const lineGroups = (g: Geometry, groups: number) => Math.ceil((LINE * groups) / g.outChannels);

/** Groups of one tile, if there are `blocks` blocks of positions. */
function chooseGroupBlock(g: Geometry, groups: number, blocks: number): number {
  const line = lineGroups(g, groups);
  const parts = Math.ceil(MIN_TILES / blocks);
  return Math.min(groups, Math.ceil(groups / parts / line) * line);
}

type Part = Pick<GroupArgs, 'out'> & Partial<GroupArgs>;

function groupArgs(g: Geometry, images: PaddedImages, groups: number, part: Part): GroupArgs {
  const { row, ...windows } = windowArgs(g, images);
  const { groupBlock = groups } = part;
  return {
    ...windows,
    kernelColumns: g.kernelWidth,
    kernelStepY: g.dilationY * row,
    kernelStepX: g.dilationX * g.channels,
    groups,
    groupBlock,
    groupBlocks: Math.ceil(groups / groupBlock),
    channels: g.channels / groups,
    columns: g.outChannels / groups,
    rowBlock: ROW_BLOCK,
    panels: 0,
    bias: 0,
    activation: 0,
    dy: 0,
    partials: 0,
    partialStride: 0,
    ...part,
  };
}

/** A group's matrices of the filter, one for each tap: k × columns. Strides are in floats. */
interface GroupMatrices {
  at: number;
  kStride: number;
  nStride: number;
  /** From one group's matrix to the next one's, and from one tap's to the next one's. */
  groupStride: number;
  tapStride: number;
  taps: readonly number[];
}

/** Calls `use` with the panels of all groups: [group][panel][tap][k][columns of a panel]. */
function withGroupPanels(
  backend: SimdBackend,
  size: { groups: number; k: number; columns: number },
  { matrices, use }: { matrices: GroupMatrices; use: (panels: number) => void },
): void {
  const { groups, k, columns } = size;
  const panels = countPanels(columns);
  const tapBytes = k * panelColumns() * FLOAT_BYTES;
  const panelBytes = matrices.taps.length * tapBytes;
  backend.temporary(groups * panels * panelBytes, (out) => {
    matrices.taps.forEach((tap, i) => {
      backend.launch(
        Task.PackB,
        {
          b: matrices.at + tap * matrices.tapStride * FLOAT_BYTES,
          out: out + i * tapBytes,
          k,
          columns,
          kStride: matrices.kStride,
          nStride: matrices.nStride,
          panels,
          matrixStride: matrices.groupStride,
          list: 0,
          outMatrix: panels * panelBytes,
          outPanel: panelBytes,
        },
        groups * panels,
      );
    });
    use(out);
  });
}

function runGroups(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; out: number; groups: number; matrices: GroupMatrices } & Finish,
): void {
  const { groups, out, matrices, bias = 0, activation = 0 } = at;
  const blocks = Math.ceil((g.batch * g.outHeight * g.outWidth) / ROW_BLOCK);
  const groupBlock = chooseGroupBlock(g, groups, blocks);
  const size = { groups, k: g.channels / groups, columns: g.outChannels / groups };
  withGroupPanels(backend, size, {
    matrices,
    use: (panels) =>
      withPadding(backend, g, {
        x: at.x,
        use(images) {
          const part = { groupBlock, panels, out, bias, activation };
          const args = groupArgs(g, images, groups, part);
          backend.launch(Task.ConvGroups, args, blocks * args.groupBlocks);
        },
      }),
  });
}

const countTaps = (g: Geometry) => g.kernelHeight * g.kernelWidth;

export function convGroups(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number; groups: number } & Finish,
): void {
  const channels = g.channels / at.groups;
  const matrices = {
    at: at.filter,
    kStride: g.outChannels,
    nStride: 1,
    groupStride: g.outChannels / at.groups,
    tapStride: channels * g.outChannels,
    taps: Array.from({ length: countTaps(g) }, (_, tap) => tap),
  };
  runGroups(backend, g, { ...at, matrices });
}

/** dx, at stride 1: the convolution of dy with the filter rotated by 180°, group by group. */
export function inputGradientGroups(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number; groups: number },
): void {
  const matrices = {
    at: at.filter,
    kStride: 1,
    nStride: g.outChannels,
    groupStride: g.outChannels / at.groups,
    tapStride: (g.channels / at.groups) * g.outChannels,
    taps: Array.from({ length: countTaps(g) }, (_, tap) => countTaps(g) - 1 - tap),
  };
  const { dy: x, out, groups } = at;
  runGroups(backend, flipGeometry(g), { x, out, groups, matrices });
}

/** dW: sums over positions, cut into partial sums. Their number depends only on the shape. */
export function filterGradientGroups(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number; groups: number },
): void {
  const { dy, groups } = at;
  const positions = g.batch * g.outHeight * g.outWidth;
  const lines = Math.ceil(groups / lineGroups(g, groups));
  const partials = Math.min(Math.ceil(positions / 512), Math.ceil(MIN_TILES / lines));
  const groupBlock = chooseGroupBlock(g, groups, partials);
  const partialStride = (countTaps(g) * g.channels * g.outChannels) / groups;
  withPadding(backend, g, {
    x: at.x,
    use: (images) =>
      sumPartials(backend, { partials, count: partialStride, out: at.out }, (out) => {
        const part = { groupBlock, out, dy, partials, partialStride };
        const args = groupArgs(g, images, groups, part);
        backend.launch(Task.ConvFilterGroups, args, partials * args.groupBlocks);
      }),
  });
}

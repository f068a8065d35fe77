/**
 * Convolution over few channels and its gradients, through gathered windows; see
 * assembly/conv-gather.ts.
 */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { GatherArgs } from '../generated/bindings';
import { FEW_CHANNELS } from '../limits';
import { chooseBlocks, type Finish, sumPartials } from './conv-direct';
import { flipGeometry, type Geometry, listTaps, paddedSize } from './conv-geometry';
import { countPanels, withPanels } from './matmul';

/** Maximum number of floats in a window: a thread's scratch memory has room for 128 windows. */
export const WINDOW_LIMIT = 4096;

/** Whether each window should be gathered into one row first, with zeros for padding. */
export const shouldGather = (g: Geometry): boolean =>
  g.channels < FEW_CHANNELS &&
  g.kernelHeight * g.kernelWidth > 1 &&
  g.dilationX === 1 &&
  g.kernelHeight * g.kernelWidth * g.channels <= WINDOW_LIMIT;

/**
 * Whether dx should be computed as a convolution of dy with gathered windows. The stride must be 1
 * and the padding of dy must not be negative.
 */
export function shouldGatherInputGradient(g: Geometry): boolean {
  if (g.strideY !== 1 || g.strideX !== 1) return false;
  const flipped = flipGeometry(g);
  return flipped.padTop >= 0 && flipped.padLeft >= 0 && shouldGather(flipped);
}

export interface PaddedImages {
  at: number;
  height: number;
  width: number;
}

/** Calls `use` with images that contain their padding: a copy, or x itself if there is none. */
export function withPadding(
  backend: SimdBackend,
  g: Geometry,
  { x, use }: { x: number; use: (images: PaddedImages) => void },
): void {
  const { height, width } = paddedSize(g);
  if (height === g.height && width === g.width) {
    use({ at: x, height, width });
    return;
  }
  const { channels } = g;
  backend.temporary(g.batch * height * width * channels * 4, (at) => {
    backend.launch(
      Task.PadImages,
      {
        x,
        out: at,
        height: g.height,
        row: g.width * channels,
        outHeight: height,
        outRow: width * channels,
        top: g.padTop,
        left: g.padLeft * channels,
      },
      g.batch,
    );
    use({ at, height, width });
  });
}

/** Arguments that the forward pass and the filter's gradient set in different ways. */
type Part = Pick<
  GatherArgs,
  | 'rowBlock'
  | 'panelBlock'
  | 'panels'
  | 'out'
  | 'bias'
  | 'activation'
  | 'dy'
  | 'partials'
  | 'partialStride'
>;

/** Where the windows of the padded images begin. `row`: floats of one row. */
export function windowArgs(g: Geometry, images: PaddedImages) {
  const row = images.width * g.channels;
  return {
    source: images.at,
    image: images.height * row,
    row,
    gridHeight: g.outHeight,
    gridWidth: g.outWidth,
    batch: g.batch,
    stepY: g.strideY * row,
    stepX: g.strideX * g.channels,
    kernelRows: g.kernelHeight,
  };
}

function gatherArgs(g: Geometry, images: PaddedImages, part: Part): GatherArgs {
  const windows = windowArgs(g, images);
  const { row } = windows;
  return {
    ...windows,
    kernelStep: g.dilationY * row,
    run: g.kernelWidth * g.channels,
    outChannels: g.outChannels,
    rowBlock: part.rowBlock,
    panelBlock: part.panelBlock,
    panelBlocks: Math.ceil(countPanels(g.outChannels) / part.panelBlock),
    panels: part.panels,
    out: part.out,
    bias: part.bias,
    activation: part.activation,
    dy: part.dy,
    partials: part.partials,
    partialStride: part.partialStride,
  };
}

interface FilterMatrices {
  at: number;
  kStride: number;
  nStride: number;
  /** The kernel's taps in the order of the window. */
  list: number[];
}

function runGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; out: number; filter: FilterMatrices } & Finish,
): void {
  const { filter, out, bias = 0, activation = 0 } = at;
  const rows = g.batch * g.outHeight * g.outWidth;
  const { rowBlock, panelBlock } = chooseBlocks(rows, g.outChannels);
  const matrices = {
    b: filter.at,
    count: filter.list.length,
    k: g.channels,
    columns: g.outChannels,
    kStride: filter.kStride,
    nStride: filter.nStride,
    matrixStride: g.channels * g.outChannels,
    list: filter.list,
    joined: true,
  };
  const rest = { dy: 0, partials: 0, partialStride: 0 };
  withPanels(backend, matrices, (panels) =>
    withPadding(backend, g, {
      x: at.x,
      use(images) {
        const part = { ...rest, rowBlock, panelBlock, panels, out, bias, activation };
        const panelBlocks = Math.ceil(countPanels(g.outChannels) / panelBlock);
        backend.launch(
          Task.ConvGather,
          gatherArgs(g, images, part),
          Math.ceil(rows / rowBlock) * panelBlocks,
        );
      },
    }),
  );
}

export function convGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number } & Finish,
): void {
  const list = listTaps(g).map(({ matrix }) => matrix);
  runGathered(backend, g, {
    x: at.x,
    out: at.out,
    filter: { at: at.filter, kStride: g.outChannels, nStride: 1, list },
    bias: at.bias,
    activation: at.activation,
  });
}

export function inputGradientGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  const list = listTaps(g)
    .map(({ matrix }) => matrix)
    .reverse();
  runGathered(backend, flipGeometry(g), {
    x: at.dy,
    out: at.out,
    filter: { at: at.filter, kStride: 1, nStride: g.outChannels, list },
  });
}

/** dW: sums over positions, cut into partial sums. Their number depends only on the shape. */
export function filterGradientGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number },
): void {
  const positions = g.batch * g.outHeight * g.outWidth;
  const panelBlock = Math.min(countPanels(g.outChannels), 32);
  const panelBlocks = Math.ceil(countPanels(g.outChannels) / panelBlock);
  const partials = Math.max(1, Math.min(Math.ceil(positions / 512), Math.ceil(32 / panelBlocks)));
  const partialStride = g.kernelHeight * g.kernelWidth * g.channels * g.outChannels;
  const rest = { rowBlock: 0, panels: 0, bias: 0, activation: 0 };
  withPadding(backend, g, {
    x: at.x,
    use: (images) =>
      sumPartials(backend, { partials, count: partialStride, out: at.out }, (out) => {
        const part = { ...rest, panelBlock, out, dy: at.dy, partials, partialStride };
        backend.launch(Task.ConvFilterGather, gatherArgs(g, images, part), partials * panelBlocks);
      }),
  });
}

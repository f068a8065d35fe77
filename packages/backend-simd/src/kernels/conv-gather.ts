/**
 * Convolution over few channels and its gradients, by gathered windows: see
 * assembly/conv-gather.ts.
 */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { blocks, type Finish, sumPartials } from './conv-direct';
import { type Geometry, paddedSize, tapsOf } from './conv-geometry';
import { panelsOf, withPanels } from './matmul';

/** A gathered window's floats, of which a thread's scratch memory holds 128. */
const WINDOW_LIMIT = 4096;
/** From so many channels on, the product of one tap alone is long enough. */
const FEW_CHANNELS = 32;

/** Whether a window is gathered into one row first, zeros where it sticks out of the image. */
export const gathers = (g: Geometry): boolean =>
  g.channels < FEW_CHANNELS &&
  g.dilationX === 1 &&
  g.kernelHeight * g.kernelWidth * g.channels <= WINDOW_LIMIT;

/**
 * Whether dx is a convolution of dy whose windows are gathered: at stride 1, where dy's padding is
 * not negative.
 */
export const gathersInputGradient = (g: Geometry): boolean =>
  g.strideY === 1 &&
  g.strideX === 1 &&
  turned(g).padTop >= 0 &&
  turned(g).padLeft >= 0 &&
  gathers(turned(g));

/** dx as a convolution: of dy, with the filter turned by 180° and its channels swapped. */
const turned = (g: Geometry): Geometry => ({
  ...g,
  ...{
    height: g.outHeight,
    width: g.outWidth,
    outHeight: g.height,
    outWidth: g.width,
    channels: g.columns,
    columns: g.channels,
  },
  padTop: (g.kernelHeight - 1) * g.dilationY - g.padTop,
  padLeft: (g.kernelWidth - 1) * g.dilationX - g.padLeft,
});

/**
 * Calls `use` with images whose padding is in memory, and with their size: the source itself where
 * it needs none.
 */
function withPadding(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; use: (x: number, height: number, width: number) => void },
) {
  const { height, width } = paddedSize(g);
  if (height === g.height && width === g.width) return at.use(at.x, height, width);
  const { channels } = g;
  return backend.temporary(g.images * height * width * channels * 4, (padded) => {
    const words = [
      at.x,
      padded,
      g.height,
      g.width * channels,
      height,
      width * channels,
      g.padTop,
      g.padLeft * channels,
    ];
    backend.launch(Task.PadImages, words, g.images);
    at.use(padded, height, width);
  });
}

interface Gather {
  x: number;
  height: number;
  width: number;
  rowBlock: number;
  panelBlock: number;
  forward?: { panels: number; out: number } & Finish;
  gradient?: { dy: number; out: number; partials: number; partialStride: number };
}

function words(
  g: Geometry,
  { x, height, width, rowBlock, panelBlock, forward, gradient }: Gather,
): number[] {
  const row = width * g.channels;
  const list = [
    x,
    height * row,
    row,
    g.outHeight,
    g.outWidth,
    g.images,
    g.strideY * row,
    g.strideX * g.channels,
  ];
  list.push(g.kernelHeight, g.dilationY * row, g.kernelWidth * g.channels, g.columns);
  list.push(rowBlock, panelBlock, Math.ceil(panelsOf(g.columns) / panelBlock));
  list.push(
    forward?.panels ?? 0,
    forward?.out ?? gradient?.out ?? 0,
    forward?.bias ?? 0,
    forward?.activation ?? 0,
  );
  return [...list, gradient?.dy ?? 0, gradient?.partials ?? 0, gradient?.partialStride ?? 0];
}

interface PackedFilter {
  at: number;
  kStride: number;
  nStride: number;
  /** The kernel's places in the order of the window. */
  list: number[];
}

function run(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; out: number; filter: PackedFilter } & Finish,
): void {
  const { filter, bias, activation } = at;
  const rows = g.images * g.outHeight * g.outWidth;
  const [rowBlock, panelBlock] = blocks(rows, g.columns);
  const { kStride, nStride, list } = filter;
  const matrix = {
    b: filter.at,
    count: list.length,
    k: g.channels,
    columns: g.columns,
    kStride,
    nStride,
    list,
  };
  withPanels(backend, { ...matrix, matrixStride: g.channels * g.columns, joined: true }, (panels) =>
    withPadding(backend, g, {
      x: at.x,
      use(x, height, width) {
        const forward = { panels, out: at.out, bias, activation };
        const tiles = Math.ceil(rows / rowBlock) * Math.ceil(panelsOf(g.columns) / panelBlock);
        backend.launch(
          Task.ConvGather,
          words(g, { x, height, width, rowBlock, panelBlock, forward }),
          tiles,
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
  const list = tapsOf(g).map(({ matrix }) => matrix);
  run(backend, g, { ...at, filter: { at: at.filter, kStride: g.columns, nStride: 1, list } });
}

export function inputGradientGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  const list = tapsOf(g)
    .map(({ matrix }) => matrix)
    .reverse();
  run(backend, turned(g), {
    x: at.dy,
    out: at.out,
    filter: { at: at.filter, kStride: 1, nStride: g.columns, list },
  });
}

/** dW: sums over positions, cut into pieces by shape alone. */
export function filterGradientGathered(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number },
): void {
  const positions = g.images * g.outHeight * g.outWidth;
  const panelBlock = Math.min(panelsOf(g.columns), 32);
  const panelBlocks = Math.ceil(panelsOf(g.columns) / panelBlock);
  const partials = Math.max(1, Math.min(Math.ceil(positions / 512), Math.ceil(32 / panelBlocks)));
  const partialStride = g.kernelHeight * g.kernelWidth * g.channels * g.columns;
  withPadding(backend, g, {
    x: at.x,
    use: (x, height, width) =>
      sumPartials(backend, { partials, count: partialStride, out: at.out }, (out) => {
        const gradient = { dy: at.dy, out, partials, partialStride };
        const list = words(g, { x, height, width, rowBlock: 0, panelBlock, gradient });
        backend.launch(Task.ConvFilterGather, list, partials * panelBlocks);
      }),
  });
}

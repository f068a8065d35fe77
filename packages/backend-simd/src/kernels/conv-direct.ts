/**
 * Convolution and its gradients without Winograd's transforms; see assembly/conv.ts and
 * assembly/conv-filter.ts.
 */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { countHits, type Geometry, listTaps, type Tap } from './conv-geometry';
import { countPanels, withPanels } from './matmul';

/** What happens to each output: an address of a bias (0: none), and an activation code. */
export interface Finish {
  bias?: number;
  activation?: number;
}

/** The taps as the kernels read them: (y, x, matrix) each. */
const tapWords = (taps: readonly Tap[], matrix: (tap: Tap, i: number) => number) =>
  taps.flatMap((tap, i) => [tap.y, tap.x, matrix(tap, i)]);

/** Positions to compute: source pixels between them, and strides of the output in floats. */
interface Grid {
  height: number;
  width: number;
  strideY: number;
  strideX: number;
  outImage: number;
  outRow: number;
  outColumn: number;
  outOffset: number;
}

interface Source {
  at: number;
  batch: number;
  height: number;
  width: number;
  channels: number;
}

interface Filter {
  at: number;
  outChannels: number;
  kStride: number;
  nStride: number;
  matrixStride: number;
}

const meetsData = (tap: Tap, source: Source, grid: Grid) =>
  countHits(tap.y, { stride: grid.strideY, size: source.height, count: grid.height }) > 0 &&
  countHits(tap.x, { stride: grid.strideX, size: source.width, count: grid.width }) > 0;

/** Rows and panels of a tile. Depends only on the shape. */
export function chooseBlocks(
  rows: number,
  outChannels: number,
): { rowBlock: number; panelBlock: number } {
  const rowBlock = rows >= 1920 ? 120 : rows >= 480 ? 60 : 30;
  const panels = countPanels(outChannels);
  // A thread's scratch memory has room for a block of at most 64 panels.
  const parts = Math.min(
    panels,
    Math.max(1, Math.ceil(16 / Math.ceil(rows / rowBlock)), Math.ceil(panels / 64)),
  );
  return { rowBlock, panelBlock: Math.ceil(panels / parts) };
}

function runTaps(
  backend: SimdBackend,
  job: { source: Source; filter: Filter; grid: Grid; taps: Tap[]; out: number } & Finish,
): void {
  const { source, filter, grid, out, bias = 0, activation = 0 } = job;
  const { outChannels } = filter;
  if (grid.height <= 0 || grid.width <= 0) return;
  const taps = job.taps.filter((tap) => meetsData(tap, source, grid));
  const rows = source.batch * grid.height * grid.width;
  const { rowBlock, panelBlock } = chooseBlocks(rows, outChannels);
  const panelBlocks = Math.ceil(countPanels(outChannels) / panelBlock);
  const launch = (panels: number, tapsAt: number) =>
    backend.launch(
      Task.ConvDirect,
      {
        source: source.at,
        panels,
        out,
        bias,
        taps: tapsAt,
        tapCount: taps.length,
        height: source.height,
        width: source.width,
        channels: source.channels,
        gridHeight: grid.height,
        gridWidth: grid.width,
        batch: source.batch,
        strideY: grid.strideY,
        strideX: grid.strideX,
        outImage: grid.outImage,
        outRow: grid.outRow,
        outColumn: grid.outColumn,
        outOffset: grid.outOffset,
        outChannels,
        rowBlock,
        panelBlock,
        panelBlocks,
        activation,
      },
      Math.ceil(rows / rowBlock) * panelBlocks,
    );
  if (taps.length === 0) {
    launch(0, 0);
    return;
  }
  const matrices = {
    b: filter.at,
    count: taps.length,
    k: source.channels,
    columns: outChannels,
    kStride: filter.kStride,
    nStride: filter.nStride,
    matrixStride: filter.matrixStride,
    list: taps.map((tap) => tap.matrix),
  };
  withPanels(backend, matrices, (panels) =>
    backend.words(
      tapWords(taps, (_, i) => i),
      (tapsAt) => launch(panels, tapsAt),
    ),
  );
}

export function convDirect(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number } & Finish,
): void {
  const { outChannels, outWidth } = g;
  runTaps(backend, {
    source: { at: at.x, batch: g.batch, height: g.height, width: g.width, channels: g.channels },
    filter: {
      at: at.filter,
      outChannels,
      kStride: outChannels,
      nStride: 1,
      matrixStride: g.channels * outChannels,
    },
    grid: {
      height: g.outHeight,
      width: outWidth,
      strideY: g.strideY,
      strideX: g.strideX,
      outImage: g.outHeight * outWidth * outChannels,
      outRow: outWidth * outChannels,
      outColumn: outChannels,
      outOffset: 0,
    },
    taps: listTaps(g),
    out: at.out,
    bias: at.bias,
    activation: at.activation,
  });
}

/**
 * dx: pixels with equal coordinates modulo the stride meet the same taps, so each such sub-pixel
 * class is a dense convolution of dy.
 */
export function inputGradientDirect(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  const { channels, width } = g;
  const floorMod = (a: number, b: number) => ((a % b) + b) % b;
  for (let cy = 0; cy < Math.min(g.strideY, g.height); cy++) {
    for (let cx = 0; cx < Math.min(g.strideX, width); cx++) {
      const taps = listTaps(g)
        .filter(
          ({ y, x }) => floorMod(cy - y, g.strideY) === 0 && floorMod(cx - x, g.strideX) === 0,
        )
        .map(({ y, x, matrix }) => ({ y: (cy - y) / g.strideY, x: (cx - x) / g.strideX, matrix }));
      runTaps(backend, {
        source: {
          at: at.dy,
          batch: g.batch,
          height: g.outHeight,
          width: g.outWidth,
          channels: g.outChannels,
        },
        filter: {
          at: at.filter,
          outChannels: channels,
          kStride: 1,
          nStride: g.outChannels,
          matrixStride: channels * g.outChannels,
        },
        grid: {
          height: Math.ceil((g.height - cy) / g.strideY),
          width: Math.ceil((width - cx) / g.strideX),
          strideY: 1,
          strideX: 1,
          outImage: g.height * width * channels,
          outRow: g.strideY * width * channels,
          outColumn: g.strideX * channels,
          outOffset: (cy * width + cx) * channels,
        },
        taps,
        out: at.out,
      });
    }
  }
}

/** Input channels that a tile of a filter's gradient takes at most. */
const FILTER_ROWS = 128;

/** Input channels of one tile: about equal parts of a multiple of 6. */
function filterRows(channels: number): number {
  const parts = Math.ceil(channels / FILTER_ROWS);
  return parts === 1 ? channels : Math.ceil(channels / parts / 6) * 6;
}

/** dW: sums over pixels, cut into partial sums. Their number depends only on the shape. */
export function filterGradientDirect(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number },
): void {
  const taps = listTaps(g);
  const rowBlock = filterRows(g.channels);
  const rowBlocks = Math.ceil(g.channels / rowBlock);
  const panelBlock = Math.min(countPanels(g.outChannels), 32);
  const panelBlocks = Math.ceil(countPanels(g.outChannels) / panelBlock);
  const perPartial = taps.length * rowBlocks * panelBlocks;
  const pixels = g.batch * g.outHeight * g.outWidth;
  const partials = Math.max(1, Math.min(Math.ceil(pixels / 512), Math.ceil(32 / perPartial)));
  const count = taps.length * g.channels * g.outChannels;
  const list = tapWords(taps, ({ matrix }) => matrix);
  sumPartials(backend, { partials, count, out: at.out }, (out) =>
    backend.words(list, (tapsAt) =>
      backend.launch(
        Task.ConvFilter,
        {
          x: at.x,
          dy: at.dy,
          out,
          taps: tapsAt,
          tapCount: taps.length,
          height: g.height,
          width: g.width,
          channels: g.channels,
          gridHeight: g.outHeight,
          gridWidth: g.outWidth,
          batch: g.batch,
          strideY: g.strideY,
          strideX: g.strideX,
          outChannels: g.outChannels,
          rowBlock,
          rowBlocks,
          panelBlock,
          panelBlocks,
          partials,
          partialStride: count,
        },
        partials * perPartial,
      ),
    ),
  );
}

/** Lets `launch` write `partials` partial sums of `count` numbers each, and adds them in order. */
export function sumPartials(
  backend: SimdBackend,
  { partials, count, out }: { partials: number; count: number; out: number },
  launch: (out: number) => void,
): void {
  if (partials === 1) {
    launch(out);
    return;
  }
  backend.temporary(partials * count * 4, (source) => {
    launch(source);
    const block = 4096;
    backend.launch(
      Task.ReducePartials,
      { source, out, count, partials, stride: count, block },
      Math.ceil(count / block),
    );
  });
}

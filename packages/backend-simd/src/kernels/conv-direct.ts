/**
 * Convolution and its gradients without Winograd: see assembly/conv.ts and assembly/conv-filter.ts.
 */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { type Geometry, hits, type Tap, tapsOf } from './conv-geometry';
import { panelsOf, withPanels } from './matmul';

export interface Finish {
  bias?: number;
  activation?: number;
}

const words = (taps: readonly Tap[], matrix: (tap: Tap, i: number) => number) =>
  taps.flatMap((tap, i) => [tap.y, tap.x, matrix(tap, i)]);

/** Positions to compute, where they come from and where they go. */
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
  images: number;
  height: number;
  width: number;
  channels: number;
}

interface Filter {
  at: number;
  columns: number;
  kStride: number;
  nStride: number;
  matrixStride: number;
}

const meetsData = (tap: Tap, source: Source, grid: Grid) =>
  hits(tap.y, { stride: grid.strideY, size: source.height, count: grid.height }) > 0 &&
  hits(tap.x, { stride: grid.strideX, size: source.width, count: grid.width }) > 0;

/** Rows and panels of a tile, by shape alone. */
export function blocks(rows: number, columns: number): [rowBlock: number, panelBlock: number] {
  const rowBlock = rows >= 1920 ? 120 : rows >= 480 ? 60 : 30;
  const panels = panelsOf(columns);
  // A thread's scratch memory holds the block: at most 64 panels of it.
  const parts = Math.min(
    panels,
    Math.max(1, Math.ceil(16 / Math.ceil(rows / rowBlock)), Math.ceil(panels / 64)),
  );
  return [rowBlock, Math.ceil(panels / parts)];
}

function run(
  backend: SimdBackend,
  job: { source: Source; filter: Filter; grid: Grid; taps: Tap[]; out: number } & Finish,
): void {
  const { source, filter, grid, out } = job;
  if (grid.height <= 0 || grid.width <= 0) return;
  const taps = job.taps.filter((tap) => meetsData(tap, source, grid));
  const rows = source.images * grid.height * grid.width;
  const [rowBlock, panelBlock] = blocks(rows, filter.columns);
  const panelBlocks = Math.ceil(panelsOf(filter.columns) / panelBlock);
  const panels = {
    ...filter,
    b: filter.at,
    count: taps.length,
    k: source.channels,
    list: taps.map((tap) => tap.matrix),
  };
  const launch = (packed: number, list: number) => {
    const args = [
      source.at,
      packed,
      out,
      job.bias ?? 0,
      list,
      taps.length,
      source.height,
      source.width,
      source.channels,
    ];
    args.push(grid.height, grid.width, source.images, grid.strideY, grid.strideX);
    args.push(grid.outImage, grid.outRow, grid.outColumn, grid.outOffset, filter.columns);
    args.push(rowBlock, panelBlock, panelBlocks, job.activation ?? 0);
    backend.launch(Task.ConvDirect, args, Math.ceil(rows / rowBlock) * panelBlocks);
  };
  if (taps.length === 0) launch(0, 0);
  else
    withPanels(backend, panels, (packed) =>
      backend.words(
        words(taps, (_, i) => i),
        (list) => launch(packed, list),
      ),
    );
}

export function convByTaps(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number } & Finish,
): void {
  const { columns, outWidth } = g;
  run(backend, {
    source: { at: at.x, images: g.images, height: g.height, width: g.width, channels: g.channels },
    filter: {
      at: at.filter,
      columns,
      kStride: columns,
      nStride: 1,
      matrixStride: g.channels * columns,
    },
    grid: {
      height: g.outHeight,
      width: outWidth,
      strideY: g.strideY,
      strideX: g.strideX,
      outImage: g.outHeight * outWidth * columns,
      outRow: outWidth * columns,
      outColumn: columns,
      outOffset: 0,
    },
    taps: tapsOf(g),
    out: at.out,
    bias: at.bias,
    activation: at.activation,
  });
}

/**
 * dx: pixels that lie alike to the stride's grid meet the same taps, so each such class is a dense
 * convolution of dy.
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
      const taps = tapsOf(g)
        .filter(
          ({ y, x }) => floorMod(cy - y, g.strideY) === 0 && floorMod(cx - x, g.strideX) === 0,
        )
        .map(({ y, x, matrix }) => ({ y: (cy - y) / g.strideY, x: (cx - x) / g.strideX, matrix }));
      run(backend, {
        source: {
          at: at.dy,
          images: g.images,
          height: g.outHeight,
          width: g.outWidth,
          channels: g.columns,
        },
        filter: {
          at: at.filter,
          columns: channels,
          kStride: 1,
          nStride: g.columns,
          matrixStride: channels * g.columns,
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

/** dW: sums over pixels, cut into pieces by shape alone. */
export function filterGradientDirect(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number },
): void {
  const taps = tapsOf(g);
  const rowBlock = Math.min(g.channels, 48);
  const rowBlocks = Math.ceil(g.channels / rowBlock);
  const panelBlock = Math.min(panelsOf(g.columns), 32);
  const panelBlocks = Math.ceil(panelsOf(g.columns) / panelBlock);
  const perPartial = taps.length * rowBlocks * panelBlocks;
  const pixels = g.images * g.outHeight * g.outWidth;
  const partials = Math.max(1, Math.min(Math.ceil(pixels / 512), Math.ceil(32 / perPartial)));
  const count = taps.length * g.channels * g.columns;
  const list = words(taps, ({ matrix }) => matrix);
  sumPartials(backend, { partials, count, out: at.out }, (out) =>
    backend.words(list, (places) => {
      const args = [at.x, at.dy, out, places, taps.length, g.height, g.width, g.channels];
      args.push(g.outHeight, g.outWidth, g.images, g.strideY, g.strideX, g.columns);
      args.push(rowBlock, rowBlocks, panelBlock, panelBlocks, partials, count);
      backend.launch(Task.ConvFilter, args, partials * perPartial);
    }),
  );
}

/** Lets `launch` write so many partial sums of `count` numbers, and adds them up in order. */
export function sumPartials(
  backend: SimdBackend,
  { partials, count, out }: { partials: number; count: number; out: number },
  launch: (out: number) => void,
): void {
  if (partials === 1) launch(out);
  else
    backend.temporary(partials * count * 4, (sums) => {
      launch(sums);
      const block = 4096;
      backend.launch(
        Task.ReducePartials,
        [sums, out, count, partials, count, block],
        Math.ceil(count / block),
      );
    });
}

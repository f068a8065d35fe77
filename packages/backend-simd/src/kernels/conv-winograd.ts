/** 3×3 convolutions and their gradients through Winograd's F(4×4, 3×3): see assembly/winograd.ts. */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import type { Finish } from './conv-direct';
import type { Geometry } from './conv-geometry';
import { NR, panelsOf } from './matmul';

const PLANES = 36;
/** What a thread's tiles may take while they are transformed, multiplied and transformed back: a second-level cache. */
const CACHE_BYTES = 1_200_000;
/** What a chunk's planes may take where one block's do not fit. */
const CHUNK_BYTES = 16 << 20;

interface Source {
  at: number;
  images: number;
  height: number;
  width: number;
  channels: number;
}

interface Target extends Finish {
  at: number;
  height: number;
  width: number;
  columns: number;
  padTop: number;
  padLeft: number;
}

interface Filter {
  at: number;
  kStride: number;
  nStride: number;
  tapStride: number;
  flip: boolean;
}

export function convWinograd(backend: SimdBackend, g: Geometry, at: { x: number; filter: number; out: number } & Finish): void {
  const { columns, channels } = g;
  const source = { at: at.x, images: g.images, height: g.height, width: g.width, channels };
  const { padTop, padLeft } = g;
  const target = { ...at, at: at.out, height: g.outHeight, width: g.outWidth, columns, padTop, padLeft };
  convolve(backend, source, {
    target,
    filter: { at: at.filter, kStride: columns, nStride: 1, tapStride: channels * columns, flip: false },
  });
}

/** dx is the convolution of dy with the filter turned by 180° and its channels swapped. */
export function inputGradientWinograd(backend: SimdBackend, g: Geometry, at: { dy: number; filter: number; out: number }): void {
  const { columns, channels } = g;
  const source = { at: at.dy, images: g.images, height: g.outHeight, width: g.outWidth, channels: columns };
  const target = {
    at: at.out,
    height: g.height,
    width: g.width,
    columns: channels,
    padTop: 2 - g.padTop,
    padLeft: 2 - g.padLeft,
  };
  convolve(backend, source, {
    target,
    filter: { at: at.filter, kStride: 1, nStride: columns, tapStride: channels * columns, flip: true },
  });
}

function convolve(backend: SimdBackend, source: Source, { target, filter }: { target: Target; filter: Filter }): void {
  const { channels } = source;
  const panels = panelsOf(target.columns);
  backend.temporary(PLANES * panels * channels * NR * 4, (u) => {
    const { kStride, nStride, tapStride, flip } = filter;
    backend.launch(
      Task.TransformFilter,
      [filter.at, u, channels, target.columns, kStride, nStride, tapStride, flip ? 1 : 0, panels],
      panels,
    );
    const perTile = PLANES * 4 * (channels + panels * NR);
    const block = Math.floor(CACHE_BYTES / perTile / 6) * 6;
    if (block >= 30) inBlocks(backend, source, { target, u, block: Math.min(block, 60) });
    else inChunks(backend, source, { target, u, perTile });
  });
}

const tilesOf = ({ height, width }: { height: number; width: number }) => [Math.ceil(height / 4), Math.ceil(width / 4)] as const;

function windowWords(source: Source, target: Target, u: number, [tilesY, tilesX]: readonly [number, number]): number[] {
  const { images, height, width, channels } = source;
  const words = [source.at, u, target.at, target.bias ?? 0, images, height, width, channels];
  words.push(target.height, target.width, target.columns, target.padTop, target.padLeft, tilesY, tilesX);
  return words;
}

/** Each thread takes a block of tiles through all three steps while it lies in its cache. */
function inBlocks(
  backend: SimdBackend,
  source: Source,
  { target, u, block }: { target: Target; u: number; block: number },
): void {
  const tiles = tilesOf(target);
  const count = source.images * tiles[0] * tiles[1];
  const words = [...windowWords(source, target, u, tiles), block, target.activation ?? 0, 0, 0];
  backend.launch(Task.WinogradConv, words, Math.ceil(count / block));
}

/** Wide nets: a plane's filters are read once for many tiles, so the steps go one after the other over chunks of tiles. */
function inChunks(backend: SimdBackend, source: Source, job: { target: Target; u: number; perTile: number }): void {
  const { target, u, perTile } = job;
  const [tilesY, tilesX] = tilesOf(target);
  const tiles = source.images * tilesY * tilesX;
  const chunk = Math.min(tiles, Math.max(60, Math.floor(CHUNK_BYTES / perTile)));
  const { channels } = source;
  const panels = panelsOf(target.columns);
  backend.temporary(PLANES * 4 * chunk * channels + 64, (v) =>
    backend.temporary(PLANES * 4 * chunk * panels * NR + 64, (m) => {
      for (let first = 0; first < tiles; first += chunk) {
        const count = Math.min(chunk, tiles - first);
        tileWords(backend, source, { at: v, target, first, count });
        const rowBlock = count > 120 ? 120 : Math.max(6, Math.ceil(count / 6) * 6);
        const rowBlocks = Math.ceil(count / rowBlock);
        backend.launch(Task.WinogradProduct, [v, u, m, count, channels, panels, rowBlock, rowBlocks], PLANES * rowBlocks);
        const words = windowWords({ ...source, at: m }, target, u, [tilesY, tilesX]);
        backend.launch(Task.WinogradWrite, [...words, 4, target.activation ?? 0, first, count], Math.ceil(count / 4));
      }
    }),
  );
}

/** Transforms a chunk of input tiles into planes [36][count][channels]. */
function tileWords(
  backend: SimdBackend,
  source: Source,
  {
    at,
    target,
    first,
    count,
  }: { at: number; target: Pick<Target, 'height' | 'width' | 'padTop' | 'padLeft'>; first: number; count: number },
  stride = source.channels * 4,
): void {
  const [tilesY, tilesX] = tilesOf(target);
  const words = [source.at, at, source.height, source.width, source.channels, target.padTop, target.padLeft, tilesY, tilesX];
  backend.launch(Task.WinogradTiles, [...words, first, count, 8, stride, count * stride], Math.ceil(count / 8));
}

/** dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G, chunk by chunk of tiles, each plane summed by one thread in order. */
export function filterGradientWinograd(backend: SimdBackend, g: Geometry, at: { x: number; dy: number; out: number }): void {
  const { channels, columns } = g;
  const source = { at: at.x, images: g.images, height: g.height, width: g.width, channels };
  const target = { height: g.outHeight, width: g.outWidth, padTop: g.padTop, padLeft: g.padLeft };
  const [tilesY, tilesX] = tilesOf(target);
  const tiles = g.images * tilesY * tilesX;
  const stride = channels * 4 + 64; // not a power of two: rows fall into different cache sets
  const yTile = panelsOf(columns) * NR * 4;
  const chunk = Math.min(tiles, Math.max(64, Math.floor(CHUNK_BYTES / (PLANES * (stride + yTile)))));
  backend.temporary(PLANES * chunk * stride + 64, (v) =>
    backend.temporary(PLANES * chunk * yTile + 64, (y) =>
      backend.temporary(PLANES * channels * columns * 4, (u) => {
        for (let first = 0; first < tiles; first += chunk) {
          const count = Math.min(chunk, tiles - first);
          tileWords(backend, source, { at: v, target, first, count }, stride);
          const words = [at.dy, y, g.outHeight, g.outWidth, columns, 0, 0, tilesY, tilesX, first, count, 8, 32, count * yTile];
          backend.launch(Task.WinogradGradientTiles, words, Math.ceil(count / 8));
          const block = Math.min(channels, 96);
          const blocks = Math.ceil(channels / block);
          const sums = [
            v,
            y,
            u,
            count,
            channels,
            columns,
            stride,
            count * stride,
            count * yTile,
            first > 0 ? 1 : 0,
            block,
            blocks,
          ];
          backend.launch(Task.WinogradFilterProduct, sums, PLANES * blocks);
        }
        backend.launch(Task.UntransformFilter, [u, at.out, channels, columns], channels);
      }),
    ),
  );
}

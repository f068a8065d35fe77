/**
 * 3×3 convolutions and their gradients through Winograd's F(4×4, 3×3) and F(3×3, 3×3), and what
 * comes of it for 2×2 images: see assembly/winograd.ts.
 */
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import type { Finish } from './conv-direct';
import type { Geometry, TileSize } from './conv-geometry';
import { NR, panelsOf } from './matmul';

/**
 * What a thread's tiles may take while they are transformed, multiplied and transformed back: a
 * second-level cache.
 */
const CACHE_BYTES = 1_200_000;
/** What a chunk's planes may take where one block's do not fit. */
const CHUNK_BYTES = 16 << 20;
/** Tiles that one tile of a job transforms. */
const GROUP = 8;

/** The images that are cut into tiles. */
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
  tile: TileSize;
}

interface Filter {
  at: number;
  kStride: number;
  nStride: number;
  tapStride: number;
  flip: boolean;
}

type Tiled = { tile: TileSize };
type Cut = Pick<Target, 'height' | 'width' | 'padTop' | 'padLeft' | 'tile'>;

const planesOf = (tile: TileSize) => (tile === 2 ? 9 : (tile + 2) ** 2);
const tilesOf = ({ height, width, tile }: Cut): [down: number, across: number] => [
  Math.ceil(height / tile),
  Math.ceil(width / tile),
];

export function convWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number } & Finish & Tiled,
): void {
  const { columns, channels, padTop, padLeft } = g;
  const { bias, activation, tile } = at;
  const source = { at: at.x, images: g.images, height: g.height, width: g.width, channels };
  const target = {
    at: at.out,
    height: g.outHeight,
    width: g.outWidth,
    columns,
    padTop,
    padLeft,
    tile,
    bias,
    activation,
  };
  const filter = {
    at: at.filter,
    kStride: columns,
    nStride: 1,
    tapStride: channels * columns,
    flip: false,
  };
  convolve(backend, source, { target, filter });
}

/** dx is the convolution of dy with the filter turned by 180° and its channels swapped. */
export function inputGradientWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number } & Tiled,
): void {
  const { columns, channels } = g;
  const source = {
    at: at.dy,
    images: g.images,
    height: g.outHeight,
    width: g.outWidth,
    channels: columns,
  };
  const padding = { padTop: 2 - g.padTop, padLeft: 2 - g.padLeft };
  const target = {
    at: at.out,
    height: g.height,
    width: g.width,
    columns: channels,
    ...padding,
    tile: at.tile,
  };
  const filter = {
    at: at.filter,
    kStride: 1,
    nStride: columns,
    tapStride: channels * columns,
    flip: true,
  };
  convolve(backend, source, { target, filter });
}

function convolve(
  backend: SimdBackend,
  source: Source,
  { target, filter }: { target: Target; filter: Filter },
): void {
  const { channels } = source;
  const panels = panelsOf(target.columns);
  const planes = planesOf(target.tile);
  backend.temporary(planes * panels * channels * NR * 4, (u) => {
    const { at, kStride, nStride, tapStride, flip } = filter;
    const words = [
      at,
      u,
      channels,
      target.columns,
      kStride,
      nStride,
      tapStride,
      flip ? 1 : 0,
      panels,
      target.tile,
    ];
    backend.launch(Task.TransformFilter, words, panels);
    const perTile = planes * 4 * (channels + panels * NR);
    const block = Math.floor(CACHE_BYTES / perTile / 6) * 6;
    if (block >= 30) inBlocks(backend, source, { target, u, block: Math.min(block, 60) });
    else inChunks(backend, source, { target, u, perTile });
  });
}

function windowWords(source: Source, target: Target, u: number): number[] {
  const { images, height, width, channels } = source;
  const words = [source.at, u, target.at, target.bias ?? 0, images, height, width, channels];
  words.push(
    target.height,
    target.width,
    target.columns,
    target.padTop,
    target.padLeft,
    ...tilesOf(target),
    target.tile,
  );
  return words;
}

/** Each thread takes a block of tiles through all three steps while it lies in its cache. */
function inBlocks(
  backend: SimdBackend,
  source: Source,
  job: { target: Target; u: number; block: number },
): void {
  const { target, u, block } = job;
  const [tilesY, tilesX] = tilesOf(target);
  const words = [...windowWords(source, target, u), block, target.activation ?? 0, 0, 0];
  backend.launch(Task.WinogradConv, words, Math.ceil((source.images * tilesY * tilesX) / block));
}

/**
 * Wide nets: a plane's filters are read once for many tiles, so the steps go one after the other
 * over chunks of tiles.
 */
function inChunks(
  backend: SimdBackend,
  source: Source,
  job: { target: Target; u: number; perTile: number },
): void {
  const { target, u, perTile } = job;
  const [tilesY, tilesX] = tilesOf(target);
  const tiles = source.images * tilesY * tilesX;
  const chunk = Math.min(tiles, Math.max(60, Math.floor(CHUNK_BYTES / perTile)));
  const planes = planesOf(target.tile);
  const { channels } = source;
  const panels = panelsOf(target.columns);
  backend.temporary(planes * 4 * chunk * channels + 64, (v) =>
    backend.temporary(planes * 4 * chunk * panels * NR + 64, (m) => {
      for (let first = 0; first < tiles; first += chunk) {
        const count = Math.min(chunk, tiles - first);
        transformTiles(backend, source, { at: v, cut: target, first, count, stride: channels * 4 });
        const rowBlock = count > 120 ? 120 : Math.max(6, Math.ceil(count / 6) * 6);
        const rowBlocks = Math.ceil(count / rowBlock);
        backend.launch(
          Task.WinogradProduct,
          [v, u, m, count, channels, panels, rowBlock, rowBlocks],
          planes * rowBlocks,
        );
        const words = [
          ...windowWords({ ...source, at: m }, target, u),
          4,
          target.activation ?? 0,
          first,
          count,
        ];
        backend.launch(Task.WinogradWrite, words, Math.ceil(count / 4));
      }
    }),
  );
}

interface Chunk {
  at: number;
  cut: Cut;
  first: number;
  count: number;
  /** Bytes from one tile's channels to the next one's. */
  stride: number;
}

/** Transforms a chunk of input tiles into planes [planes][count][channels]. */
function transformTiles(
  backend: SimdBackend,
  source: Source,
  { at, cut, first, count, stride }: Chunk,
): void {
  const words = [
    source.at,
    at,
    source.height,
    source.width,
    source.channels,
    cut.padTop,
    cut.padLeft,
    ...tilesOf(cut),
    cut.tile,
  ];
  backend.launch(
    Task.WinogradTiles,
    [...words, first, count, GROUP, stride, count * stride],
    Math.ceil(count / GROUP),
  );
}

/**
 * dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G, chunk by chunk of tiles, each plane summed by one
 * thread in order.
 */
export function filterGradientWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number } & Tiled,
): void {
  const { channels, columns } = g;
  const { tile } = at;
  const source = { at: at.x, images: g.images, height: g.height, width: g.width, channels };
  const cut = {
    height: g.outHeight,
    width: g.outWidth,
    padTop: g.padTop,
    padLeft: g.padLeft,
    tile,
  };
  const [tilesY, tilesX] = tilesOf(cut);
  const tiles = g.images * tilesY * tilesX;
  const planes = planesOf(tile);
  const stride = channels * 4 + 64; // not a power of two: rows fall into different cache sets
  const yTile = panelsOf(columns) * NR * 4;
  const chunk = Math.min(
    tiles,
    Math.max(64, Math.floor(CHUNK_BYTES / (planes * (stride + yTile)))),
  );
  backend.temporary(planes * chunk * stride + 64, (v) =>
    backend.temporary(planes * chunk * yTile + 64, (y) =>
      backend.temporary(planes * channels * columns * 4, (u) => {
        for (let first = 0; first < tiles; first += chunk) {
          const count = Math.min(chunk, tiles - first);
          transformTiles(backend, source, { at: v, cut, first, count, stride });
          const words = [
            at.dy,
            y,
            g.outHeight,
            g.outWidth,
            columns,
            0,
            0,
            tilesY,
            tilesX,
            tile,
            first,
            count,
            GROUP,
            32,
          ];
          backend.launch(
            Task.WinogradGradientTiles,
            [...words, count * yTile],
            Math.ceil(count / GROUP),
          );
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
          backend.launch(Task.WinogradFilterProduct, sums, planes * blocks);
        }
        backend.launch(Task.UntransformFilter, [u, at.out, channels, columns, tile], channels);
      }),
    ),
  );
}

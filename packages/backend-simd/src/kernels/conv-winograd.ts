/**
 * 3×3 convolutions and their gradients through Winograd's F(4×4, 3×3) and F(3×3, 3×3), and a
 * variant for 2×2 images; see assembly/winograd.ts.
 */
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { WinogradArgs } from '../generated/bindings';
import { CACHE_BYTES, CHUNK_BYTES, MIN_BLOCK_TILES } from '../limits';
import type { Finish } from './conv-direct';
import type { Geometry, TileSize } from './conv-geometry';
import { countPanels, panelColumns } from './matmul';

/** Winograd tiles that one tile of a job transforms, and that one writes. */
const TRANSFORM_BLOCK = 8;
const WRITE_BLOCK = 4;

/** The images that are cut into tiles. */
interface Source {
  at: number;
  batch: number;
  height: number;
  width: number;
  channels: number;
}

/** How the output's positions are cut into tiles. */
interface Tiling {
  height: number;
  width: number;
  padTop: number;
  padLeft: number;
  tile: TileSize;
}

interface Target extends Tiling, Finish {
  at: number;
  outChannels: number;
}

interface Filter {
  at: number;
  kStride: number;
  nStride: number;
  tapStride: number;
  flip: boolean;
}

type Tiled = { tile: TileSize };

const countPlanes = (tile: TileSize) => (tile === 2 ? 9 : (tile + 2) ** 2);
const countTiles = ({ height, width, tile }: Tiling) => ({
  tilesY: Math.ceil(height / tile),
  tilesX: Math.ceil(width / tile),
});

export function convWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; filter: number; out: number } & Finish & Tiled,
): void {
  const { outChannels, channels } = g;
  const source = { at: at.x, batch: g.batch, height: g.height, width: g.width, channels };
  const target = {
    at: at.out,
    height: g.outHeight,
    width: g.outWidth,
    outChannels,
    padTop: g.padTop,
    padLeft: g.padLeft,
    tile: at.tile,
    bias: at.bias,
    activation: at.activation,
  };
  const filter = {
    at: at.filter,
    kStride: outChannels,
    nStride: 1,
    tapStride: channels * outChannels,
    flip: false,
  };
  runWinograd(backend, source, { target, filter });
}

/** dx is the convolution of dy with the filter rotated by 180° and its channels swapped. */
export function inputGradientWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number } & Tiled,
): void {
  const { outChannels, channels } = g;
  const source = {
    at: at.dy,
    batch: g.batch,
    height: g.outHeight,
    width: g.outWidth,
    channels: outChannels,
  };
  const target = {
    at: at.out,
    height: g.height,
    width: g.width,
    outChannels: channels,
    padTop: 2 - g.padTop,
    padLeft: 2 - g.padLeft,
    tile: at.tile,
  };
  const filter = {
    at: at.filter,
    kStride: 1,
    nStride: outChannels,
    tapStride: channels * outChannels,
    flip: true,
  };
  runWinograd(backend, source, { target, filter });
}

function runWinograd(
  backend: SimdBackend,
  source: Source,
  { target, filter }: { target: Target; filter: Filter },
): void {
  const { channels } = source;
  const panels = countPanels(target.outChannels);
  const planes = countPlanes(target.tile);
  backend.temporary(planes * panels * channels * panelColumns() * 4, (u) => {
    backend.launch(
      Task.TransformFilter,
      {
        filter: filter.at,
        out: u,
        k: channels,
        outChannels: target.outChannels,
        kStride: filter.kStride,
        nStride: filter.nStride,
        tapStride: filter.tapStride,
        flip: filter.flip ? 1 : 0,
        panels,
        m: target.tile,
      },
      panels,
    );
    const bytesPerTile = planes * 4 * (channels + panels * panelColumns());
    const block = Math.floor(CACHE_BYTES / bytesPerTile / 6) * 6;
    if (block >= MIN_BLOCK_TILES)
      runInBlocks(backend, source, { target, u, block: Math.min(block, 60) });
    else runInChunks(backend, source, { target, u, bytesPerTile });
  });
}

/** Which tiles a launch computes, and how many in one tile of the job. */
type Range = Pick<WinogradArgs, 'block' | 'first' | 'count'>;

function winogradArgs(
  source: Source,
  { target, u, range }: { target: Target; u: number; range: Range },
): WinogradArgs {
  const { tilesY, tilesX } = countTiles(target);
  return {
    source: source.at,
    u,
    out: target.at,
    bias: target.bias ?? 0,
    batch: source.batch,
    height: source.height,
    width: source.width,
    channels: source.channels,
    outHeight: target.height,
    outWidth: target.width,
    outChannels: target.outChannels,
    padTop: target.padTop,
    padLeft: target.padLeft,
    tilesY,
    tilesX,
    m: target.tile,
    block: range.block,
    activation: target.activation ?? 0,
    first: range.first,
    count: range.count,
  };
}

/** Each thread takes a block of tiles through all three steps while it is in the cache. */
function runInBlocks(
  backend: SimdBackend,
  source: Source,
  { target, u, block }: { target: Target; u: number; block: number },
): void {
  const { tilesY, tilesX } = countTiles(target);
  const range = { block, first: 0, count: 0 };
  backend.launch(
    Task.WinogradConv,
    winogradArgs(source, { target, u, range }),
    Math.ceil((source.batch * tilesY * tilesX) / block),
  );
}

/**
 * For wide layers: the three steps run one after another over a chunk of tiles, so that each
 * plane's filters are read once for many tiles.
 */
function runInChunks(
  backend: SimdBackend,
  source: Source,
  { target, u, bytesPerTile }: { target: Target; u: number; bytesPerTile: number },
): void {
  const { tilesY, tilesX } = countTiles(target);
  const tiles = source.batch * tilesY * tilesX;
  const chunk = Math.min(tiles, Math.max(60, Math.floor(CHUNK_BYTES / bytesPerTile)));
  const planes = countPlanes(target.tile);
  const { channels } = source;
  const panels = countPanels(target.outChannels);
  backend.temporary(planes * 4 * chunk * channels + 64, (v) =>
    backend.temporary(planes * 4 * chunk * panels * panelColumns() + 64, (m) => {
      for (let first = 0; first < tiles; first += chunk) {
        const count = Math.min(chunk, tiles - first);
        const stride = channels * 4;
        transformTiles(backend, source, { at: v, tiling: target, first, count, stride });
        const block = count > 120 ? 120 : Math.max(6, Math.ceil(count / 6) * 6);
        const blocks = Math.ceil(count / block);
        backend.launch(
          Task.WinogradProduct,
          { v, u, m, count, channels, panels, block, blocks },
          planes * blocks,
        );
        const range = { block: WRITE_BLOCK, first, count };
        backend.launch(
          Task.WinogradWrite,
          winogradArgs({ ...source, at: m }, { target, u, range }),
          Math.ceil(count / WRITE_BLOCK),
        );
      }
    }),
  );
}

interface Chunk {
  at: number;
  tiling: Tiling;
  first: number;
  count: number;
  /** Bytes between the channels of one tile and those of the next. */
  stride: number;
}

/** Transforms a chunk of input tiles to planes [planes][count][channels]. */
function transformTiles(
  backend: SimdBackend,
  source: Source,
  { at, tiling, first, count, stride }: Chunk,
): void {
  const { tilesY, tilesX } = countTiles(tiling);
  backend.launch(
    Task.WinogradTiles,
    {
      source: source.at,
      out: at,
      height: source.height,
      width: source.width,
      channels: source.channels,
      padTop: tiling.padTop,
      padLeft: tiling.padLeft,
      tilesY,
      tilesX,
      m: tiling.tile,
      first,
      count,
      block: TRANSFORM_BLOCK,
      tileStep: stride,
      planeStep: count * stride,
    },
    Math.ceil(count / TRANSFORM_BLOCK),
  );
}

/** Transforms a chunk of the tiles of dy to panels of planes. */
function transformGradientTiles(
  backend: SimdBackend,
  g: Geometry,
  chunk: { dy: number; at: number; tiling: Tiling; first: number; count: number; stride: number },
): void {
  const { tiling, first, count, stride } = chunk;
  const { tilesY, tilesX } = countTiles(tiling);
  backend.launch(
    Task.WinogradGradientTiles,
    {
      source: chunk.dy,
      out: chunk.at,
      height: g.outHeight,
      width: g.outWidth,
      channels: g.outChannels,
      padTop: 0,
      padLeft: 0,
      tilesY,
      tilesX,
      m: tiling.tile,
      first,
      count,
      block: TRANSFORM_BLOCK,
      tileStep: panelColumns() * 4,
      planeStep: count * stride,
    },
    Math.ceil(count / TRANSFORM_BLOCK),
  );
}

/**
 * dW = Gᵀ [Σ over tiles (BᵀdB) ⊙ (A·dy·Aᵀ)] G, one chunk of tiles after another. Each plane is
 * summed by one thread, in order.
 */
export function filterGradientWinograd(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number } & Tiled,
): void {
  const { channels, outChannels, padTop, padLeft } = g;
  const { tile } = at;
  const source = { at: at.x, batch: g.batch, height: g.height, width: g.width, channels };
  const tiling = { height: g.outHeight, width: g.outWidth, padTop, padLeft, tile };
  const { tilesY, tilesX } = countTiles(tiling);
  const tiles = g.batch * tilesY * tilesX;
  const planes = countPlanes(tile);
  const stride = channels * 4 + 64; // not a power of two: rows fall into different cache sets
  const yStride = countPanels(outChannels) * panelColumns() * 4;
  const chunk = Math.min(
    tiles,
    Math.max(64, Math.floor(CHUNK_BYTES / (planes * (stride + yStride)))),
  );
  const block = Math.min(channels, 96);
  const blocks = Math.ceil(channels / block);
  backend.temporary(planes * chunk * stride + 64, (v) =>
    backend.temporary(planes * chunk * yStride + 64, (y) =>
      backend.temporary(planes * channels * outChannels * 4, (u) => {
        for (let first = 0; first < tiles; first += chunk) {
          const count = Math.min(chunk, tiles - first);
          transformTiles(backend, source, { at: v, tiling, first, count, stride });
          const part = { dy: at.dy, at: y, tiling, first, count, stride: yStride };
          transformGradientTiles(backend, g, part);
          backend.launch(
            Task.WinogradFilterProduct,
            {
              v,
              y,
              out: u,
              count,
              channels,
              outChannels,
              vStride: stride,
              vPlane: count * stride,
              yPlane: count * yStride,
              add: first > 0 ? 1 : 0,
              block,
              blocks,
            },
            planes * blocks,
          );
        }
        backend.launch(
          Task.UntransformFilter,
          { u, out: at.out, channels, outChannels, m: tile },
          channels,
        );
      }),
    ),
  );
}

/**
 * Bytes that this backend's kernels allocate besides inputs and outputs: packed filters, Winograd's
 * transforms, padded copies. An estimate for the memory of a training step: it leaves out what is
 * below a percent of it. The module has no side effects: it registers no backend.
 */
import type { WorkspaceQuery } from '@deepend/core';
import { flipGeometry, type Geometry, type TileSize, winogradTile } from './kernels/conv-geometry';
import {
  BLOCK_NUMBERS,
  CACHE_BYTES,
  CHUNK_BYTES,
  FEW_CHANNELS,
  MIN_BLOCK_TILES,
  ONE_BLOCK,
} from './limits';

const FLOAT_BYTES = 4;
/** Up to this many bytes per tile, a block of tiles fits in the cache. */
const TILE_BYTES_IN_CACHE = CACHE_BYTES / MIN_BLOCK_TILES;

interface ConvAttrs {
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly padding: 'same' | Readonly<Record<'top' | 'bottom' | 'left' | 'right', number>>;
  readonly groups?: number;
}

const bytesOf = (shape: readonly number[] = []): number =>
  shape.reduce((product, n) => product * n, FLOAT_BYTES);

/** The geometry of a query's convolution, of one group if it has groups. */
function geometryOf({ attrs, input, output, params }: WorkspaceQuery): Geometry {
  const { strides, dilations, padding, groups = 1 } = attrs as ConvAttrs;
  const [batch = 1, height = 1, width = 1] = input;
  const [, outHeight = 1, outWidth = 1] = output;
  const [kernelHeight = 1, kernelWidth = 1, channels = 1, filters = 1] = params[0] ?? [];
  const before = (count: number, size: number, kernel: number, axis: 0 | 1) => {
    const reach = (count - 1) * strides[axis] + (kernel - 1) * dilations[axis] + 1;
    return Math.max(0, reach - size) >> 1;
  };
  const same = padding === 'same';
  return {
    ...{ batch, height, width, channels, outHeight, outWidth, outChannels: filters / groups },
    ...{ kernelHeight, kernelWidth },
    ...{ strideY: strides[0], strideX: strides[1] },
    ...{ dilationY: dilations[0], dilationX: dilations[1] },
    padTop: same ? before(outHeight, height, kernelHeight, 0) : padding.top,
    padLeft: same ? before(outWidth, width, kernelWidth, 1) : padding.left,
  };
}

/** Planes of a transformed filter by the side of a tile; 0: no transform. */
const PLANES: Readonly<Record<0 | TileSize, number>> = { 0: 0, 2: 9, 3: 25, 4: 36 };

/** Each group of a grouped convolution is computed from copies of its own channels. */
function convBytes(query: WorkspaceQuery): number {
  const { attrs, input, output, params, part } = query;
  const { padding, groups = 1 } = attrs as ConvAttrs;
  const [kh = 1, kw = 1, channels = 1, filters = 1] = params[0] ?? [];
  const outChannels = filters / groups;
  const tap = channels * outChannels * FLOAT_BYTES;
  const image = bytesOf(input) / groups;
  const pixels = image + bytesOf(output) / groups;
  const copies = groups > 1 ? pixels + kh * kw * tap : 0;
  const g = geometryOf(query);
  const planes = PLANES[winogradTile(part === 'inputGradient' ? flipGeometry(g) : g)];
  if (planes > 0) {
    const tile = planes * (channels + outChannels) * FLOAT_BYTES;
    const inCache = part !== 'parameterGradient' && tile <= TILE_BYTES_IN_CACHE;
    // A tile of 4×4 pixels has 36 planes: transforms take about three times the images' memory.
    return copies + planes * tap + (inCache ? 0 : Math.min(CHUNK_BYTES, 3 * pixels));
  }
  const isPadded = padding === 'same' || Object.values(padding).some((pixels) => pixels > 0);
  const isCopied = kh * kw > 1 && channels < FEW_CHANNELS && isPadded;
  return copies + (part === 'parameterGradient' ? 0 : kh * kw * tap) + (isCopied ? image : 0);
}

const WORKSPACES: Readonly<Record<string, (query: WorkspaceQuery) => number>> = {
  conv2d: convBytes,
  // Repeated channels, or the sum before the bias.
  depthwiseConv2d: ({ output, params, part }) => {
    const repeated = (params[0]?.[3] ?? 1) > 1 || (part === 'output' && params.length > 1);
    return repeated ? bytesOf(output) : 0;
  },
  // The packed kernel.
  dense: ({ output: [batch = 1], params: [kernel], part }) =>
    batch > ONE_BLOCK && part !== 'parameterGradient' ? bytesOf(kernel) : 0,
  // Two sums per channel and block.
  batchNorm: ({ output }) =>
    2 *
    (output.at(-1) ?? 1) *
    FLOAT_BYTES *
    Math.ceil(bytesOf(output) / FLOAT_BYTES / BLOCK_NUMBERS),
  // A gate's gradient is computed for every pixel before it is summed.
  multiply: ({ output, part }) => (part === 'output' ? 0 : bytesOf(output)),
};

/** The workspace of one operation of a training plan, in bytes. */
export const workspaceBytes = (query: WorkspaceQuery): number =>
  WORKSPACES[query.operation]?.(query) ?? 0;

/**
 * What kernels hold for a moment beside their inputs and outputs, in bytes. The engine `simd` is
 * the measure: filters in the form that
 * products read, Winograd's transforms, padded copies. Meant for the size of a step: what stays
 * below a percent of it is left out.
 */
import type { ConvLayerAttrs } from './ops/conv';
import type { Operation } from './program';

const FLOAT_BYTES = 4;
const MIB = 1 << 20;

/** What is computed: the output, or the gradient of the inputs or of the parameters. */
export type Part = 'output' | 'inputGradient' | 'parameterGradient';
type Workspace = (operation: Operation, at: { batch: number; part: Part }) => number;

const bytesOf = (shape: readonly (number | null)[] = []): number =>
  shape.reduce<number>((product, n) => product * (n ?? 1), FLOAT_BYTES);

/** What Winograd's tiles take at most while they are transformed chunk by chunk. */
const CHUNKS = 16 * MIB;
/**
 * A tile of up to so many bytes is transformed in a cache instead, but for the filter's gradient.
 */
const TILE_IN_CACHE = 40_000;
/** Below so many channels, images are copied with their padding. */
const FEW_CHANNELS = 32;
/** From so many rows on, a linear layer's kernel is copied into panels. */
const MANY_ROWS = 120;
/** Numbers that batch normalization sums up at a time, each block into two sums a channel. */
const NORM_BLOCK = 16_384;

/**
 * How many planes stand for a transformed 3×3 filter: by tiles of 4×4 or 3×3, whichever take fewer
 * products, or one tile for all of a
 * 2×2 image; a single pixel meets one tap.
 */
function planesOf(height: number, width: number): number {
  if (height * width === 1) return 1;
  if (height === 2 && width === 2) return 9;
  const products = (m: number) => (m + 2) ** 2 * Math.ceil(height / m) * Math.ceil(width / m);
  return products(3) < products(4) ? 25 : 36;
}

/** A group of a grouped convolution is computed alone, from copies of its own channels. */
const conv: Workspace = ({ attrs, inputs, output, params }, { batch, part }) => {
  const { strides, dilations, padding, groups = 1 } = attrs as ConvLayerAttrs;
  const [kh = 1, kw = 1, channels = 1, filters = 1] = params[0]?.shape ?? [];
  const columns = filters / groups;
  const tap = channels * columns * FLOAT_BYTES;
  const image = (batch * bytesOf(inputs[0]?.shape)) / groups;
  const pixels = image + (batch * bytesOf(output.shape)) / groups;
  const copies = groups > 1 ? pixels + kh * kw * tap : 0;
  if (
    kh === 3 &&
    kw === 3 &&
    strides[0] * strides[1] * dilations[0] * dilations[1] === 1 &&
    Math.min(channels, columns) >= 16
  ) {
    const planes = planesOf(output.shape[1] ?? 1, output.shape[2] ?? 1);
    const inCache =
      part !== 'parameterGradient' && planes * (channels + columns) * FLOAT_BYTES <= TILE_IN_CACHE;
    // A tile of 4×4 pixels has 36 planes: what is transformed takes some three times the images'
    // own room.
    return copies + planes * tap + (inCache ? 0 : Math.min(CHUNKS, 3 * pixels));
  }
  const isPadded = padding === 'same' || Object.values(padding).some((pixels) => pixels > 0);
  const isCopied = kh * kw > 1 && channels < FEW_CHANNELS && isPadded;
  return copies + (part === 'parameterGradient' ? 0 : kh * kw * tap) + (isCopied ? image : 0);
};

const WORKSPACES: Record<string, Workspace> = {
  conv2d: conv,
  // The bias is added apart; a channel with several filters is repeated for each.
  depthwiseConv2d: ({ output, params }, { batch, part }) => {
    const repeated = (params[0]?.shape[3] ?? 1) > 1 || (part === 'output' && params.length > 1);
    return repeated ? batch * bytesOf(output.shape) : 0;
  },
  dense: ({ params: [kernel] }, { batch, part }) =>
    batch > MANY_ROWS && part !== 'parameterGradient' ? bytesOf(kernel?.shape) : 0,
  batchNorm: ({ output: { shape } }, { batch }) => {
    const channels = shape.at(-1) ?? 1;
    return (
      2 * channels * FLOAT_BYTES * Math.ceil((batch * bytesOf(shape)) / FLOAT_BYTES / NORM_BLOCK)
    );
  },
  // A gate's gradient is that of every pixel before it is summed up.
  multiply: ({ output }, { batch, part }) =>
    part === 'output' ? 0 : batch * bytesOf(output.shape),
};

/** @param at.batch images */
export const workspaceBytes: Workspace = (operation, at) =>
  WORKSPACES[operation.kind.name]?.(operation, at) ?? 0;

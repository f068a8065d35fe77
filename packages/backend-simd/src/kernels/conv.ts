/**
 * Convolution and both gradients: chooses the algorithm. The choice depends on the shape, never on
 * timing, so that results are reproducible.
 */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import type { SimdBackend } from '../backend';
import { convDirect, type Finish, filterGradientDirect, inputGradientDirect } from './conv-direct';
import {
  convGathered,
  filterGradientGathered,
  inputGradientGathered,
  shouldGather,
  shouldGatherInputGradient,
} from './conv-gather';
import {
  fitsOutput,
  flipGeometry,
  type Geometry,
  isPointwise,
  parseGeometry,
  requireFit,
  winogradTile,
} from './conv-geometry';
import { inputGradientScattered, shouldScatter } from './conv-scatter';
import { convWinograd, filterGradientWinograd, inputGradientWinograd } from './conv-winograd';
import { areFinite, filterIsFinite, isPadded, tilesAreFinite } from './finite';
import { activationCode, product } from './matmul';
import { type Attrs, type Call, isFloat, type Kernel, size } from './types';

interface Forward extends Finish {
  x: number;
  filter: number;
  out: number;
}

export function convForward(backend: SimdBackend, g: Geometry, at: Forward): void {
  if (isPointwise(g)) {
    const m = g.batch * g.height * g.width;
    const { bias = 0, activation = 0 } = at;
    product(backend, {
      a: at.x,
      b: at.filter,
      c: at.out,
      m,
      n: g.outChannels,
      k: g.channels,
      bias,
      activation,
    });
    return;
  }
  const tile = winogradTile(g);
  if (tile) {
    convWinograd(backend, g, { ...at, tile });
    if (
      tilesAreFinite(backend, at.out, {
        ...g,
        height: g.outHeight,
        width: g.outWidth,
        channels: g.outChannels,
        tile,
      })
    )
      return;
  }
  const gathered =
    shouldGather(g) && (!isPadded(g) || areFinite(backend, at.filter, filterSize(g)));
  (gathered ? convGathered : convDirect)(backend, g, at);
}

const filterSize = (g: Geometry) => g.kernelHeight * g.kernelWidth * g.channels * g.outChannels;

export function inputGradient(
  backend: SimdBackend,
  g: Geometry,
  at: { dy: number; filter: number; out: number },
): void {
  if (isPointwise(g)) {
    const m = g.batch * g.height * g.width;
    product(backend, {
      a: at.dy,
      b: at.filter,
      c: at.out,
      m,
      n: g.channels,
      k: g.outChannels,
      transposeB: true,
    });
    return;
  }
  const tile = winogradTile(flipGeometry(g));
  if (tile) {
    inputGradientWinograd(backend, g, { ...at, tile });
    if (tilesAreFinite(backend, at.out, { ...g, tile })) return;
  }
  if (shouldScatter(g)) {
    inputGradientScattered(backend, g, at);
    return;
  }
  const gathered = shouldGatherInputGradient(g) && areFinite(backend, at.filter, filterSize(g));
  (gathered ? inputGradientGathered : inputGradientDirect)(backend, g, at);
}

export function filterGradient(
  backend: SimdBackend,
  g: Geometry,
  at: { x: number; dy: number; out: number },
): void {
  const tile = winogradTile(g);
  if (tile) {
    filterGradientWinograd(backend, g, { ...at, tile });
    if (filterIsFinite(backend, at.out, g)) return;
  }
  const gathered = shouldGather(g);
  (gathered ? filterGradientGathered : filterGradientDirect)(backend, g, at);
  // The zeros in gathered windows meet all of dy. NaN or infinity in dy shows in the first row of
  // the result, and then the direct algorithm, which skips padding, computes it again.
  if (gathered && !areFinite(backend, at.out, g.outChannels)) filterGradientDirect(backend, g, at);
}

/** The geometry of a call of TensorFlow.js's own kernels. */
function geometry(x: readonly number[], filter: readonly number[], attrs: Attrs): Geometry {
  const { strides, pad, dilations = 1, dimRoundingMode } = attrs;
  const info = backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    strides,
    dilations,
    pad,
    dimRoundingMode,
    false,
    'channelsLast',
  );
  return requireFit('conv2d', parseGeometry(info));
}

const channelsLast = ({ attrs }: Call) => !attrs.dataFormat || attrs.dataFormat === 'NHWC';
const isNonEmpty = ({ inputs }: Call) =>
  Object.values(inputs).every((x) => !x || size(x.shape) > 0);
const takesAny = (call: Call) => isFloat(call) && channelsLast(call) && isNonEmpty(call);

function takesForward(call: Call): boolean {
  const { x, filter, bias, preluActivationWeights } = call.inputs as Record<string, TensorInfo>;
  if (
    !takesAny(call) ||
    preluActivationWeights ||
    activationCode(call.attrs.activation) === undefined
  )
    return false;
  return x?.shape[3] === filter?.shape[2] && (!bias || size(bias.shape) === filter?.shape[3]);
}

function forward({ inputs, attrs, backend }: Call): TensorInfo {
  const { x, filter, bias } = inputs as { x: TensorInfo; filter: TensorInfo; bias?: TensorInfo };
  const g = geometry(x.shape, filter.shape, attrs);
  const out = backend.output([g.batch, g.outHeight, g.outWidth, g.outChannels]);
  if (size(out.shape) === 0) return out;
  convForward(backend, g, {
    x: backend.pointer(x),
    filter: backend.pointer(filter),
    out: backend.pointer(out),
    bias: bias ? backend.pointer(bias) : 0,
    activation: activationCode(attrs.activation) ?? 0,
  });
  return out;
}

/** Whether dy has the shape of the convolution's output. Stock cpu takes other shapes as well. */
function takesGradient(call: Call): boolean {
  if (!takesAny(call)) return false;
  const { x, filter, dy } = call.inputs as Record<string, TensorInfo>;
  const image: number[] = x?.shape ?? call.attrs.inputShape;
  const kernel: number[] = filter?.shape ?? call.attrs.filterShape;
  const g = geometry(image, kernel, call.attrs);
  return fitsOutput(dy?.shape, g) && image[3] === kernel[2] && size(image) > 0 && size(kernel) > 0;
}

export const convKernels: Kernel[] = [
  { name: 'Conv2D', takes: takesForward, run: forward },
  { name: 'FusedConv2D', takes: takesForward, run: forward },
  {
    name: 'Conv2DBackpropInput',
    takes: takesGradient,
    run({ inputs, attrs, backend }) {
      const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
      const out = backend.output(attrs.inputShape);
      const at = {
        dy: backend.pointer(dy),
        filter: backend.pointer(filter),
        out: backend.pointer(out),
      };
      inputGradient(backend, geometry(attrs.inputShape, filter.shape, attrs), at);
      return out;
    },
  },
  {
    name: 'Conv2DBackpropFilter',
    takes: takesGradient,
    run({ inputs, attrs, backend }) {
      const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
      const out = backend.output(attrs.filterShape);
      const at = { x: backend.pointer(x), dy: backend.pointer(dy), out: backend.pointer(out) };
      filterGradient(backend, geometry(x.shape, attrs.filterShape, attrs), at);
      return out;
    },
  },
];

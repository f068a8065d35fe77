/**
 * Fused kernels that `compiler`'s plan runs by name: convolution with explicit padding, bias and
 * ReLU, its gradients, and the linear layer.
 */
import type { BackendValues, TensorInfo } from '@tensorflow/tfjs-core';
import { convForward, filterGradient, inputGradient } from './conv';
import { fitsOutput, type Geometry, requireFit } from './conv-geometry';
import { convGrouped, filterGradientGrouped, inputGradientGrouped } from './conv-grouped';
import { product } from './matmul';
import type { Attrs, FusedKernel } from './types';

const RELU = 1;

/** Number of groups of channels. The filter is `[kh, kw, channels / groups, outChannels]`. */
const countGroups = ({ groups = 1 }: Attrs): number => groups;

function geometry(
  x: readonly number[],
  filter: readonly number[],
  { strides, dilations, padding }: Attrs,
): Geometry {
  const [batch = 1, height = 1, width = 1, channels = 1] = x;
  const [kernelHeight = 1, kernelWidth = 1, , outChannels = 1] = filter;
  const { top, bottom, left, right } = padding;
  const positions = (length: number, kernel: number, axis: number) =>
    Math.floor((length - (kernel - 1) * dilations[axis] - 1) / strides[axis]) + 1;
  return requireFit('conv2d', {
    batch,
    height,
    width,
    channels,
    outChannels,
    kernelHeight,
    kernelWidth,
    outHeight: positions(height + top + bottom, kernelHeight, 0),
    outWidth: positions(width + left + right, kernelWidth, 1),
    strideY: strides[0],
    strideX: strides[1],
    dilationY: dilations[0],
    dilationX: dilations[1],
    padTop: top,
    padLeft: left,
  });
}

/** @throws RangeError when dy has not the output's shape: kernels would read beyond its end */
function requireGradient(where: string, dy: readonly number[], g: Geometry): void {
  if (fitsOutput(dy, g)) return;
  const expected = [g.batch, g.outHeight, g.outWidth, g.outChannels];
  throw new RangeError(
    `[backend-simd] ${where}: expected a gradient of the output's shape [${expected}], got ` +
      `[${dy}]; check strides, dilations and padding`,
  );
}

/** What a layer without inputs gives: its bias in each row. */
function fillRows(out: Float32Array, bias: BackendValues | undefined, relu: boolean): void {
  const row = Float32Array.from((bias as Float32Array | undefined) ?? []);
  for (let i = 0; i < out.length; i++) {
    const value = row[i % row.length] ?? 0;
    out[i] = relu ? Math.max(0, value) : value;
  }
}

export const fusedConvKernels: readonly FusedKernel[] = [
  {
    name: 'deepend.conv2d',
    run({ inputs, attrs, backend }) {
      const { x, filter, bias } = inputs as {
        x: TensorInfo;
        filter: TensorInfo;
        bias?: TensorInfo;
      };
      const g = geometry(x.shape, filter.shape, attrs);
      const out = backend.output([g.batch, g.outHeight, g.outWidth, g.outChannels]);
      const at = {
        x: backend.pointer(x),
        filter: backend.pointer(filter),
        out: backend.pointer(out),
        bias: bias ? backend.pointer(bias) : 0,
        activation: attrs.relu ? RELU : 0,
      };
      const groups = countGroups(attrs);
      if (groups > 1) convGrouped(backend, g, { ...at, groups });
      else convForward(backend, g, at);
      return out;
    },
  },
  {
    name: 'deepend.conv2dInputGradient',
    run({ inputs, attrs, backend }) {
      const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
      const g = geometry(attrs.xShape, filter.shape, attrs);
      requireGradient('conv2dInputGradient', dy.shape, g);
      const out = backend.output([...attrs.xShape]);
      const at = {
        dy: backend.pointer(dy),
        filter: backend.pointer(filter),
        out: backend.pointer(out),
      };
      const groups = countGroups(attrs);
      if (groups > 1) inputGradientGrouped(backend, g, { ...at, groups });
      else inputGradient(backend, g, at);
      return out;
    },
  },
  {
    name: 'deepend.conv2dFilterGradient',
    run({ inputs, attrs, backend }) {
      const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
      const g = geometry(x.shape, attrs.filterShape, attrs);
      requireGradient('conv2dFilterGradient', dy.shape, g);
      const out = backend.output([...attrs.filterShape]);
      const at = { x: backend.pointer(x), dy: backend.pointer(dy), out: backend.pointer(out) };
      const groups = countGroups(attrs);
      if (groups > 1) filterGradientGrouped(backend, g, { ...at, groups });
      else filterGradient(backend, g, at);
      return out;
    },
  },
  {
    name: 'deepend.dense',
    run({ inputs, attrs, backend }) {
      const { x, kernel, bias } = inputs as {
        x: TensorInfo;
        kernel: TensorInfo;
        bias?: TensorInfo;
      };
      const [m = 0, k = 0] = x.shape;
      const n = kernel.shape[1] ?? 0;
      const out = backend.output([m, n]);
      if (k === 0) {
        fillRows(backend.values(out) as Float32Array, bias && backend.values(bias), attrs.relu);
        return out;
      }
      product(backend, {
        a: backend.pointer(x),
        b: backend.pointer(kernel),
        c: backend.pointer(out),
        m,
        n,
        k,
        bias: bias ? backend.pointer(bias) : 0,
        activation: attrs.relu ? RELU : 0,
      });
      return out;
    },
  },
];

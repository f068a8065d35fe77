/**
 * Grouped and depthwise convolution and their gradients, on every backend, against their
 * definition.
 */
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { conv2d } from '../../packages/compiler/src/ops/conv';
import { depthwiseConv2d } from '../../packages/compiler/src/ops/depthwise';
import type { ConvAttrs } from '../../packages/compiler/src/primitives';
import type { BackwardCall, Call, OperationKind } from '../../packages/compiler/src/program';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { runsOf } from '../helpers/full';

type Shape = [number, number, number, number];

interface Geometry extends Required<ConvAttrs> {
  x: Shape;
  kernel: [number, number];
  /** Output channels of one group. */
  columns: number;
}

const side = (min: number, max: number) => fc.integer({ min, max });
const pair = (min: number, max: number) => fc.tuple(side(min, max), side(min, max));

/** Images that a kernel finds room in. `channels`: of one group. */
const geometries = (channels: fc.Arbitrary<number>): fc.Arbitrary<Geometry> =>
  fc
    .record({
      sizes: fc.tuple(side(1, 2), side(1, 7), side(1, 7)),
      kernel: pair(1, 4),
      groups: side(1, 5),
      channels,
      columns: side(1, 3),
      padding: fc.record({
        top: side(0, 3),
        bottom: side(0, 3),
        left: side(0, 3),
        right: side(0, 3),
      }),
      // Engines convolve with a stride or a dilation, not with both.
      stretch: fc.oneof(
        side(1, 3).map((stride) => ({ strides: [stride, stride], dilations: [1, 1] }) as const),
        pair(1, 3).map((dilations) => ({ strides: [1, 1], dilations }) as const),
      ),
    })
    .map(({ sizes: [images, height, width], channels, groups, stretch, ...rest }): Geometry => {
      return { ...rest, ...stretch, groups, x: [images, height, width, channels * groups] };
    })
    .filter((g) => outSize(g).every((size) => size >= 1));

const outSize = ({
  x,
  kernel,
  strides,
  dilations,
  padding: { top, bottom, left, right },
}: Geometry) =>
  [top + bottom, left + right].map((pad, axis) => {
    const reach = ((kernel[axis] as number) - 1) * (dilations[axis] as number) + 1;
    return Math.floor(((x[axis + 1] as number) + pad - reach) / (strides[axis] as number)) + 1;
  }) as [number, number];

interface Tensors {
  x: Float32Array;
  filter: Float32Array; // [kh, kw, in / groups, out]
  dy: Float32Array;
}

/** y, dx and dFilter at once, each product where it belongs, in double precision. */
function defined(g: Geometry, { x, filter, dy }: Tensors) {
  const [images, height, width, channels] = g.x;
  const [outHeight, outWidth] = outSize(g);
  const [own, filters] = [channels / g.groups, g.columns * g.groups];
  const [y, dx, dFilter] = [dy, x, filter].map(({ length }) => new Float64Array(length)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  for (let image = 0; image < images; image++)
    for (let oy = 0; oy < outHeight; oy++)
      for (let ox = 0; ox < outWidth; ox++)
        for (let ky = 0; ky < g.kernel[0]; ky++)
          for (let kx = 0; kx < g.kernel[1]; kx++) {
            const row = oy * g.strides[0] + ky * g.dilations[0] - g.padding.top;
            const column = ox * g.strides[1] + kx * g.dilations[1] - g.padding.left;
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (let f = 0; f < filters; f++)
              for (let c = 0; c < own; c++) {
                const group = Math.floor(f / g.columns);
                const at = ((image * height + row) * width + column) * channels + group * own + c;
                const to = ((image * outHeight + oy) * outWidth + ox) * filters + f;
                const tap = ((ky * g.kernel[1] + kx) * own + c) * filters + f;
                y[to] = (y[to] as number) + (x[at] as number) * (filter[tap] as number);
                dx[at] = (dx[at] as number) + (dy[to] as number) * (filter[tap] as number);
                dFilter[tap] = (dFilter[tap] as number) + (dy[to] as number) * (x[at] as number);
              }
          }
  return { y, dx, dFilter };
}

const numbers = (shape: readonly number[], name: string) =>
  mix(
    shape.reduce((a, b) => a * b, 1),
    name,
  ).map((value) => value - 0.5);

/** Numbers for a geometry, and its shapes. */
function cast(g: Geometry) {
  const filters = g.columns * g.groups;
  const shapes = {
    x: g.x,
    filter: [...g.kernel, g.x[3] / g.groups, filters] as Shape,
    dy: [g.x[0], ...outSize(g), filters] as Shape,
  };
  const [x, filter, dy] = Object.entries(shapes).map(([name, shape]) => numbers(shape, name)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return { shapes, values: { x, filter, dy } };
}

function expectAll(
  results: Record<string, tf.Tensor>,
  expected: Record<string, Float64Array>,
): void {
  for (const [name, tensor] of Object.entries(results)) {
    const [actual, wanted] = [tensor.dataSync(), expected[name] as Float64Array];
    expect(actual.length, name).toBe(wanted.length);
    const largest = Math.max(1, ...wanted.map(Math.abs));
    for (const [i, value] of wanted.entries())
      expect(Math.abs((actual[i] as number) - value), name).toBeLessThan(1e-5 * largest);
  }
}

type Kind = OperationKind<Geometry>;
/** Which channels a group may have, and the shape of its filter. */
const KINDS: [
  what: string,
  kind: Kind,
  channels: fc.Arbitrary<number>,
  filter: (g: Geometry) => Shape,
][] = [
  [
    'groups',
    conv2d as unknown as Kind,
    side(1, 3),
    (g) => [...g.kernel, g.x[3] / g.groups, g.columns * g.groups],
  ],
  // A group's filters are a channel's: [kh, kw, 1, in·multiplier] is [kh, kw, in, multiplier] with
  // other brackets.
  [
    'single channels',
    depthwiseConv2d as unknown as Kind,
    fc.constant(1),
    (g) => [...g.kernel, g.groups, g.columns],
  ],
];

/** y, dx and dFilter by the operation. */
function computed(kind: Kind, g: Geometry, { x, filter, dy }: Record<keyof Tensors, tf.Tensor>) {
  const call = { attrs: g, inputs: [x], params: [filter] };
  const { output: y, saved = [] } = kind.forward(call as unknown as Call<Geometry>);
  const back = {
    ...call,
    operation: { params: [{ trainable: true }] },
    dy,
    output: y,
    saved,
    wanted: [true],
  };
  const { inputs, params } = kind.backward(back as unknown as BackwardCall<Geometry>);
  expect(params[0]?.shape).toEqual(filter.shape);
  return { y, dx: inputs[0] as tf.Tensor, dFilter: params[0] as tf.Tensor };
}

/** Random geometries, on the backend that is current. */
function expectDefinition([, kind, channels, filterShape]: (typeof KINDS)[number]): void {
  const property = fc.property(geometries(channels), (g) => {
    const { shapes, values } = cast(g);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const x = tf.tensor(values.x, shapes.x);
      const filter = tf.tensor(values.filter, filterShape(g));
      const dy = tf.tensor(values.dy, shapes.dy);
      expectAll(computed(kind, g, { x, filter, dy }), defined(g, values));
    });
    expect(tf.memory().numTensors).toBe(before);
  });
  fc.assert(property, { numRuns: runsOf(60) });
}

for (const { name: backend, title, absent } of allBackends) {
  describe.skipIf(absent)(`convolution on ${title}`, () => {
    beforeAll(() => use(backend));

    it.each(KINDS)('of %s is what it is defined to be, and so are its gradients', (...row) =>
      expectDefinition(row),
    );
  });
}

/**
 * Stock cpu under TensorFlow's name, with the one thing that TensorFlow's gradients of a depthwise
 * convolution refuse.
 */
function standInForTensorFlow(): void {
  tf.registerBackend('tensorflow', () => new MathBackendCPU());
  tf.copyRegisteredKernels('cpu', 'tensorflow');
  for (const name of [
    tf.DepthwiseConv2dNativeBackpropInput,
    tf.DepthwiseConv2dNativeBackpropFilter,
  ]) {
    const stock = tf.getKernel(name, 'cpu') as tf.KernelConfig;
    const kernelFunc: tf.KernelFunc = (call) => {
      expect(call.attrs?.pad).toBe('valid');
      return stock.kernelFunc(call);
    };
    tf.unregisterKernel(name, 'tensorflow');
    tf.registerKernel({ ...stock, backendName: 'tensorflow', kernelFunc });
  }
}

const present = allBackends.some(({ name, absent }) => name === 'tensorflow' && !absent);
describe.skipIf(present)(
  `convolution where gradients take no explicit padding${present ? ' (skipped: the backend itself is here)' : ''}`,
  () => {
    it('of single channels is what it is defined to be', async () => {
      standInForTensorFlow();
      await tf.setBackend('tensorflow');
      expectDefinition(KINDS[1] as (typeof KINDS)[number]);
      await use('cpu-js');
      tf.removeBackend('tensorflow');
    });
  },
);

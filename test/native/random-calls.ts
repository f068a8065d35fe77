/** Random calls of every kernel of the backend, for the sanitizers: a row for each kind of call. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { CASTS } from '../backend-simd/cast-rows';
import {
  type Convolution,
  convolution,
  infoOf,
  numbers as numbersOf,
} from '../backend-simd/convolutions';
import { GATHERS } from '../backend-simd/gather-rows';
import { MOVES } from '../backend-simd/move-rows';
import {
  booleans,
  integers,
  type Numbers,
  numbers,
  type Operation,
  oddNumbers,
  seeds,
  shapes,
} from '../backend-simd/operations';

export type RandomCalls = fc.Arbitrary<Operation>;

const side = (min: number, max: number) => fc.integer({ min, max });
const float = ({ shape, values }: { shape: number[]; values: Float32Array }): Numbers => ({
  dtype: 'float32',
  shape,
  values,
});

/** Enough numbers for several tiles, so that threads share a job. */
const longShapes = fc.oneof(
  fc.tuple(side(20_000, 90_000)),
  fc.tuple(side(200, 900), side(1, 99)),
  fc.tuple(side(1, 9), side(20, 60), side(20, 60), side(1, 9)),
);
const anyShape = fc.oneof(
  { weight: 6, arbitrary: shapes() },
  { weight: 1, arbitrary: longShapes as fc.Arbitrary<number[]> },
);
const withRank = (minRank: number) => anyShape.filter(({ length }) => length >= minRank);

type Draw = (shape: number[], seed: number) => Numbers;
/** Numbers of a shape: some draws have NaN, infinity and others that kernels trip over. */
const make = fc.constantFrom<Draw>(numbers, numbers, oddNumbers);
/** Without finite numbers so large that what is left of a sum depends on its order. */
const makeSummable = fc.constantFrom<Draw>(numbers, numbers, (shape, seed) =>
  oddNumbers(shape, seed, [Number.NaN, Infinity, -Infinity, -0, 1e-40, 88.8]),
);

const ofOne = (kernel: string, name: string, attrs: object = {}): RandomCalls =>
  fc
    .tuple(anyShape, seeds, make)
    .map(([shape, seed, draw]) => ({ kernel, inputs: { [name]: draw(shape, seed) }, attrs }));

const UNARY: readonly [kernel: string, attrs?: object][] = [
  ...['Relu', 'Relu6', 'Neg', 'Abs', 'Square', 'Sqrt', 'Rsqrt', 'Reciprocal', 'Floor'],
  ...['Ceil', 'Round', 'Exp', 'Expm1', 'Elu', 'Sigmoid', 'Tanh', 'Log', 'Log1p', 'Softplus'],
  ...['Sin', 'Cos'],
].map((kernel): [string] => [kernel]);
const PARAMETERIZED: typeof UNARY = [
  ['Step', { alpha: -0.25 }],
  ['LeakyRelu', { alpha: 0.2 }],
  ['ClipByValue', { clipValueMin: -0.7, clipValueMax: 1.3 }],
];

const PAIRS = [
  ...['Add', 'Sub', 'Multiply', 'RealDiv', 'Maximum', 'Minimum', 'SquaredDifference', 'Prelu'],
  ...['Greater', 'GreaterEqual', 'Less', 'LessEqual', 'Equal', 'NotEqual'],
];

/** Two operands, one of which may lack dimensions or have 1 in their place. */
const ofTwo = fc
  .record({
    kernel: fc.constantFrom(...PAIRS),
    shape: anyShape,
    drop: fc.nat(6),
    ones: fc.nat(63),
    swap: fc.boolean(),
    seed: seeds,
    draw: make,
  })
  .map(({ kernel, shape, drop, ones, swap, seed, draw }): Operation => {
    const narrow = shape
      .map((length, axis) => ((ones >> axis) & 1 ? 1 : length))
      .slice(Math.min(drop, shape.length));
    const [a, b] = swap ? [narrow, shape] : [shape, narrow];
    const names = kernel === 'Prelu' ? ['x', 'alpha'] : ['a', 'b'];
    const ofInts = /Greater|Less|Equal/.test(kernel) && seed % 3 === 0;
    const inputs = [a, b].map((shape, i) => (ofInts ? integers : draw)(shape, seed + i));
    return {
      kernel,
      inputs: Object.fromEntries(names.map((name, i) => [name, inputs[i] as Numbers])),
    };
  });

const activationGradient: RandomCalls = fc
  .tuple(fc.constantFrom('relu', 'relu6', 'sigmoid', 'tanh'), anyShape, seeds, make)
  .map(([name, shape, seed, draw]) => ({
    kernel: 'deepend.activationGradient',
    inputs: { dy: draw(shape, seed), y: draw(shape, seed + 1) },
    attrs: { name },
  }));
const eluGradient: RandomCalls = fc.tuple(anyShape, seeds, make).map(([shape, seed, draw]) => ({
  kernel: 'EluGrad',
  inputs: { dy: draw(shape, seed), y: draw(shape, seed + 1) },
}));
const chosen = fc.constantFrom<Draw>(oddNumbers, integers, booleans);
const selection: RandomCalls = fc.tuple(anyShape, seeds, chosen).map(([shape, seed, draw]) => ({
  kernel: 'Select',
  inputs: { condition: booleans(shape, seed), t: draw(shape, seed), e: draw(shape, seed + 1) },
}));
const logical: RandomCalls = ofTwo.map(({ inputs, kernel }): Operation => {
  const [a, b] = Object.values(inputs).map(({ shape }, i) => booleans(shape, i)) as [
    Numbers,
    Numbers,
  ];
  if (kernel === 'Add') return { kernel: 'LogicalNot', inputs: { x: a } };
  return { kernel: kernel < 'L' ? 'LogicalAnd' : 'LogicalOr', inputs: { a, b } };
});
const topK: RandomCalls = fc
  .record({ shape: withRank(1), fraction: side(1, 8), seed: seeds })
  .map(({ shape, fraction, seed }) => ({
    kernel: 'TopK',
    inputs: { x: numbers(shape, seed) },
    attrs: { k: Math.ceil(((shape.at(-1) ?? 0) * fraction) / 8), sorted: true },
  }));
const sums: RandomCalls = fc
  .tuple(anyShape, seeds, make, side(1, 5))
  .map(([shape, seed, draw, count]) => ({
    kernel: 'AddN',
    inputs: Array.from({ length: count }, (_, i) => draw(shape, seed + i)),
  }));

const reduction: RandomCalls = fc
  .record({
    kernel: fc.constantFrom('Sum', 'Mean', 'Prod', 'Max', 'Min'),
    shape: anyShape,
    mask: fc.nat(63),
    keepDims: fc.boolean(),
    seed: seeds,
  })
  .map(({ kernel, shape, mask, keepDims, seed }) => {
    const axes = shape.map((_, axis) => axis).filter((axis) => (mask >> axis) & 1);
    const x = numbers(shape, seed, kernel === 'Prod' ? 1 : 4);
    const name = kernel === 'Max' ? 'reductionIndices' : 'axis';
    return { kernel, inputs: { x }, attrs: { [name]: axes, keepDims } };
  });

const softmax: RandomCalls = fc
  .tuple(withRank(1), seeds, fc.boolean())
  .map(([shape, seed, logarithm]) => ({
    kernel: logarithm ? 'LogSoftmax' : 'Softmax',
    inputs: { logits: numbers(shape, seed, 20) },
    attrs: logarithm ? { axis: -1 } : { dim: -1 },
  }));

const crossEntropy: RandomCalls = fc
  .tuple(side(1, 200), side(1, 40), seeds, fc.boolean())
  .map(([rows, classes, seed, indices]) => ({
    kernel: 'deepend.softmaxCrossEntropy',
    inputs: {
      logits: numbers([rows, classes], seed, 9),
      labels: indices
        ? integers([rows], seed, [0, classes])
        : { ...numbers([rows, classes], seed), values: new Float32Array(rows * classes).fill(0.1) },
    },
  }));

/** Some rows do not count, and some labels of those are no classes; some are smoothed. */
const weighted: RandomCalls = fc
  .tuple(crossEntropy, fc.constantFrom(0, 0, 0.2), fc.boolean())
  .map(([{ inputs }, smoothing, hasClassWeights]) => {
    const { logits, labels } = inputs as Record<string, Numbers>;
    const rows = logits?.shape[0] ?? 0;
    const values = Float32Array.from({ length: rows }, (_, i) => i % 3);
    const isIndices = labels?.shape.length === 1;
    const classWeights: Numbers = {
      dtype: 'float32',
      shape: [logits?.shape[1] ?? 0],
      values: Float32Array.from({ length: logits?.shape[1] ?? 0 }, (_, i) => i % 4),
    };
    const given = labels?.values.map((label, i) =>
      labels.shape.length === 1 && i % 3 === 0 ? -100 : label,
    );
    return {
      kernel: 'deepend.weightedCrossEntropy',
      inputs: {
        logits: logits as Numbers,
        labels: { ...(labels as Numbers), values: given as Numbers['values'] },
        weights: { dtype: 'float32', shape: [rows], values },
        mass: { dtype: 'float32', shape: [], values: Float32Array.of(7) },
        ...(isIndices && hasClassWeights && { classWeights }),
      },
      attrs: { smoothing: isIndices ? smoothing : 0 },
    };
  });

const size = fc.oneof(
  { weight: 6, arbitrary: side(0, 70) },
  { weight: 1, arbitrary: side(71, 800) },
);
const BATCHES: readonly (readonly [number[], number[]])[] = [
  [[], []],
  [[3], [3]],
  [[3], [1]],
  [[1], [4]],
  [
    [2, 2],
    [1, 1],
  ],
];
const matMul: RandomCalls = fc
  .record({
    m: size,
    k: size,
    n: size,
    batches: fc.constantFrom(...BATCHES),
    transposeA: fc.boolean(),
    transposeB: fc.boolean(),
    kind: fc.constantFrom('BatchMatMul', '_FusedMatMul', 'deepend.dense'),
    relu: fc.boolean(),
    seed: seeds,
  })
  .filter(({ m, k, n }) => m * k * n < 2_000_000)
  .map(({ m, k, n, batches, transposeA, transposeB, kind, relu, seed }): Operation => {
    const bias: Record<string, Numbers> =
      n > 0 && kind !== 'BatchMatMul' ? { bias: numbers([n], seed) } : {};
    if (kind === 'deepend.dense') {
      const [x, kernel] = [numbers([m, k], seed), numbers([k, n], seed + 1)];
      return { kernel: kind, inputs: { x, kernel, ...bias }, attrs: { relu } };
    }
    const a = numbers([...batches[0], ...(transposeA ? [k, m] : [m, k])], seed);
    const b = numbers([...batches[1], ...(transposeB ? [n, k] : [k, n])], seed + 1);
    const activation = kind === '_FusedMatMul' && relu ? { activation: 'relu' } : {};
    const attrs = { transposeA, transposeB, ...activation };
    return { kernel: kind, inputs: { a, b, ...bias }, attrs };
  });

/** Channels for which Winograd's algorithm is taken, if the image is large enough. */
const NARROW = { kernels: [[3, 3]], channels: [16, 20, 64], columns: [16, 36] } as const;
const isDense = ({ strides, dilations, image }: Convolution) =>
  Math.max(...strides, ...dilations) === 1 && image[1] > 3 && image[2] > 3;

/** So many channels that the planes of Winograd's transforms do not fit in the cache. */
const wide = fc
  .record({
    batch: side(2, 5),
    height: fc.constantFrom(4, 7, 8),
    width: fc.constantFrom(4, 8),
    channels: fc.constantFrom(144, 148),
    columns: fc.constantFrom(140, 144),
    pad: fc.constantFrom('same' as const, 'valid' as const),
    seed: fc.nat(999),
  })
  .map(({ batch, height, width, channels, columns, pad, seed }): Convolution => {
    const one: [number, number] = [1, 1];
    const edges = pad === 'valid' ? 2 : 0;
    const image: Convolution['image'] = [batch, height + edges, width + edges, channels];
    const filter: Convolution['filter'] = [3, 3, channels, columns];
    return { image, filter, strides: one, dilations: one, pad, seed };
  });

const CONVOLUTIONS = [convolution(), convolution(NARROW).filter(isDense), wide];

/** A convolution, the fused one, or one of its gradients. */
const conv = (of: fc.Arbitrary<Convolution>, direction: number): RandomCalls =>
  of
    .filter(({ pad }) => direction < 2 || typeof pad !== 'number')
    .map((c): Operation => {
      const { x, filter } = numbersOf(c);
      const { strides, dilations, pad } = c;
      const attrs = { strides, dilations, pad, dataFormat: 'NHWC' };
      const [image, weights] = [float(x), float(filter)];
      if (direction === 0)
        return { kernel: 'Conv2D', inputs: { x: image, filter: weights }, attrs };
      if (direction === 1) {
        const inputs = { x: image, filter: weights, bias: numbers([c.filter[3]], c.seed) };
        return { kernel: 'FusedConv2D', inputs, attrs: { ...attrs, activation: 'relu' } };
      }
      const { top, bottom, left, right } = infoOf(c).padInfo;
      const fused = { strides, dilations, padding: { top, bottom, left, right } };
      const positions = (axis: 0 | 1, padding: number) => {
        const reach = (c.filter[axis] - 1) * dilations[axis] + 1;
        return Math.floor(((c.image[1 + axis] as number) + padding - reach) / strides[axis]) + 1;
      };
      const outShape = [c.image[0], positions(0, top + bottom), positions(1, left + right)];
      const gradient = numbers([...outShape, c.filter[3]], c.seed);
      if (direction === 2) {
        return {
          kernel: 'deepend.conv2dInputGradient',
          inputs: { dy: gradient, filter: weights },
          attrs: { ...fused, xShape: c.image },
        };
      }
      return {
        kernel: 'deepend.conv2dFilterGradient',
        inputs: { x: image, dy: gradient },
        attrs: { ...fused, filterShape: c.filter },
      };
    });

const grouped: RandomCalls = fc
  .record({
    groups: fc.constantFrom(2, 3, 4, 8),
    channels: fc.constantFrom(1, 2, 5, 16),
    columns: fc.constantFrom(1, 3, 4, 16),
    kernel: fc.constantFrom(1, 3, 5),
    stride: side(1, 2),
    image: fc.tuple(side(1, 3), side(1, 12), side(1, 12)),
    direction: fc.nat(2),
    relu: fc.boolean(),
    seed: seeds,
  })
  .map(({ groups, channels, columns, kernel, stride, image, direction, relu, seed }) => {
    const pad = kernel >> 1;
    const [batch, height, width] = image;
    const outSize = (length: number) => Math.floor((length + 2 * pad - kernel) / stride) + 1;
    const xShape = [batch, height, width, groups * channels];
    const filterShape = [kernel, kernel, channels, groups * columns];
    const x = numbers(xShape, seed);
    const filter = numbers(filterShape, seed + 1);
    const dy = numbers([batch, outSize(height), outSize(width), groups * columns], seed + 2);
    const attrs = {
      strides: [stride, stride],
      dilations: [1, 1],
      padding: { top: pad, bottom: pad, left: pad, right: pad },
      groups,
    };
    const bias = numbers([groups * columns], seed + 3);
    return [
      { kernel: 'deepend.conv2d', inputs: { x, filter, bias }, attrs: { ...attrs, relu } },
      {
        kernel: 'deepend.conv2dInputGradient',
        inputs: { dy, filter },
        attrs: { ...attrs, xShape },
      },
      {
        kernel: 'deepend.conv2dFilterGradient',
        inputs: { x, dy },
        attrs: { ...attrs, filterShape },
      },
    ][direction] as Operation;
  });

const depthwise: RandomCalls = fc
  .tuple(convolution({ channels: [1, 3, 5, 16, 20, 64], columns: [1, 2, 3] }, true), fc.nat(2))
  .map(([c, direction]) => {
    const { x, filter, dy } = numbersOf(c, true);
    const { strides, dilations, pad } = c;
    const attrs = { strides, dilations, pad };
    const [image, weights, gradient] = [float(x), float(filter), float(dy)];
    return [
      { kernel: 'DepthwiseConv2dNative', inputs: { x: image, filter: weights }, attrs },
      {
        kernel: 'DepthwiseConv2dNativeBackpropInput',
        inputs: { dy: gradient, filter: weights },
        attrs: { ...attrs, inputShape: c.image },
      },
      {
        kernel: 'DepthwiseConv2dNativeBackpropFilter',
        inputs: { x: image, dy: gradient },
        attrs: { ...attrs, filterShape: c.filter },
      },
    ][direction] as Operation;
  });

/** Few different numbers, so that a window's largest number is found in it. */
const few = (shape: number[], seed: number): Numbers => {
  const { values, ...rest } = numbers(shape, seed, 2);
  return { ...rest, values: values.map(Math.round) };
};

const pooling: RandomCalls = fc
  .record({
    image: fc.tuple(side(1, 4), side(1, 17), side(1, 13), fc.constantFrom(1, 3, 5, 16, 20)),
    window: fc.tuple(side(1, 4), side(1, 4)),
    strides: fc.tuple(side(1, 3), side(1, 3)),
    pad: fc.constantFrom('valid' as const, 'same' as const),
    seed: seeds,
    kind: fc.nat(5),
  })
  .map((pool) => {
    const { image, window, strides, pad } = pool;
    return { ...pool, info: tf.backend_util.computePool2DInfo(image, window, strides, 1, pad) };
  })
  .filter(({ info }) => info.outHeight > 0 && info.outWidth > 0)
  .map(({ image, window, strides, pad, seed, kind, info }) => {
    const [x, y] = [few(image, seed), few(info.outShape, seed + 1)];
    const dy = numbers(info.outShape, seed + 2);
    const attrs = { filterSize: window, strides, pad };
    const { top, bottom, left, right } = info.padInfo;
    const fused = { size: window, strides, padding: { top, bottom, left, right } };
    return [
      { kernel: 'MaxPool', inputs: { x }, attrs },
      { kernel: 'AvgPool', inputs: { x }, attrs },
      { kernel: 'MaxPoolGrad', inputs: { dy, input: x, output: y }, attrs },
      { kernel: 'AvgPoolGrad', inputs: { dy, input: x }, attrs },
      { kernel: 'deepend.maxPool', inputs: { x }, attrs: fused },
      { kernel: 'deepend.maxPoolGradient', inputs: { x, y, dy }, attrs: fused },
    ][kind] as Operation;
  });

const norm: RandomCalls = fc
  .record({
    rows: fc.oneof(side(1, 60), side(1, 900)),
    channels: side(1, 90),
    kind: fc.nat(6),
    relu: fc.boolean(),
    affine: fc.boolean(),
    residual: fc.boolean(),
    seed: seeds,
  })
  .map(({ rows, channels, kind, relu, affine, residual, seed }) => {
    const row = (offset: number) => numbers([channels], seed + offset);
    const positive = (offset: number) => {
      const { values, ...rest } = row(offset);
      return { ...rest, values: values.map((value) => 1 + Math.abs(value)) };
    };
    const pixels = (offset: number) => numbers([rows, channels], seed + offset);
    const parameters = affine ? { gamma: row(1), beta: row(2) } : {};
    const shortcut = residual ? { residual: pixels(3) } : {};
    const x = pixels(0);
    const attrs = { epsilon: 1e-3, relu };
    return [
      {
        kernel: 'deepend.normalize',
        inputs: { x, ...parameters, ...shortcut, mean: row(4), variance: positive(5) },
        attrs,
      },
      {
        kernel: 'deepend.batchNorm',
        inputs: { x, ...parameters, ...shortcut, movingMean: row(4), movingVariance: positive(5) },
        attrs: { ...attrs, momentum: 0.9 },
      },
      {
        kernel: 'deepend.batchNormGradient',
        inputs: {
          x,
          y: pixels(6),
          dy: pixels(7),
          mean: row(4),
          invStd: positive(5),
          ...(affine && { gamma: row(1) }),
        },
        attrs: { ...attrs, residual },
      },
      { kernel: 'deepend.channelSums', inputs: { x } },
      { kernel: 'deepend.channelMoments', inputs: { x } },
      {
        kernel: 'deepend.batchNormSums',
        inputs: { x, y: pixels(6), dy: pixels(7), mean: row(4), invStd: positive(5) },
        attrs,
      },
      {
        kernel: 'deepend.batchNormApply',
        inputs: {
          ...{ x, y: pixels(6), dy: pixels(7) },
          ...{ mean: row(4), a: row(8), b: row(9), c: row(10) },
        },
        attrs: { ...attrs, residual },
      },
    ][kind] as Operation;
  });

const resize: RandomCalls = fc
  .record({
    kernel: fc.constantFrom('ResizeBilinear', 'ResizeNearestNeighbor'),
    shape: fc.tuple(fc.nat(3), side(1, 17), side(1, 17), side(1, 5)),
    size: fc.tuple(side(1, 60), side(1, 60)),
    mode: fc.nat(2),
    seed: seeds,
  })
  .map(({ kernel, shape, size, mode, seed }) => ({
    kernel,
    inputs: { images: oddNumbers(shape, seed) },
    attrs: { size, alignCorners: mode === 1, halfPixelCenters: mode === 2 },
  }));

const resizeGradient: RandomCalls = fc
  .record({
    kernel: fc.constantFrom('ResizeBilinearGrad', 'ResizeNearestNeighborGrad'),
    shape: fc.tuple(side(1, 3), side(1, 17), side(1, 17), fc.oneof(side(1, 5), side(16, 40))),
    size: fc.tuple(side(1, 40), side(1, 40)),
    mode: fc.nat(2),
    seed: seeds,
  })
  .map(({ kernel, shape, size, mode, seed }) => ({
    kernel,
    inputs: {
      images: numbers(shape, seed),
      dy: numbers([shape[0], ...size, shape[3]], seed),
    },
    attrs: { alignCorners: mode === 1, halfPixelCenters: mode === 2 },
  }));

const random: RandomCalls = fc
  .tuple(anyShape, seeds, fc.boolean())
  .map(([shape, seed, isDropout]): Operation => {
    const inputs = { x: numbers(shape, seed) };
    if (isDropout) return { kernel: 'deepend.dropout', inputs, attrs: { rate: 0.3, seed } };
    return { kernel: 'deepend.randomUniform', inputs: {}, attrs: { shape, seed } };
  });

const RULES = [
  ...['sgd', 'momentum', 'nesterov', 'adam', 'rmsprop', 'rmspropMomentum'],
  ...['rmspropCentered', 'rmspropCenteredMomentum', 'adagrad', 'lion'],
];
/** The slots of the rules that have fewer than three are not read. */
const SLOTS = 3;

/** Its inputs are the entries' tensors, in order: weight, gradient and slots of each. */
const update: RandomCalls = fc
  .tuple(
    fc.constantFrom(...RULES),
    fc.array(fc.oneof(side(0, 70), side(16_380, 40_001)), { minLength: 1, maxLength: 4 }),
    seeds,
  )
  .map(([rule, sizes, seed]) => ({
    kernel: 'deepend.update',
    inputs: sizes.flatMap((count, i) =>
      Array.from({ length: 2 + SLOTS }, (_, j) => {
        const { values, ...rest } = numbers([count], seed + i * 5 + j);
        return { ...rest, values: j < 2 ? values : values.map((value) => 4 + Math.abs(value)) };
      }),
    ),
    attrs: { rule, beta1: 0.9, beta2: 0.5, epsilon: 1e-2 },
  }));

const ofMoves = [...MOVES, ...CASTS, ...GATHERS].map(({ kernel, calls, large = [] }) =>
  fc
    .oneof(
      { weight: 12, arbitrary: calls },
      ...large.map((call) => ({ weight: 1, arbitrary: fc.constant(call) })),
    )
    .map((call): Operation => ({ kernel, ...call })),
);

/** All steps of a recurrent layer, forward or back. Sizes: time, batch, hidden; some tiles are cut. */
const recurrent: RandomCalls = fc
  .record({
    cell: fc.constantFrom('tanh', 'relu', 'gru', 'lstm'),
    time: side(1, 5),
    batch: fc.oneof(side(1, 9), side(60, 140)),
    hidden: fc.oneof(side(1, 40), side(60, 130)),
    reverse: fc.boolean(),
    isBackward: fc.boolean(),
    hasLengths: fc.boolean(),
    seed: seeds,
    draw: make,
  })
  .map(({ cell, time, batch, hidden, reverse, isBackward, hasLengths, seed, draw }) => {
    const gates = { tanh: 1, relu: 1, gru: 3, lstm: 4 }[cell] ?? 1;
    const steps = (width: number, place: number) => draw([time, batch, width], seed + place);
    const row = (place: number) => draw([batch, hidden], seed + place);
    const isLstm = cell === 'lstm';
    const lengths = {
      dtype: 'int32' as const,
      shape: [batch],
      values: Int32Array.from({ length: batch }, (_, i) => 1 + ((i + Math.abs(seed)) % time)),
    };
    const common = {
      h0: row(1),
      ...(isLstm && { c0: row(2) }),
      // Larger ones make a step's rounding grow with each step that follows.
      weightHh: numbers([gates * hidden, hidden], seed + 3, 2 / Math.sqrt(hidden)),
      ...(hasLengths && { lengths }),
    };
    const attrs = { cell, reverse };
    if (!isBackward) {
      const biasHh = numbers([gates * hidden], seed + 4);
      const inputs = { projected: steps(gates * hidden, 5), ...common, biasHh };
      return { kernel: 'deepend.recurrent', inputs, attrs };
    }
    const inputs = {
      dOutput: steps(hidden, 6),
      dh: row(7),
      ...(isLstm && { dc: row(8) }),
      ...common,
      states: steps(hidden, 9),
      gates: steps(gates * hidden, 10),
      ...(gates > 1 && { extra: steps(hidden, 11) }),
    };
    return { kernel: 'deepend.recurrentGradient', inputs, attrs };
  });

/** Fused kernels of nn's functions. */
const functional: RandomCalls = fc
  .record({
    rows: fc.oneof(side(1, 60), side(1, 300)),
    n: fc.oneof(side(1, 90), side(91, 900)),
    kind: fc.nat(2),
    affine: fc.boolean(),
    seed: seeds,
    draw: makeSummable,
  })
  .map(({ rows, n, kind, affine, seed, draw }) => {
    const [x, dy] = [draw([rows, n], seed), draw([rows, n], seed + 1)];
    const row = (place: number) => numbers([n], seed + place);
    const ofRows = (place: number) => numbers([rows], seed + place);
    const parameters = affine ? { gamma: row(2), beta: row(3) } : {};
    return [
      { kernel: 'deepend.layerNorm', inputs: { x, ...parameters }, attrs: { epsilon: 1e-3 } },
      {
        kernel: 'deepend.layerNormGradient',
        inputs: {
          ...{ x: numbers([rows, n], seed), dy, mean: ofRows(4), invStd: ofRows(5) },
          ...(affine && { gamma: row(2) }),
        },
      },
      {
        kernel: 'deepend.embeddingGradient',
        inputs: { dy, ids: integers([rows], seed, [0, 30]) },
        attrs: { num: 30 },
      },
    ][kind] as Operation;
  });

/** Heads of attention: several blocks of keys and of queries, every kind of mask. */
const attention: RandomCalls = fc
  .record({
    batch: side(1, 3),
    heads: side(1, 3),
    queries: fc.oneof(side(1, 20), side(40, 120)),
    keys: fc.oneof(side(1, 20), side(150, 420)),
    dim: side(1, 40),
    valueDim: side(1, 40),
    causal: fc.boolean(),
    mask: fc.nat(3),
    isBackward: fc.boolean(),
    seed: seeds,
  })
  .map(({ batch, heads, queries, keys, dim, valueDim, causal, mask, isBackward, seed }) => {
    const tensor = (rows: number, width: number, place: number) =>
      numbers([batch, heads, rows, width], seed + place, 1);
    const masks = [
      [1, 1, 1, keys],
      [batch, 1, 1, keys],
      [1, heads, queries, keys],
    ];
    const shape = masks[mask];
    const inputs = {
      q: tensor(queries, dim, 0),
      k: tensor(keys, dim, 1),
      v: tensor(keys, valueDim, 2),
      ...(shape && { mask: numbers(shape, seed + 3) }),
    };
    const attrs = { causal, scale: 0.3 };
    if (!isBackward) return { kernel: 'deepend.attention', inputs, attrs };
    const { values, ...rest } = numbers([batch, heads, queries], seed + 4);
    const saved = {
      y: tensor(queries, valueDim, 5),
      logSum: { ...rest, values: values.map((value) => 4 + Math.abs(value)) },
      dy: tensor(queries, valueDim, 6),
    };
    return { kernel: 'deepend.attentionGradient', inputs: { ...inputs, ...saved }, attrs };
  });

/** Queries, keys and values in one tensor. */
const joined: RandomCalls = fc
  .record({
    batch: side(1, 3),
    time: fc.oneof(side(1, 20), side(150, 260)),
    heads: side(1, 4),
    dim: side(1, 20),
    causal: fc.boolean(),
    batchFirst: fc.boolean(),
    isBackward: fc.boolean(),
    seed: seeds,
  })
  .map(({ batch, time, heads, dim, causal, batchFirst, isBackward, seed }) => {
    const tensor = (parts: number, place: number) =>
      numbers(
        [...(batchFirst ? [batch, time] : [time, batch]), parts * heads * dim],
        seed + place,
        1,
      );
    const attrs = { causal, batchFirst, heads, scale: 0.4 };
    const qkv = tensor(3, 0);
    if (!isBackward) return { kernel: 'deepend.selfAttention', inputs: { qkv }, attrs };
    const { values, ...rest } = numbers([batch, heads, time], seed + 1);
    const logSum = { ...rest, values: values.map((value) => 4 + Math.abs(value)) };
    const inputs = { qkv, y: tensor(1, 2), logSum, dy: tensor(1, 3) };
    return { kernel: 'deepend.selfAttentionGradient', inputs, attrs };
  });

const curves: RandomCalls = fc
  .tuple(fc.constantFrom('gelu', 'geluTanh', 'silu'), anyShape, seeds, make, fc.boolean())
  .map(([name, shape, seed, draw, isBackward]) => ({
    kernel: isBackward ? 'deepend.curveGradient' : 'deepend.curve',
    inputs: { x: draw(shape, seed), ...(isBackward && { dy: draw(shape, seed + 1) }) },
    attrs: { name },
  }));

/** One of each is run in turn. */
export const RANDOM_CALLS: readonly RandomCalls[] = [
  ...[...UNARY, ...PARAMETERIZED].map(([kernel, attrs]) => ofOne(kernel, 'x', attrs)),
  ...Array.from({ length: 8 }, () => ofTwo),
  ...[
    activationGradient,
    eluGradient,
    selection,
    selection,
    logical,
    logical,
    topK,
    topK,
    sums,
    reduction,
    reduction,
    reduction,
    softmax,
    crossEntropy,
    recurrent,
    recurrent,
    functional,
    functional,
    functional,
    curves,
    curves,
    attention,
    attention,
    attention,
    weighted,
    joined,
    joined,
  ],
  ...ofMoves,
  ...[matMul, matMul, matMul, matMul, grouped, grouped],
  ...[0, 1, 2, 3].flatMap((direction) => CONVOLUTIONS.map((of) => conv(of, direction))),
  ...[depthwise, depthwise, depthwise, pooling, pooling, pooling, pooling],
  ...[
    norm,
    norm,
    norm,
    norm,
    resize,
    resize,
    resizeGradient,
    resizeGradient,
    random,
    random,
    update,
    update,
  ],
];

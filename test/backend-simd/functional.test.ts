/** Fused kernels of nn's functions against core ops on cpu: every build, any threads. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import { type FusedKernelName, hasFusedKernel } from '@deepend/compiler';
import { functional } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { selfAttention } from '../../packages/nn/src/functional/attention';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { expectAlike } from './alike';

type Tensors = Readonly<Record<string, tf.Tensor>>;

interface Row {
  readonly what: string;
  readonly kernels: readonly FusedKernelName[];
  /** Shapes of the inputs, which all get a gradient. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Factor of the inputs, which lie between −1/2 and 1/2. @default 1 */
  readonly scale?: number;
  // biome-ignore lint/suspicious/noExplicitAny: each function takes its own inputs
  run(inputs: any): tf.Tensor;
}

const layerNorm = (shape: readonly number[], normalizedShape: number[], affine = true): Row => ({
  what: `layerNorm of [${shape}] over [${normalizedShape}]${affine ? '' : ', plain'}`,
  kernels: ['deepend.layerNorm', 'deepend.layerNormGradient'],
  shapes: { x: shape, ...(affine && { weight: normalizedShape, bias: normalizedShape }) },
  run: ({ x, weight, bias }) => functional.layerNorm(x, { normalizedShape, weight, bias }),
});

const curve = (what: string, run: (x: tf.Tensor) => tf.Tensor): Row => ({
  what,
  kernels: ['deepend.curve', 'deepend.curveGradient'],
  shapes: { x: [3, 6007] },
  scale: 14,
  run: ({ x }) => run(x),
});

/** Indices of which some come often and some never. */
const ids = (count: number, num: number) =>
  tf.tensor1d(
    [...mix(count, 'ids')].map((v) => Math.floor(v * v * num)),
    'int32',
  );

const embedding = (count: number, num: number, dim: number): Row => ({
  what: `embedding of ${count} ids in [${num}, ${dim}]`,
  kernels: ['deepend.embeddingGradient'],
  shapes: { weight: [num, dim] },
  run: ({ weight }) => functional.embedding(ids(count, num), weight),
});

/** Sizes: batch, heads, queries, keys, dim, dim of values. */
type Sizes = readonly [number, number, number, number, number, number];
type AttentionOptions = Parameters<typeof functional.scaledDotProductAttention>[3];

const attention = (sizes: Sizes, more: AttentionOptions & { hide?: string } = {}): Row => {
  const [batch, heads, queries, keys, dim, valueDim] = sizes;
  const { hide, ...options } = more;
  const masks: Record<string, number[]> = {
    keys: [batch, 1, 1, keys],
    all: [batch, heads, queries, keys],
    added: [heads, queries, keys],
  };
  const shape = hide ? (masks[hide] as number[]) : undefined;
  const isAdded = hide === 'added';
  return {
    what: `attention ${sizes} ${JSON.stringify(more)}`,
    kernels: ['deepend.attention', 'deepend.attentionGradient'],
    shapes: {
      q: [batch, heads, queries, dim],
      k: [batch, heads, keys, dim],
      v: [batch, heads, keys, valueDim],
      ...(isAdded && { mask: shape }),
    },
    scale: 3,
    run({ q, k, v, mask }) {
      const drawn = shape && !isAdded && mix(tf.util.sizeFromShape(shape), 'mask');
      const hidden = drawn && tf.tensor([...drawn].map(Number), shape, 'float32');
      const bool = hidden && tf.greater(hidden, 0.4);
      return functional.scaledDotProductAttention(q, k, v, { mask: mask ?? bool, ...options });
    },
  };
};

interface Joined {
  readonly heads: number;
  readonly batchFirst?: boolean;
  readonly causal?: boolean;
  /** Hides some keys of each sample. */
  readonly hide?: boolean;
}

/** Queries, keys and values in one tensor; where there is no kernel, their heads are copied. */
const joined = (shape: [number, number, number], options: Joined): Row => {
  const { heads, batchFirst = true, causal = false, hide = false } = options;
  const [batch, time] = batchFirst ? shape : [shape[1], shape[0]];
  const dim = shape[2] / 3 / heads;
  const order = batchFirst ? [0, 2, 1, 3] : [1, 2, 0, 3];
  return {
    what: `self-attention ${shape} ${JSON.stringify(options)}`,
    kernels: ['deepend.selfAttention', 'deepend.selfAttentionGradient'],
    shapes: { qkv: shape },
    scale: 3,
    run({ qkv }) {
      const sees = tf.tensor([...mix(batch * time, 'mask')], [batch, 1, 1, time]);
      const mask = hide ? tf.greater(sees, 0.3) : undefined;
      const fused = selfAttention(qkv, { heads, batchFirst, mask, causal });
      if (fused) return fused;
      const split: number[] = [...shape.slice(0, 2), heads, dim];
      const [q, k, v] = tf
        .split(qkv as tf.Tensor, 3, 2)
        .map((x) => tf.transpose(tf.reshape(x, split), order) as tf.Tensor) as [
        tf.Tensor4D,
        tf.Tensor4D,
        tf.Tensor4D,
      ];
      const y = functional.scaledDotProductAttention(q, k, v, { mask, causal });
      const back = tf.transpose(y, batchFirst ? [0, 2, 1, 3] : [2, 0, 1, 3]);
      return tf.reshape(back, [...shape.slice(0, 2), heads * dim]);
    },
  };
};

const linear = (rows: number, inputs: number, outputs: number): Row => ({
  what: `linear ${rows} × ${inputs} → ${outputs}`,
  kernels: ['deepend.linear'],
  shapes: { x: [rows, inputs], weight: [outputs, inputs], bias: [outputs] },
  run: ({ x, weight, bias }) => functional.linear(x, weight, bias),
});

const ROWS: readonly Row[] = [
  joined([2, 60, 3 * 2 * 12], { heads: 2, hide: true }),
  joined([200, 2, 3 * 3 * 5], { heads: 3, batchFirst: false, causal: true }),
  linear(9, 20, 13),
  linear(300, 70, 33),
  attention([2, 3, 50, 50, 16, 16]),
  attention([1, 2, 7, 9, 5, 3], { causal: true }),
  attention([1, 1, 130, 200, 8, 20], { causal: true }), // two blocks of keys
  attention([1, 2, 200, 500, 20, 8], { scale: 0.7, hide: 'keys' }),
  attention([2, 2, 49, 33, 12, 7], { hide: 'all', causal: true }),
  attention([1, 2, 60, 40, 12, 16], { hide: 'added' }),
  attention([4, 5, 1, 3, 1, 1], { hide: 'all' }), // some queries see no key
  layerNorm([130, 67], [67]),
  layerNorm([2, 5, 4, 16], [4, 16]),
  layerNorm([700, 256], [256]), // several blocks of rows
  layerNorm([3, 9000], [9000], false),
  layerNorm([4, 1], [1]),
  curve('gelu', (x) => functional.gelu(x)),
  curve('gelu with tanh', (x) => functional.gelu(x, { approximate: 'tanh' })),
  curve('silu', (x) => functional.silu(x)),
  embedding(500, 40, 71),
  embedding(3, 1000, 32),
  embedding(90, 7, 1),
];

/** The output, and gradients of a weighted sum of it, as plain numbers. */
function compute({ shapes, scale = 1, run }: Row, poisoned: boolean): Float32Array[] {
  return tf.tidy(() => {
    const names = Object.keys(shapes);
    const tensors = Object.entries(shapes).map(([name, shape], i) => {
      const values = mix(tf.util.sizeFromShape([...shape]), name).map((v) => (v - 0.5) * scale);
      if (poisoned && i === 0) values[values.length >> 1] = Number.NaN;
      return tf.tensor(values, [...shape]);
    });
    const outputs: tf.Tensor[] = [];
    const gradients = tf.grads((...wrt: tf.Tensor[]) => {
      const inputs: Tensors = Object.fromEntries(names.map((name, i) => [name, wrt[i]])) as Tensors;
      const output = tf.keep(run(inputs));
      outputs.push(output);
      const weights = mix(output.size, 'dy').map((v) => v - 0.5);
      return tf.sum(tf.mul(output, tf.tensor(weights, output.shape)));
    })(tensors);
    const values = [...outputs, ...gradients].map((x) => x.dataSync().slice() as Float32Array);
    tf.dispose(outputs);
    return values;
  });
}

/** `toEqual` would take seconds. */
function expectSameBits(actual: Float32Array[], expected: Float32Array[]): void {
  const bytes = (list: Float32Array[]) => Buffer.concat(list.map((x) => Buffer.from(x.buffer)));
  expect(Buffer.compare(bytes(actual), bytes(expected))).toBe(0);
}

/** What cpu gives, computed once for all builds. */
const references = new Map<string, Float32Array[]>();
async function reference(row: Row, poisoned: boolean): Promise<Float32Array[]> {
  const key = `${row.what} ${poisoned}`;
  if (!references.has(key)) {
    await tf.setBackend('cpu');
    references.set(key, compute(row, poisoned));
  }
  return references.get(key) as Float32Array[];
}

const { build: usualBuild, numThreads } = runtime();
afterEach(() => {
  runtime().setBuild(usualBuild);
  runtime().setThreads(numThreads);
});

describe.each(runtime().builds)('%s', (build) => {
  it.each(ROWS)('$what', async (row) => {
    for (const poisoned of [false, true]) {
      const expected = await reference(row, poisoned);
      await tf.setBackend('simd');
      runtime().setBuild(build);
      for (const name of row.kernels) expect(hasFusedKernel(name), name).toBe(true);
      runtime().setThreads(1);
      const one = compute(row, poisoned);
      expectAlike(one, expected, { tolerance: 1e-5, isNaNRequired: (i) => i === 0 });
      runtime().setThreads(3);
      expectSameBits(compute(row, poisoned), one);
    }
    await expectNoLeak(() => compute(row, false));
  });
});

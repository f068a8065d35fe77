/**
 * The loss of a model around its weights: Li et al. 2018, Visualizing the Loss Landscape of Neural
 * Nets, https://arxiv.org/abs/1712.09913.
 */
import { checkOptions, rule } from '@deepend/core';
import { sfc32 } from '@deepend/data';
import { type Batch, type EvaluateOptions, evaluate, type Loader } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel, layers } from '@tensorflow/tfjs-layers';

export interface LossLandscapeOptions {
  /**
   * Points along each of the two directions; an odd number has the model itself in the middle.
   * @default 21
   */
  steps?: number;
  /**
   * Distance to either side; 1 is the norm of the weights of each filter. @default 1
   */
  range?: number;
  /** Seed of the random directions. @default 0 */
  seed?: number;
  /** @default softmax cross-entropy on the logits */
  loss?: EvaluateOptions['loss'];
  /** Called after each of `total` points. @default nothing */
  onPoint?: (done: number, total: number) => void;
}

/**
 * Losses `z[j][i]` at `x[i]` along the first direction and `y[j]` along the second: what
 * `plotContours` draws.
 */
export interface LossLandscape {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly z: readonly (readonly number[])[];
}

const options = rule.object({
  steps: rule.integer({ min: 2, max: 501 }).optional(),
  range: rule.positiveNumber().optional(),
  seed: rule.seed().optional(),
  loss: rule
    .custom<NonNullable<EvaluateOptions['loss']>>(
      (value) => typeof value === 'function' || (typeof value === 'object' && value !== null),
      'a loss',
    )
    .optional(),
  onPoint: rule.func<(done: number, total: number) => void>().optional(),
});

/** A layer's weight, which tfjs's types know in part. */
type Weight = layers.Layer['weights'][number];

interface Way {
  readonly weight: Weight;
  readonly start: tf.Tensor;
  readonly directions: readonly [tf.Tensor, tf.Tensor];
}

/**
 * Computes the loss on a plane through the model's weights, along two random directions in which
 * each filter has the norm of the model's own filter ("filter-normalized"). Biases and
 * normalization layers are not changed. The weights change while it runs; at the end, and after an
 * error, they are restored bit by bit.
 * @param data a batch, which the caller disposes, or a loader, all of whose batches are evaluated
 *   at each point
 * @example
 * await plotContours(await lossLandscape(net, batch), { zscale: 'log' }).save('landscape.png');
 */
export async function lossLandscape(
  net: LayersModel,
  data: Batch | Loader,
  settings: LossLandscapeOptions = {},
): Promise<LossLandscape> {
  const where = '[deepend] lossLandscape';
  const { steps = 21, range = 1, seed = 0, loss, onPoint } = checkOptions(where, options, settings);
  const loader = 'features' in data ? loaderOf(data) : data;
  const along = Array.from(
    { length: steps },
    (_, i) => (range * (2 * i - (steps - 1))) / (steps - 1),
  );
  const ways = await waysOf(where, net, seed);
  const z: number[][] = [];
  try {
    for (const b of along) {
      const row: number[] = [];
      z.push(row);
      for (const a of along) {
        for (const way of ways) move(way, a, b);
        row.push((await evaluate(net, loader, { loss })).loss);
        onPoint?.((z.length - 1) * steps + row.length, steps * steps);
      }
    }
    return { x: along, y: along, z };
  } finally {
    for (const { weight, start, directions } of ways) {
      weight.write(start);
      tf.dispose([start, ...directions]);
    }
  }
}

/** Moves a weight from its start by `a` and `b` along the two directions. */
function move({ weight, start, directions: [first, second] }: Way, a: number, b: number): void {
  const there = tf.tidy(() => tf.add(start, tf.add(tf.mul(first, a), tf.mul(second, b))));
  weight.write(there);
  there.dispose();
}

/** A loader that repeats a batch. Evaluation disposes what it takes, so it gets clones. */
const loaderOf = ({ features, labels }: Batch): Loader => ({
  numSamples: features.shape[0] ?? 0,
  batchSize: features.shape[0] ?? 0,
  numBatches: 1,
  async *[Symbol.asyncIterator]() {
    yield { features: features.clone(), labels: labels.clone() };
  },
});

async function waysOf(where: string, net: LayersModel, seed: number): Promise<Way[]> {
  const kernels = [
    ...new Set(
      net.layers.filter(({ name }) => !name.endsWith('_fixed')).flatMap((layer) => layer.weights),
    ),
  ].filter(
    ({ shape }) => shape.length >= 2, // biases and normalizations are vectors
  );
  if (kernels.length === 0)
    throw new RangeError(`${where}: the model '${net.name}' has no layer with a matrix of weights`);
  const gaussian = normal(sfc32(seed));
  const ways: Way[] = [];
  for (const weight of kernels) {
    const values = await weight.read().data();
    const shape = weight.shape as number[];
    const direction = () =>
      tf.tensor(filterNormalized(gaussian, values, { shape, name: weight.name }), shape);
    ways.push({ weight, start: weight.read().clone(), directions: [direction(), direction()] });
  }
  return ways;
}

/**
 * Gaussian numbers, scaled so that each filter's are as long as the filter's own weights; a filter
 * lies across all axes but the last.
 */
export function filterNormalized(
  gaussian: () => number,
  weights: ArrayLike<number>,
  { shape, name }: { shape: readonly number[]; name: string },
): Float32Array {
  const last = shape.at(-1) ?? 1;
  // Each channel of a depthwise kernel [height, width, channels, multiplier] is a filter of its
  // own.
  const filters = /depthwise_kernel(_\d+)?$/.test(name) ? (shape.at(-2) ?? 1) * last : last;
  const direction = Float32Array.from({ length: weights.length }, gaussian);
  const [own, random] = [new Float64Array(filters), new Float64Array(filters)];
  const add = (sums: Float64Array, i: number, value: number) => {
    sums[i % filters] = (sums[i % filters] ?? 0) + value ** 2;
  };
  direction.forEach((value, i) => {
    add(own, i, weights[i] ?? 0);
    add(random, i, value);
  });
  return direction.map(
    (value, i) => value * Math.sqrt((own[i % filters] ?? 0) / (random[i % filters] || 1)),
  );
}

/** Standard normal numbers from integers in [0, 2³²): Box and Muller 1958. */
function normal(next: () => number): () => number {
  return () =>
    Math.sqrt(-2 * Math.log((next() + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * next()) / 2 ** 32);
}

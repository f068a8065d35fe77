/**
 * Batch normalization over the samples of several processes, as `torch.nn.SyncBatchNorm`: sums of
 * each channel are added up over all processes in the middle of the forward and the backward pass.
 */
import * as tf from '@tensorflow/tfjs-core';

/** How processes that compute parts of one batch add up their sums. */
export interface NormSync {
  /** Number of processes. */
  readonly size: number;
  /**
   * What this process's loss counts in the mean over all processes. At 0 it has no samples: it
   * computes others, which do not count, so that it comes to the same sums.
   */
  readonly mass: number;
  /**
   * Adds up numbers over all processes, in place, and waits for them. Every process calls it in the
   * same order.
   */
  sum(values: Float64Array): void;
  /** A number for the layer with this variable, the same in every process. */
  layerOf(variableId: number): number;
}

/** Shared by all copies of this package in a process, hence on globalThis. */
const KEY = Symbol.for('deepend.norm-sync');
const holder = globalThis as unknown as Record<symbol, NormSync | undefined>;

/** The processes over which batch normalization in training normalizes; undefined: this one. */
export const normSync = (): NormSync | undefined => holder[KEY];

/** Runs `work`, in which batch normalization in training is over several processes, or is not. */
export function withNormSync<T>(sync: NormSync | undefined, work: () => T): T {
  const outer = holder[KEY];
  holder[KEY] = sync;
  try {
    return work();
  } finally {
    holder[KEY] = outer;
  }
}

/**
 * Kernels, so that a compiled module replays them. They wait for other processes: a recording may
 * leave none out.
 */
export const JOINING_KERNELS = ['deepend.joinMoments', 'deepend.joinNormSums'] as const;
type JoiningKernel = (typeof JOINING_KERNELS)[number];

export interface JoinAttrs {
  /** Rows of this process: batch·height·width. */
  readonly count: number;
  /** Id of a variable of the layer. */
  readonly variable: number;
  /** The beginning of an error where all processes have one row together. @default none is wrong */
  readonly where?: string;
}

/** `[channels]` each. */
export interface Moments {
  readonly mean: tf.Tensor;
  readonly variance: tf.Tensor;
  /** The sum of squared differences divided by the number of rows less 1, for the moving one. */
  readonly unbiased: tf.Tensor;
}

/** Σdz·x̂ and Σdz of each channel, or their means over the rows. */
export interface NormSums {
  readonly dGamma: tf.Tensor;
  readonly dBeta: tf.Tensor;
}

/**
 * The moments of all processes from this one's.
 * @throws RangeError for one row in all processes, with `where`
 */
export function joinMoments(own: Omit<Moments, 'variance'>, attrs: JoinAttrs): Moments {
  const [mean, variance, unbiased] = run('deepend.joinMoments', { ...own }, attrs);
  return { mean, variance, unbiased } as Moments;
}

/**
 * Means over the rows of all processes from this one's sums. dz is the gradient of the mean loss of
 * this process's samples, and so are the means: its share in the whole comes later.
 */
export function joinNormSums(own: NormSums, attrs: JoinAttrs): NormSums {
  const [dGamma, dBeta] = run('deepend.joinNormSums', { ...own }, attrs);
  return { dGamma, dBeta } as NormSums;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;

const KERNELS: Record<JoiningKernel, (inputs: Inputs, attrs: JoinAttrs) => tf.Tensor[]> = {
  'deepend.joinMoments': (inputs, attrs) => {
    const [means, variances] = [valuesOf(inputs.mean), valuesOf(inputs.unbiased)];
    const { count } = attrs;
    const values = joinedValues(means.length);
    means.forEach((mean, c) => {
      values[HEAD + c] = count * mean;
      // Float32's mean may be 1e7 times the deviation; float64 still has the square's digits.
      values[HEAD + means.length + c] = (count - 1) * at(variances, c) + count * mean * mean;
    });
    const { total, first, second } = join(values, attrs);
    if (attrs.where !== undefined && total < 2) throw oneRow(attrs.where);
    const mean = first.map((sum) => sum / total);
    const squares = second.map((sum, c) => Math.max(0, sum - total * at(mean, c) ** 2));
    const divided = (by: number) => vector(squares.map((sum) => sum / by));
    return [vector(mean), divided(total), divided(Math.max(total - 1, 1))];
  },
  'deepend.joinNormSums': (inputs, attrs) => {
    const [dGamma, dBeta] = [valuesOf(inputs.dGamma), valuesOf(inputs.dBeta)];
    const mass = normSync()?.mass || 1;
    const values = joinedValues(dGamma.length);
    dGamma.forEach((sum, c) => {
      values[HEAD + c] = mass * sum;
      values[HEAD + dGamma.length + c] = mass * at(dBeta, c);
    });
    const { total, first, second } = join(values, attrs);
    return [first, second].map((sums) => vector(sums.map((sum) => sum / (total * mass))));
  },
};

/** Before the sums stand a number of the layer, and the number of rows. */
const HEAD = 2;
const joinedValues = (channels: number) => new Float64Array(HEAD + 2 * channels);

/** Adds up the sums of all processes. One without samples gives zeros. */
function join(values: Float64Array, { count, variable }: JoinAttrs) {
  const sync = normSync();
  if (!sync) throw new Error('[compiler] a join of normalization outside withNormSync');
  if (sync.mass === 0) values.fill(0);
  const layer = sync.layerOf(variable);
  values[0] = layer;
  values[1] = sync.mass === 0 ? 0 : count;
  sync.sum(values);
  // Where not all are equal, some rank's own number is not the mean.
  if (values[0] !== layer * sync.size) {
    throw new Error(
      '[compiler] synchronized batch normalization: expected the same layer on every process at ' +
        "the same time, got others; a model's layers must be called in the same order everywhere",
    );
  }
  const channels = (values.length - HEAD) / 2;
  return {
    total: at(values, 1),
    first: values.subarray(HEAD, HEAD + channels),
    second: values.subarray(HEAD + channels),
  };
}

const oneRow = (where: string) =>
  new RangeError(
    `${where}: expected more than one value for each feature in training, got one on all ` +
      'processes together; use larger batches (`dropLast` leaves out a last one), or eval()',
  );

const at = (values: ArrayLike<number>, i: number) => values[i] as number;
const valuesOf = (tensor: tf.Tensor | undefined) => tensor?.dataSync() as Float32Array;
const vector = (values: Float64Array) => tf.tensor1d(Float32Array.from(values));

/** Runs a kernel, which the current backend has from the first time on. */
function run(kernelName: JoiningKernel, inputs: tf.NamedTensorMap, attrs: JoinAttrs): tf.Tensor[] {
  const backendName = tf.getBackend();
  if (!tf.getKernel(kernelName, backendName)) {
    const kernelFunc: tf.KernelFunc = (call) =>
      tf.tidy(() => KERNELS[kernelName](call.inputs as Inputs, call.attrs as never) as never);
    tf.registerKernel({ kernelName, backendName, kernelFunc });
  }
  return tf.engine().runKernel(kernelName, inputs, { ...attrs }) as unknown as tf.Tensor[];
}

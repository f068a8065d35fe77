/**
 * The book's functions for optimization and for computation on several devices: chapters 12 and 13
 * of the English edition (11 and 12 of the Chinese one).
 */
import { readFile } from 'node:fs/promises';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type ArrayLoader, type DownloadOptions, download, loadArray } from '@deepend/data';
import type { Parameters, VariableOptimizer, VariableOptimizerOptions } from '@deepend/optim';
import type { Annotation } from '@deepend/plot';
import { type Loader, Timer } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { Hyperparams, TrainerCh11 } from './scratch-optimizers';

export {
  type Hyperparams,
  type OptimizerCh11,
  type OptimizerNameCh11,
  optimizersCh11,
  type TrainerCh11,
} from './scratch-optimizers';

type Point = readonly [x1: number, x2: number];
type State2d = readonly [x1: number, x2: number, s1: number, s2: number];
/** The gradient of a function of two variables. */
export type Gradient2d = (x1: number, x2: number) => Point;
/** A step in two dimensions: the point and two states of the optimizer after it. */
export type Trainer2d = (...state: [...State2d, fGrad: Gradient2d | undefined]) => State2d;

const OPTIONS_2D = rule.object({
  steps: rule.positiveInteger().optional(),
  fGrad: rule.func<Gradient2d>().optional(),
});

/**
 * Section 12.3: the points that an optimizer visits in two dimensions, from (−5, −2) on, for
 * `showTrace2d`. Prints the last one.
 * @param trainer returns the next `[x1, x2, s1, s2]`; the states s1 and s2 begin at 0
 * @param options.steps @default 20
 * @param options.fGrad the gradient, which the trainer gets as its fifth argument @default none
 * @throws RangeError when a point is not finite; TypeError when the trainer returns anything else
 * @example
 * const results = d2l.train2d((x1, x2) => [x1 - 0.04 * x1, x2 - 0.8 * x2, 0, 0]);
 * await d2l.showTrace2d((x1, x2) => 0.1 * x1 ** 2 + x2 ** 2, results).save('trace.svg');
 */
export function train2d(
  trainer: Trainer2d,
  options: { steps?: number; fGrad?: Gradient2d } = {},
): Point[] {
  const where = '[deepend] d2l.train2d';
  const { steps = 20, fGrad } = checkOptions(where, OPTIONS_2D, options);
  let state: State2d = [-5, -2, 0, 0];
  const results: Point[] = [[-5, -2]];
  for (let step = 1; step <= steps; step++) {
    state = trainer(...state, fGrad);
    if (!Array.isArray(state) || state.length !== 4) {
      throw new TypeError(
        `${where}: expected [x1, x2, s1, s2] of the trainer, got ${formatValue(state)}; states ` +
          'that it does not use are 0',
      );
    }
    const [x1, x2] = state;
    if (!Number.isFinite(x1) || !Number.isFinite(x2)) {
      throw new RangeError(
        `${where}: expected finite numbers after step ${step}, got x1 ${x1} and x2 ${x2}; ` +
          'lower the learning rate, and return [x1, x2, s1, s2] from the trainer',
      );
    }
    results.push([x1, x2]);
  }
  console.log(`epoch ${steps}, x1: ${state[0].toFixed(6)}, x2: ${state[1].toFixed(6)}`);
  return results;
}

const AIRFOIL_COLUMNS = 6; // five features and the noise in decibels

/**
 * Section 12.5: NASA's airfoil self-noise, 1503 rows of five features and the noise, each
 * column standardized over all rows.
 * @param n rows to take from the start
 * @returns the loader, and the number of features: 5
 * @throws DataError when the file cannot be downloaded: the error says where to put it
 */
export async function getDataCh11(
  batchSize = 10,
  n = 1500,
  files: Omit<DownloadOptions, 'sha1'> = {},
): Promise<[dataIter: ArrayLoader, featureDim: number]> {
  const where = '[deepend] d2l.getDataCh11';
  const rows = parseAirfoil(where, await readFile(await download('airfoil', files), 'utf8'));
  checkOptions(where, rule.object({ n: rule.integer({ min: 1, max: rows.length }) }), { n });
  const columns = Array.from({ length: AIRFOIL_COLUMNS }, (_, j) =>
    standardize(rows.map((row) => row[j] as number)),
  );
  const labels = Float32Array.from(columns.at(-1) as number[]).slice(0, n);
  const features = columns.slice(0, -1);
  const values = Float32Array.from(
    rows.slice(0, n).flatMap((_, i) => features.map((f) => f[i])) as number[],
  );
  const dim = features.length;
  return [loadArray([{ values, shape: [n, dim] }, labels], batchSize), dim];
}

function parseAirfoil(where: string, content: string): number[][] {
  return content
    .trim()
    .split(/\r?\n/)
    .map((line, i) => {
      const row = line.split('\t').map(Number);
      if (row.length === AIRFOIL_COLUMNS && row.every(Number.isFinite)) return row;
      throw new RangeError(
        `${where}: expected ${AIRFOIL_COLUMNS} numbers with tabs in line ${i + 1}, got ` +
          `${formatValue(line)}; download the file again`,
      );
    });
}

function standardize(values: readonly number[]): number[] {
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length;
  return values.map((x) => (x - mean) / Math.sqrt(variance));
}

/** Seconds of training and the loss, after each 200 samples. */
export type ResultCh11 = [seconds: number[], losses: number[]];

/**
 * Section 12.5: trains linear regression by an optimizer that is written by hand, and prints the
 * last loss. The weights are normal with standard deviation 0.01 at first.
 * @param states what the trainer keeps, such as `optimizersCh11.adam.initStates(5)`; the caller's
 * @param featureDim number of features
 * @param numEpochs @default 2
 * @param options.seed seeds the weights @default 0
 * @returns seconds of training until each evaluation, and half of the mean squared error over all
 *   samples: each time that another 200 samples are complete, and at the end
 * @throws RangeError when the loss is not finite any more
 * @example
 * const [dataIter, featureDim] = await d2l.getDataCh11(10);
 * const { update } = d2l.optimizersCh11.sgd;
 * const [seconds, losses] = await d2l.trainCh11(update, [], { lr: 0.05 }, dataIter, featureDim);
 */
export async function trainCh11<States extends readonly (readonly tf.Variable[])[]>(
  trainerFn: TrainerCh11,
  states: States,
  hyperparams: Hyperparams,
  ...[dataIter, featureDim, numEpochs = 2, options = {}]: [
    dataIter: Loader,
    featureDim: number,
    numEpochs?: number,
    options?: { seed?: number },
  ]
): Promise<ResultCh11> {
  const where = '[deepend] d2l.trainCh11';
  return trainLinear(where, dataIter, {
    ...{ featureDim, numEpochs, options },
    start: (params) => (loss) => {
      const { value, grads } = tf.variableGrads(loss, params);
      const gradients = params.map(({ name }) => grads[name] as tf.Tensor);
      trainerFn(params, gradients, states, hyperparams);
      tf.dispose([value, gradients]);
    },
    lossScale: 1 / 2, // the book's squared loss
  });
}

/**
 * Section 12.5: the same by an optimizer of `optim`, on the mean squared error without the factor
 * ½, so that a learning rate is worth twice that of `trainCh11`; the losses have the factor.
 * @param trainerFn such as `optim.adam`
 * @param hyperparams its options, such as `{ lr: 0.01 }`
 * @param numEpochs @default 4
 * @param options.seed seeds the weights @default 0
 * @example await d2l.trainConciseCh11(optim.sgd, { lr: 0.01 }, dataIter);
 */
export async function trainConciseCh11(
  trainerFn: (parameters: Parameters, options: VariableOptimizerOptions) => VariableOptimizer,
  hyperparams: VariableOptimizerOptions,
  dataIter: Loader,
  ...[numEpochs = 4, options = {}]: [numEpochs?: number, options?: { seed?: number }]
): Promise<ResultCh11> {
  let optimizer: VariableOptimizer | undefined;
  try {
    return await trainLinear('[deepend] d2l.trainConciseCh11', dataIter, {
      ...{ numEpochs, options },
      start: (params) => {
        const made = trainerFn(params, hyperparams);
        optimizer = made;
        return (loss) => made.step(loss).dispose();
      },
      lossScale: 1,
    });
  } finally {
    optimizer?.dispose();
  }
}

interface LinearTraining {
  /** @default that of the data */
  readonly featureDim?: number | undefined;
  readonly numEpochs: number;
  readonly options: { seed?: number };
  /** Receives the weights; returns a function that makes a step. */
  start(params: tf.Variable[]): (loss: () => tf.Scalar) => void;
  /** What the squared error is multiplied by in training. */
  readonly lossScale: number;
}

const LINEAR = rule.object({
  numEpochs: rule.positiveInteger(),
  seed: rule.seed().optional(),
});
const EVERY = 200; // samples between evaluations

async function trainLinear(
  where: string,
  dataIter: Loader,
  { featureDim, numEpochs, options, start, lossScale }: LinearTraining,
): Promise<ResultCh11> {
  const { seed = 0 } = checkOptions(where, LINEAR, { ...options, numEpochs });
  const all = await wholeOf(dataIter, { where, featureDim }); // evaluating must not move the loader
  const dim = all.features.shape[1] as number;
  const w = tf.tidy(() => tf.variable(tf.randomNormal([dim, 1], 0, 0.01, 'float32', seed)));
  const b = tf.tidy(() => tf.variable(tf.zeros([1])));
  const error = ({ features, labels }: { features: tf.Tensor; labels: tf.Tensor }) => {
    const yHat = tf.add(tf.matMul(features as tf.Tensor2D, w), b); // [batch, 1]
    return tf.mean(tf.squaredDifference(yHat, tf.reshape(labels, yHat.shape))) as tf.Scalar;
  };
  const timer = new Timer();
  const losses: number[] = [];
  const evaluate = () => {
    timer.stop();
    losses.push(finiteLoss(where, tf.tidy(() => error(all).dataSync()[0] ?? Number.NaN) / 2));
    timer.start();
  };
  try {
    const step = start([w, b]);
    let n = 0;
    let seen = 0; // samples at the last evaluation
    timer.start();
    for (let epoch = 1; epoch <= numEpochs; epoch++) {
      for await (const batch of dataIter) {
        n += batch.features.shape[0] ?? 0;
        step(() => tf.mul(error(batch), lossScale));
        tf.dispose([batch.features, batch.labels]);
        if (Math.floor(n / EVERY) === Math.floor(seen / EVERY)) continue;
        seen = n;
        evaluate();
      }
    }
    if (seen < n) evaluate();
    const perEpoch = timer.sum() / numEpochs;
    console.log(`loss: ${losses.at(-1)?.toFixed(3)}, ${perEpoch.toFixed(3)} sec/epoch`);
    return [timer.cumsum(), losses];
  } finally {
    tf.dispose([w, b, all.features, all.labels]);
  }
}

function checkFeatures(where: string, { shape }: tf.Tensor, expected = shape[1]): void {
  if (shape.length === 2 && shape[1] === expected) return;
  throw new RangeError(
    `${where}: expected features [batch, ${expected ?? 'features'}], got [${shape.join(', ')}]; ` +
      'featureDim is what getDataCh11 returns second',
  );
}

/** All samples of a loader in one batch, the caller's. */
async function wholeOf(
  dataIter: Loader,
  { where, featureDim }: { where: string; featureDim: number | undefined },
): Promise<{ features: tf.Tensor; labels: tf.Tensor }> {
  const features: tf.Tensor[] = [];
  const labels: tf.Tensor[] = [];
  try {
    for await (const batch of dataIter) {
      features.push(batch.features);
      labels.push(batch.labels);
      checkFeatures(where, batch.features, featureDim);
    }
    return { features: tf.concat(features), labels: tf.concat(labels) };
  } finally {
    tf.dispose([features, labels]);
  }
}

function finiteLoss(where: string, loss: number): number {
  if (Number.isFinite(loss)) return loss;
  throw new RangeError(
    `${where}: expected a finite loss, got ${loss}; lower the learning rate, or standardize the ` +
      'data',
  );
}

/**
 * Section 13.1: prints how long something takes.
 * @example await new d2l.Benchmark('matrix product').run(() => a.matMul(b).data());
 */
export class Benchmark {
  /** @param description of what is measured, for the line that is printed */
  constructor(readonly description = 'Done') {}

  /** Runs `body`, waits for its promise, and prints its seconds. @returns what `body` returns */
  async run<T>(body: () => T | Promise<T>): Promise<T> {
    const timer = new Timer().start();
    const result = await body();
    console.log(`${this.description}: ${timer.stop().toFixed(4)} sec`);
    return result;
  }
}

/**
 * Section 12.1: words in a chart with an arrow to a point, for the option `annotate` of `plot`.
 * @param xy the point of the arrow
 * @param xytext where the words begin
 * @example
 * d2l.plot(x, y, { annotate: [d2l.annotate('saddle point', [0, -0.2], [-0.52, -5])] });
 */
export const annotate = (
  text: string,
  xy: readonly [x: number, y: number],
  xytext: readonly [x: number, y: number],
): Annotation => ({ text, xy, xytext });

/**
 * House prices, section 5.7 (zh 4.10). Features and labels are arrays with shapes, as
 * `TableEncoder.transform` and `Table.labels` give them.
 */
import {
  type DownloadOptions,
  download,
  type Fold,
  kFold as foldsOf,
  loadArray,
  type ShapedArray,
  type Table,
  TableEncoder,
  table,
  writeSubmission,
} from '@deepend/data';
import * as nn from '@deepend/nn';
import { meanSquaredError } from '@deepend/optim';
import { type AnyLoader, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { DataModule } from './object-oriented';

/** A model of prices: `[batch, features]` → `[batch, 1]`. */
type PriceNet = nn.Module | ((features: tf.Tensor) => tf.Tensor);

/**
 * Section 5.7 (zh 4.10): the root of the mean squared difference of the logarithms of predicted and
 * true prices. Predictions below 1 count as 1.
 * @throws RangeError for a price that is not above 0, and labels of another number of rows
 */
export function logRmse(net: PriceNet, features: ShapedArray, labels: ShapedArray): number {
  requireSameRows('logRmse', features, labels);
  const bad = labels.values.find((price) => !(price > 0));
  if (bad !== undefined) {
    throw new RangeError(
      `[deepend] d2l.logRmse: expected prices above 0 as labels, got ${bad}; it takes their ` +
        'logarithms itself',
    );
  }
  return tf.tidy(() => {
    const [x, y] = [features, labels].map(({ values, shape }) => tf.tensor(values, [...shape]));
    const predicted = predictPrices(net, x as tf.Tensor);
    const logs = tf.log(tf.maximum(predicted, 1)); // [rows, 1]
    const truth = tf.log(tf.reshape(tf.cast(y as tf.Tensor, 'float32'), logs.shape));
    return tf.sqrt(tf.mean(tf.squaredDifference(logs, truth))).dataSync()[0] as number;
  });
}

const predictPrices = (net: PriceNet, x: tf.Tensor): tf.Tensor =>
  typeof net === 'function' ? net(x) : (net.forward(x) as tf.Tensor);

/** @throws RangeError when features and labels have another number of rows */
function requireSameRows(name: string, X: ShapedArray, y: ShapedArray): void {
  if (X.shape[0] === y.shape[0]) return;
  throw new RangeError(
    `[deepend] d2l.${name}: expected a label for each of ${X.shape[0]} rows of features, got ` +
      `${y.shape[0]}`,
  );
}

/** The rows of an array with a shape. */
function rowsOf({ values, shape }: ShapedArray, rows: ArrayLike<number>): ShapedArray {
  const [, ...rest] = shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const taken = new Float32Array(rows.length * size);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as number;
    taken.set(values.subarray(row * size, (row + 1) * size), i * size);
  }
  return { values: taken, shape: [rows.length, ...rest] };
}

type Parts = [XTrain: ShapedArray, yTrain: ShapedArray, XValid: ShapedArray, yValid: ShapedArray];
const partsOf = (X: ShapedArray, y: ShapedArray, fold: Fold): Parts =>
  [
    ...[rowsOf(X, fold.train), rowsOf(y, fold.train)],
    ...[rowsOf(X, fold.validation), rowsOf(y, fold.validation)],
  ] as Parts;

/**
 * Section 5.7 (zh 4.10): training and validation part of the i-th of k folds, in the samples'
 * order. All samples are used, where the book leaves out the rest of the division.
 */
export function getKFoldData(
  k: number,
  i: number,
  ...[X, y]: [X: ShapedArray, y: ShapedArray]
): Parts {
  requireSameRows('getKFoldData', X, y);
  const folds = foldsOf(X.shape[0] ?? 0, k, { shuffle: false });
  const fold = folds[i];
  if (fold) return partsOf(X, y, fold);
  throw new RangeError(
    `[deepend] d2l.getKFoldData: expected i from 0 to ${k - 1}, got ${i}; it is the fold's number`,
  );
}

/** Adam's settings: epochs, learning rate, weight decay, and samples in a batch. */
type Settings = [numEpochs: number, lr: number, weightDecay: number, batchSize: number];

/** Linear regression by Adam on the mean squared error, as in the book. The caller disposes it. */
async function trainPrices(
  X: ShapedArray,
  y: ShapedArray,
  [numEpochs, lr, weightDecay, batchSize]: Settings,
): Promise<nn.Module> {
  const net = new nn.Sequential(new nn.Linear(X.shape[1] ?? 0, 1));
  const iter = loadArray([X, y], batchSize);
  await train(net, iter, null, {
    ...{ numEpochs, lr, loss: meanSquaredError(), progress: false },
    optimizer: { name: 'adam', weightDecay },
  });
  return net;
}

/** Section 5.7 (zh 4.10): the mean log RMSE of k folds, of the training and the validation part. */
export async function kFold(
  k: number,
  XTrain: ShapedArray,
  ...[yTrain, ...settings]: [yTrain: ShapedArray, ...Settings]
): Promise<[trainLoss: number, validLoss: number]> {
  const sums: [number, number] = [0, 0];
  for (let i = 0; i < k; i++) {
    const [X, y, XValid, yValid] = getKFoldData(k, i, XTrain, yTrain);
    const net = await trainPrices(X, y, settings);
    sums[0] += logRmse(net, X, y);
    sums[1] += logRmse(net, XValid, yValid);
    net.dispose();
  }
  return [sums[0] / k, sums[1] / k];
}

/**
 * Section 5.7 (zh 4.10): trains on all houses, and writes the predicted prices of the test set to
 * `submission.csv`, or another file. @returns the log RMSE of the training set
 */
export async function trainAndPred(
  trainFeatures: ShapedArray,
  testFeatures: ShapedArray,
  ...[trainLabels, testData, numEpochs, lr, weightDecay, batchSize, file = 'submission.csv']: [
    trainLabels: ShapedArray,
    testData: { readonly ids?: readonly string[] | undefined },
    ...Settings,
    file?: string,
  ]
): Promise<number> {
  const { ids } = testData;
  if (!ids) {
    throw new RangeError(
      '[deepend] d2l.trainAndPred: expected a test table with ids, got one without; read it with ' +
        "table(file, { id: 'Id' })",
    );
  }
  const settings: Settings = [numEpochs, lr, weightDecay, batchSize];
  const net = await trainPrices(trainFeatures, trainLabels, settings);
  const SalePrice = tf.tidy(() => {
    const x = tf.tensor(testFeatures.values, [...testFeatures.shape]);
    return predictPrices(net, x).dataSync<'float32'>();
  });
  const loss = logRmse(net, trainFeatures, trainLabels);
  net.dispose();
  await writeSubmission(file, { Id: ids, SalePrice });
  return loss;
}

/**
 * English edition, section 5.7: the houses of Kaggle. Labels are logarithms of prices. What the
 * features need is learned from the training file only, where the book uses both files.
 */
export class KaggleHouse extends DataModule {
  /** The training file. */
  readonly train: Table;
  /** The file without prices. */
  readonly val: Table;
  readonly encoder: TableEncoder;
  readonly #rows: Fold | undefined;

  /** @param rows the rows of the training file for training and validation @default all and none */
  constructor(batchSize: number, train: Table, ...[val, rows]: [val: Table, rows?: Fold]) {
    super();
    this.saveHyperparameters({ batchSize });
    [this.train, this.val, this.#rows] = [train, val, rows];
    const part = rows ? train.select(rows.train) : train;
    this.encoder = new TableEncoder({ unknown: 'ignore' }).fit(part);
  }

  /** Downloads both files, or finds them as `download` does. */
  static async load(batchSize: number, files: DownloadOptions = {}): Promise<KaggleHouse> {
    const options = { target: 'SalePrice', id: 'Id' };
    const train = await table(await download('kaggle_house_train', files), options);
    const val = await table(await download('kaggle_house_test', files), { like: train });
    return new this(batchSize, train, val);
  }

  /** A module for each of k folds, for cross-validation (the book's `k_fold_data`). */
  kFoldData(k: number): KaggleHouse[] {
    const { batchSize, train, val } = this;
    const folds = foldsOf(train.numRows, k, { shuffle: false });
    const { constructor: Class } = this as unknown as { constructor: typeof KaggleHouse };
    return folds.map((fold) => new Class(batchSize, train, val, fold));
  }

  override getDataloader(train: boolean): AnyLoader {
    const rows = this.#rows?.[train ? 'train' : 'validation'];
    const part = rows ? this.train.select(rows) : this.train;
    const { values, shape } = part.labels();
    const logs = { values: Float32Array.from(values, Math.log), shape };
    return this.getTensorloader([this.encoder.transform(part), logs], train);
  }

  override valDataloader(): AnyLoader | null {
    return this.#rows ? this.getDataloader(false) : null;
  }
}

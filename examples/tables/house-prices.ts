/**
 * Prices of houses, section 5.7 (zh 4.10) of Dive into Deep Learning: the book's linear regression,
 * or an L1 penalty on the logarithms of prices, cross-validated. Writes submission.csv for Kaggle:
 * npm run example examples/tables/house-prices.ts -- --recipe book
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { datasets, loadArray, nn, predict, schedules, type Table, train, tryGpu } from 'deepend';

const flag = { type: 'string' } as const;
const flags = { recipe: flag, root: flag, folds: flag, epochs: flag, seed: flag, out: flag };
const { values } = parseArgs({ options: { ...flags, help: { type: 'boolean' } } });
if (values.help) {
  console.log('--recipe own or book, --root FOLDER, --folds 5, --epochs N, --seed 1, --out FOLDER');
  process.exit();
}
const RECIPES = {
  book: { log: false, encoding: {}, l1: 0, lr: 5, epochs: 100 },
  own: { log: true, encoding: { log1p: 'skewed', clip: 2.5 }, l1: 0.002, lr: 0.005, epochs: 60 },
} as const;
const { log, encoding, l1, lr, epochs } = RECIPES[(values.recipe ?? 'own') as 'own' | 'book'];
const seed = Number(values.seed ?? 1);

/** Learns prices. @returns a function that predicts those of other houses */
async function learn(houses: Table) {
  const encoder = new datasets.TableEncoder({ ...encoding, unknown: 'ignore' }).fit(houses);
  const [X, y] = [encoder.transform(houses), houses.labels()];
  const logs = Float32Array.from(y.values, Math.log);
  const mean = log ? average(logs) : 0;
  const labels = log ? { ...y, values: logs.map((value) => value - mean) } : y;
  const linear = new nn.Linear(encoder.featureNames.length, 1, { seed });
  await train(linear, loadArray([X, labels], 64, { seed }), null, {
    numEpochs: Number(values.epochs ?? epochs),
    lr: log ? schedules.cosine({ lr }) : lr,
    optimizer: 'adam',
    loss: (yHat: tf.Tensor, truth: tf.Tensor) => {
      const penalty = tf.mul(l1, tf.sum(tf.abs(linear.weight))); // the lasso: few features stay
      return tf.add(tf.losses.meanSquaredError(truth, yHat), penalty) as tf.Scalar;
    },
    progress: false,
  });
  return async (others: Table) => {
    const { values: numbers, shape } = encoder.transform(others);
    const yHat = (await predict(linear, tf.tensor(numbers, [...shape]))) as tf.Tensor;
    return (await yHat.data()).map((price) => (log ? Math.exp(price + mean) : price));
  };
}
const average = (list: ArrayLike<number>) => Array.from(list).reduce((a, b) => a + b) / list.length;
await tryGpu();
const categorical = log ? ['MSSubClass'] : []; // codes, which the book takes as numbers
const files = values.root ? { root: values.root } : {};
const file = await datasets.download('kaggle_house_train', files);
const houses = await datasets.table(file, { target: 'SalePrice', id: 'Id', categorical });
const errors: number[] = [];
for (const fold of datasets.kFold(houses.numRows, Number(values.folds ?? 5), { seed })) {
  const [part, others] = [houses.select(fold.train), houses.select(fold.validation)];
  const [prices, truth] = [await (await learn(part))(others), others.labels().values];
  const squares = prices.map((price, i) => Math.log(Math.max(1, price) / (truth[i] ?? 1)) ** 2);
  errors.push(Math.sqrt(average(squares)));
}
console.log(`cross-validated log rmse ${average(errors).toFixed(4)}`);
const testFile = await datasets.download('kaggle_house_test', files);
const test = await datasets.table(testFile, { like: houses });
const submission = { Id: test.ids ?? [], SalePrice: await (await learn(houses))(test) };
await datasets.writeSubmission(`${values.out ?? 'runs/house-prices'}/submission.csv`, submission);

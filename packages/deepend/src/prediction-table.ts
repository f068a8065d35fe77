/** The predictions of a model for each sample of a dataset, as a table. */
import { checkOptions, rule, toCsv } from '@deepend/core';
import type { Metric } from '@deepend/optim';
import { evaluate, type Loader } from '@deepend/trainer';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface PredictionsOptions {
  /** Whether each class has a column for its probability: `p.0`, `p.1`, ... @default false */
  probabilities?: boolean;
}

const options = rule.object({ probabilities: rule.boolean().optional() });

/**
 * Predicts all samples of a loader and returns comma-separated values, a line a sample: `index`,
 * from 0 in the loader's order; `truth` and `predicted`, class indices (for soft labels the most
 * likely class), with `truthName` and `predictedName` if the loader has class names; `right`;
 * `probability`, the softmax at the predicted class; `loss`, the sample's cross-entropy.
 * @param settings.probabilities whether to add a column with each class's probability
 *   @default false
 * @throws RangeError or TypeError when the model cannot process the loader's batches
 * @example
 * await fs.promises.writeFile('predictions.csv', await predictionsToCsv(net, testIter));
 */
export async function predictionsToCsv(
  net: LayersModel,
  loader: Loader,
  settings: PredictionsOptions = {},
): Promise<string> {
  const { probabilities = false } = checkOptions('[deepend] predictionsToCsv', options, settings);
  const rows: object[] = [];
  const collector: Metric = {
    name: 'predictions',
    update: async (logits, labels) => {
      const [batch = 0, numClasses = 0] = logits.shape;
      const [numbers, truths] = await Promise.all([logits.data(), labels.data()]);
      for (let i = 0; i < batch; i++) {
        const row = numbers.slice(i * numClasses, (i + 1) * numClasses); // [numClasses]
        const label =
          labels.rank === 2
            ? truths.slice(i * numClasses, (i + 1) * numClasses)
            : (truths[i] as number);
        rows.push({
          index: rows.length,
          ...makeRow(row, label, { classNames: loader.classNames, probabilities }),
        });
      }
    },
    compute: () => rows.length,
    reset: () => {},
  };
  await evaluate(net, loader, { metrics: [collector] });
  return toCsv(rows);
}

interface RowOptions {
  classNames: readonly string[] | undefined;
  probabilities: boolean;
}

/** @param label the class, or a fraction of each, `[numClasses]` */
function makeRow(
  logits: ArrayLike<number>,
  label: number | ArrayLike<number>,
  { classNames, probabilities }: RowOptions,
): object {
  const logProbabilities = logSoftmax(logits);
  const truth = typeof label === 'number' ? label : largest(label);
  const predicted = largest(logits);
  const className = (index: number) => classNames?.[index] ?? `class ${index}`;
  const shares = logProbabilities.map((share) => rounded(Math.exp(share)));
  const loss =
    typeof label === 'number'
      ? -(logProbabilities[label] as number)
      : -logProbabilities.reduce((sum, share, i) => sum + product(label[i] as number, share), 0);
  return {
    truth,
    predicted,
    ...(classNames && { truthName: className(truth), predictedName: className(predicted) }),
    right: truth === predicted,
    probability: shares[predicted],
    loss: rounded(loss),
    ...(probabilities && Object.fromEntries(shares.map((share, i) => [`p.${i}`, share]))),
  };
}

function logSoftmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const top = Math.max(...values);
  const logSum = top + Math.log(values.reduce((sum, logit) => sum + Math.exp(logit - top), 0));
  return values.map((logit) => logit - logSum);
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).indexOf(Math.max(...Array.from(values)));
/** A class of fraction 0 adds nothing, even if its predicted probability is 0. */
const product = (share: number, logShare: number) => (share === 0 ? 0 : share * logShare);
/** As many digits as float32 has. */
const rounded = (value: number) => Number(value.toPrecision(8));

/** What a net makes of each sample of a set, as a table. */
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
 * The predictions of a net for all samples of a loader as comma-separated values, a line a sample:
 * `index`, its place in the loader's order, from 0;
 * `truth` and `predicted`, class indices (of soft labels the likeliest), and where the loader names
 * classes `truthName` and `predictedName`;
 * `right`; `probability`, the softmax of the logits at the predicted class; `loss`, its
 * cross-entropy.
 * @param settings.probabilities a column for each class's probability @default false
 * @throws RangeError or TypeError when net and loader do not fit together
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
          ...rowOf(row, label, { classNames: loader.classNames, probabilities }),
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

/** @param label the class, or a share of each, `[numClasses]` */
function rowOf(
  logits: ArrayLike<number>,
  label: number | ArrayLike<number>,
  { classNames, probabilities }: RowOptions,
): object {
  const logShares = logSoftmax(logits);
  const [truth, predicted] = [typeof label === 'number' ? label : largest(label), largest(logits)];
  const nameOf = (index: number) => classNames?.[index] ?? `class ${index}`;
  const shares = logShares.map((share) => rounded(Math.exp(share)));
  const loss =
    typeof label === 'number'
      ? -(logShares[label] as number)
      : -logShares.reduce((sum, share, i) => sum + product(label[i] as number, share), 0);
  return {
    truth,
    predicted,
    ...(classNames && { truthName: nameOf(truth), predictedName: nameOf(predicted) }),
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
/** A class of share 0 costs nothing, however unlikely the net calls it. */
const product = (share: number, logShare: number) => (share === 0 ? 0 : share * logShare);
/** As many digits as float32 has. */
const rounded = (value: number) => Number(value.toPrecision(8));

/**
 * The book's loops for what a reader writes from scratch: a function as the model, free variables
 * as its parameters, and an update of one's own. Sections 3.4, 4.4, 5.2 and 9.5.
 */
import { type AnyLoss, gradientsOf, isModule, isTensor, type ModuleLike } from '@deepend/compiler';
import { type EpochRecord, formatValue } from '@deepend/core';
import { metrics, VariableOptimizer } from '@deepend/optim';
import type { Loader } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** A model as a function of a batch's features. Its parameters are variables that it uses. */
// biome-ignore lint/suspicious/noExplicitAny: each takes its own features
export type NetFunction = (features: any) => tf.Tensor;

/** What the book's functions take as a model. */
export type BookNet = LayersModel | ModuleLike | NetFunction;

/** A loss of each sample `[batch]`, the mean as a scalar, or one of deepend's losses. */
// biome-ignore lint/suspicious/noExplicitAny: each takes its own outputs and labels
export type FreeLoss = AnyLoss | ((yHat: any, y: any) => tf.Tensor);

/**
 * Updates the variables after a batch: an optimizer over them, or a function of the batch's size
 * and the gradients of the summed loss by the variables' names, as `tf.variableGrads` gives them.
 */
export type FreeUpdater =
  | VariableOptimizer
  | ((batchSize: number, gradients: tf.NamedTensorMap) => unknown);

export type FreeRecord = Pick<EpochRecord, 'epoch' | 'loss' | 'trainAcc' | 'testAcc'>;

/** Whether an updater is one of variables, rather than options of `train`. */
export const isFreeUpdater = (updater: unknown): updater is FreeUpdater =>
  typeof updater === 'function' || updater instanceof VariableOptimizer;

/** A model as a function of features, in training or inference mode. */
function asFunction(net: BookNet, training: boolean): (features: tf.Tensor) => tf.Tensor {
  if (isModule(net)) {
    net.train(training);
    return (features) => net.forward(features) as tf.Tensor;
  }
  if (typeof net === 'function') return net;
  return (features) => net.apply(features, { training }) as tf.Tensor;
}

/** @throws TypeError for a model of layers with a loss that would look through its activation */
function requireOutputs(where: string, net: BookNet, loss: FreeLoss): void {
  if (typeof net === 'function' || isModule(net) || !('appliesActivation' in loss)) return;
  throw new TypeError(
    `${where}: expected a function or a module for this loss with an updater of your own, got ` +
      `the model of layers '${net.name}'; give options of train, such as { lr: 0.1 }, as the ` +
      'updater',
  );
}

/** The sum over a batch; a scalar is the mean. */
function summed(loss: FreeLoss, yHat: tf.Tensor, y: tf.Tensor): tf.Scalar {
  const result = loss(yHat, y);
  const value = isTensor(result) ? result : result.loss;
  return value.rank === 0 ? tf.mul<tf.Scalar>(value, yHat.shape[0] ?? 1) : tf.sum(value);
}

/** Number of correct predictions; NaN for outputs that are no classes. */
const correctOf = (yHat: tf.Tensor, y: tf.Tensor): number =>
  (yHat.shape.at(-1) ?? 1) > 1 && yHat.rank > 1 ? metrics.numCorrect(yHat, y) : Number.NaN;

const trainableVariables = (): tf.Variable[] =>
  Object.values(tf.engine().state.registeredVariables as Record<string, tf.Variable>).filter(
    ({ trainable, isDisposed }) => trainable && !isDisposed,
  );

/** Gives `update` the gradients of the summed loss. @returns the summed loss, the caller's */
function stepByFunction(
  compute: () => tf.Scalar,
  update: (gradients: tf.NamedTensorMap) => unknown,
): tf.Scalar {
  const variables = trainableVariables();
  const { value, gradients } = gradientsOf(compute, variables);
  const found = variables.flatMap(({ name }, i): [string, tf.Tensor][] =>
    gradients[i] ? [[name, gradients[i]]] : [],
  );
  const byName: tf.NamedTensorMap = Object.fromEntries(found);
  try {
    if (found.length > 0) {
      update(byName);
      return value;
    }
    throw new RangeError(
      '[deepend] trainEpochCh3: expected a loss that depends on variables, got one that depends ' +
        'on none; make the parameters by tf.variable or nn.parameter, and use them in the net',
    );
  } catch (error) {
    value.dispose();
    throw error;
  } finally {
    tf.dispose(byName); // clipping may have replaced some
  }
}

/** One epoch: mean loss and fraction of correct predictions. */
export async function trainEpochFree(
  net: BookNet,
  trainIter: Loader,
  { loss, updater }: { loss: FreeLoss; updater: FreeUpdater },
): Promise<Omit<FreeRecord, 'epoch' | 'testAcc'>> {
  requireOutputs('[deepend] trainEpochCh3', net, loss);
  const forward = asFunction(net, true);
  let [total, right, all] = [0, 0, 0];
  for await (const { features, labels } of trainIter) {
    const count = features.shape[0] ?? 0;
    const compute = () => {
      const yHat = forward(features);
      right += correctOf(yHat, labels);
      return summed(loss, yHat, labels);
    };
    try {
      const value =
        updater instanceof VariableOptimizer
          ? updater.step(() => tf.div(compute(), count))
          : stepByFunction(compute, (gradients) => updater(count, gradients));
      const [number = Number.NaN] = await value.data();
      total += updater instanceof VariableOptimizer ? number * count : number;
      all += count;
      value.dispose();
    } finally {
      tf.dispose([features, labels]);
    }
  }
  return { loss: total / all, trainAcc: right / all };
}

/** Trains for some epochs, and evaluates after each. */
export async function trainFree(
  net: BookNet,
  [trainIter, testIter]: readonly [Loader, Loader | null],
  options: { loss: FreeLoss; numEpochs: number; updater: FreeUpdater },
): Promise<{ history: FreeRecord[] }> {
  const { numEpochs } = options;
  if (!Number.isInteger(numEpochs) || numEpochs < 1) {
    throw new RangeError(
      `[deepend] trainCh3: expected numEpochs of at least 1, got ${formatValue(numEpochs)}`,
    );
  }
  const history: FreeRecord[] = [];
  for (let epoch = 1; epoch <= numEpochs; epoch++) {
    const trained = await trainEpochFree(net, trainIter, options);
    const testAcc = testIter ? (await evaluateFree(net, testIter)).accuracy : null;
    history.push({ epoch, ...trained, testAcc });
  }
  return { history };
}

/** Accuracy, and mean loss where one is given, over a loader. */
export async function evaluateFree(
  net: BookNet,
  loader: Loader,
  loss?: FreeLoss,
): Promise<{ loss: number; accuracy: number }> {
  const forward = asFunction(net, false);
  let [total, right, all] = [0, 0, 0];
  for await (const { features, labels } of loader) {
    try {
      tf.tidy(() => {
        const yHat = forward(features);
        right += correctOf(yHat, labels);
        if (loss) total += summed(loss, yHat, labels).dataSync()[0] ?? Number.NaN;
      });
      all += features.shape[0] ?? 0;
    } finally {
      tf.dispose([features, labels]);
    }
  }
  return { loss: loss ? total / all : Number.NaN, accuracy: right / all };
}

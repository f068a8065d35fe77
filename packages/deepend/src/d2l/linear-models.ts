/** The models and data of the English edition's chapters 3, 4, 6 and 7, as classes. */
import { checkOptions, formatValue, rule } from '@deepend/core';
import {
  type ArrayData,
  getFashionMnistLabels,
  type LoadOptions,
  loadFashionMnist,
  syntheticData,
} from '@deepend/data';
import * as nn from '@deepend/nn';
import { sgd as sgdOver, sgdStep } from '@deepend/optim';
import { type Figure, showImages } from '@deepend/plot';
import type { AnyLoader } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { type BookOptimizer, DataModule, HyperParameters, Module } from './object-oriented';

/** The sizes and the noise of `SyntheticRegressionData`. */
export interface SyntheticRegressionOptions {
  /** Standard deviation of the noise. @default 0.01 */
  noise?: number;
  /** Samples for training. @default 1000 */
  numTrain?: number;
  /** Samples for validation. @default 1000 */
  numVal?: number;
  /** Samples in a batch. @default 32 */
  batchSize?: number;
  /** Seeds the samples. @default 0 */
  seed?: number;
}

const SYNTHETIC = rule.object({
  noise: rule.nonNegativeNumber().default(0.01),
  numTrain: rule.positiveInteger().default(1000),
  numVal: rule.positiveInteger().default(1000),
  batchSize: rule.positiveInteger().default(32),
  seed: rule.seed().default(0),
});

/** Section 3.3: data of y = Xw + b + ε, with a part for training and one for validation. */
export class SyntheticRegressionData extends DataModule {
  /** `[numTrain + numVal, w.length]`. */
  readonly X: ArrayData;
  /** `[numTrain + numVal, 1]`. */
  readonly y: ArrayData;
  declare readonly w: readonly number[];
  declare readonly b: number;
  declare readonly numTrain: number;

  constructor(w: readonly number[], b: number, options: SyntheticRegressionOptions = {}) {
    const where = '[deepend] d2l.SyntheticRegressionData';
    const { noise, numTrain, numVal, batchSize, seed } = checkOptions(where, SYNTHETIC, options);
    super();
    this.saveHyperparameters({ w, b, noise, numTrain, numVal, batchSize });
    [this.X, this.y] = syntheticData(w, b, numTrain + numVal, { noise, seed });
  }

  override getDataloader(train: boolean): AnyLoader {
    const { X, y, numTrain } = this;
    return this.getTensorloader([X, y], train, train ? [0, numTrain] : [numTrain]);
  }
}

/**
 * Section 3.4: minibatch stochastic gradient descent from scratch: `param ← param − lr · grad`.
 */
export class SGD extends HyperParameters implements BookOptimizer {
  declare readonly params: readonly tf.Variable[];
  declare lr: number;

  constructor(params: readonly tf.Variable[], lr: number) {
    super();
    this.saveHyperparameters({ params, lr });
  }

  /** @param gradients one for each parameter, in their order; undefined leaves it as it is */
  step(gradients: readonly (tf.Tensor | undefined)[]): void {
    const { params, lr } = this;
    if (gradients.length !== params.length) {
      throw new RangeError(
        `[deepend] d2l.SGD.step: expected ${params.length} gradients, one for each parameter, ` +
          `got ${gradients.length}`,
      );
    }
    const entries = params.flatMap((variable, i) => {
      const gradient = gradients[i];
      const { name, shape } = variable;
      return gradient ? [{ parameter: { name, shape, trainable: true, variable }, gradient }] : [];
    });
    sgdStep(entries, { lr });
  }
}

const normalNumbers = (std: number) => nn.init.normal({ std });

/** Section 3.4: linear regression from scratch, with the weights w `[numInputs, 1]` and b `[1]`. */
export class LinearRegressionScratch extends Module {
  readonly w: tf.Variable;
  readonly b: tf.Variable;

  /** @param sigma standard deviation of the first weights */
  constructor(numInputs: number, lr: number, sigma = 0.01) {
    super();
    this.saveHyperparameters({ numInputs, lr, sigma });
    this.w = nn.parameter([numInputs, 1], { init: normalNumbers(sigma) });
    this.b = nn.parameter([1]);
  }

  override forward(X: tf.Tensor2D): tf.Tensor {
    return tf.add(tf.matMul(X, this.w as tf.Tensor2D), this.b); // [batch, 1]
  }

  override loss(yHat: tf.Tensor, y: tf.Tensor): tf.Scalar {
    requireSameShape('[deepend] d2l.LinearRegressionScratch.loss', yHat, y);
    return tf.mean(tf.div(tf.squaredDifference(yHat, y), 2));
  }

  override configureOptimizers(): BookOptimizer {
    return new SGD([this.w, this.b], this.lr);
  }
}

/** Section 3.5: linear regression by a layer, whose number of inputs is given, not inferred. */
export class LinearRegression extends Module {
  constructor(numInputs: number, lr: number) {
    super();
    this.saveHyperparameters({ numInputs, lr });
    this.net = new nn.Linear(numInputs, 1, { init: normalNumbers(0.01) });
    tf.tidy(() => (this.net as nn.Linear).bias?.assign(tf.zeros([1])));
  }

  override loss(yHat: tf.Tensor, y: tf.Tensor): tf.Scalar {
    requireSameShape('[deepend] d2l.LinearRegression.loss', yHat, y);
    return tf.mean(tf.squaredDifference(yHat, y));
  }

  override configureOptimizers(): BookOptimizer {
    return sgdOver(this, { lr: this.lr });
  }

  /** Weights `[1, numInputs]` and bias `[1]`. They are the model's own. */
  getWB(): [w: tf.Variable, b: tf.Variable] {
    const { weight, bias } = this.net as nn.Linear;
    return [weight, bias as tf.Variable];
  }
}

/** Section 4.3: a base class of classifiers, with cross-entropy and accuracy. */
export class Classifier extends Module {
  override validationStep({ features, labels }: Parameters<Module['validationStep']>[0]): void {
    const inputs = Array.isArray(features) ? features : [features];
    const [yHat, y] = [this.forward(...inputs) as tf.Tensor, labels as tf.Tensor];
    this.plot('loss', this.loss(yHat, y), false);
    this.plot('acc', this.accuracy(yHat, y) as tf.Scalar, false);
  }

  /**
   * The fraction of correct predictions (section 4.3), or without `averaged` 1 for each right one.
   * @param yHat logits `[..., numClasses]` @param y class indices
   */
  accuracy(yHat: tf.Tensor, y: tf.Tensor, averaged = true): tf.Tensor {
    return tf.tidy(() => {
      const predicted = tf.argMax(asRows(yHat), 1); // [n]
      const right = tf.cast(tf.equal(predicted, tf.cast(tf.reshape(y, [-1]), 'int32')), 'float32');
      return averaged ? tf.mean(right) : right;
    });
  }

  /**
   * Cross-entropy of logits (section 4.5): the mean, or without `averaged` that of each sample.
   * @throws RangeError for a label that is no class
   */
  override loss(yHat: tf.Tensor, y: tf.Tensor, averaged = true): tf.Scalar {
    const rows = asRows(yHat); // [n, numClasses]
    const labels = tf.reshape(y, [-1]);
    checkClasses(labels, rows.shape[1]);
    const truth = tf.oneHot(tf.cast(labels, 'int32'), rows.shape[1]);
    const each = tf.neg(tf.sum(tf.mul(truth, tf.logSoftmax(rows)), 1)); // [n]
    return (averaged ? tf.mean(each) : each) as tf.Scalar;
  }

  /** Prints the output shape of each layer of `net` (section 7.6). @param xShape with the batch */
  layerSummary(xShape: readonly number[]): void {
    tf.tidy(() => {
      let x: tf.Tensor = tf.zeros([...xShape]);
      for (const layer of this.net.children()) {
        x = layer.forward(x) as tf.Tensor;
        console.log(`${layer.name} output shape:\t[${x.shape.join(', ')}]`);
      }
    });
  }
}

/** `[batch]` and `[batch, 1]` would be broadcast to all pairs. @throws RangeError */
function requireSameShape(where: string, yHat: tf.Tensor, y: tf.Tensor): void {
  if (yHat.shape.join() === y.shape.join()) return;
  throw new RangeError(
    `${where}: expected labels of the shape of the predictions, ${formatValue(yHat.shape)}, got ` +
      `${formatValue(y.shape)}; reshape them`,
  );
}

/** @throws RangeError for a label of which `tf.oneHot` would make zeros, without a loss */
function checkClasses(labels: tf.Tensor, numClasses: number): void {
  const isClass = (label: number) => label >= 0 && label < numClasses && Number.isInteger(label);
  const values = labels.dataSync();
  const bad = values.findIndex((label) => !isClass(label));
  if (bad < 0) return;
  throw new RangeError(
    `[deepend] d2l.Classifier.loss: expected labels from 0 to ${numClasses - 1}, the outputs' ` +
      `classes, got ${values[bad]} at ${bad}; correct the labels, or give the last layer more ` +
      'outputs',
  );
}

const asRows = (x: tf.Tensor): tf.Tensor2D =>
  tf.reshape(x, [-1, x.shape.at(-1) as number]) as tf.Tensor2D;

/** Section 4.5: softmax regression, whose number of inputs is given, not inferred. */
export class SoftmaxRegression extends Classifier {
  constructor(numInputs: number, numOutputs: number, lr: number) {
    super();
    this.saveHyperparameters({ numInputs, numOutputs, lr });
    this.net = new nn.Sequential(new nn.Flatten(), new nn.Linear(numInputs, numOutputs));
  }
}

/** Section 7.6: gives linear and convolutional layers Xavier's uniform weights. */
export function initCnn(module: nn.Module): void {
  if (module instanceof nn.Linear || module instanceof nn.Conv2d)
    nn.init.fill(module.weight, nn.init.xavierUniform());
}

/** Section 7.6: LeNet for images `[batch, 28, 28, 1]`; `book.lenet` is one of stock layers. */
export class LeNet extends Classifier {
  constructor(lr = 0.1, numClasses = 10) {
    super();
    this.saveHyperparameters({ lr, numClasses });
    this.net = new nn.Sequential(
      ...[new nn.Conv2d(1, 6, 5, { padding: 2 }), new nn.Sigmoid(), new nn.AvgPool2d(2)],
      ...[new nn.Conv2d(6, 16, 5), new nn.Sigmoid(), new nn.AvgPool2d(2)],
      ...[new nn.Flatten(), new nn.Linear(400, 120), new nn.Sigmoid()],
      ...[new nn.Linear(120, 84), new nn.Sigmoid(), new nn.Linear(84, numClasses)],
    );
  }
}

/** Section 4.2: the clothes, for training and validation. */
export class FashionMNIST extends DataModule {
  readonly #loaders: readonly [train: AnyLoader, val: AnyLoader];

  /** Made by `load`, since files are read. */
  constructor(loaders: readonly [train: AnyLoader, val: AnyLoader]) {
    super();
    this.saveHyperparameters({ batchSize: loaders[0].batchSize });
    this.#loaders = loaders;
  }

  /** @param resize height and width */
  static async load(
    batchSize = 64,
    resize: readonly [height: number, width: number] = [28, 28],
    options: Omit<LoadOptions, 'resize'> = {},
  ): Promise<FashionMNIST> {
    const isResized = resize[0] !== 28 || resize[1] !== 28;
    const size = isResized ? { resize: [...resize] as [number, number] } : {};
    return new this(await loadFashionMnist(batchSize, { ...options, ...size }));
  }

  /** The names of classes. */
  textLabels(indices: Iterable<number>): string[] {
    return getFashionMnistLabels([...indices]);
  }

  override getDataloader(train: boolean): AnyLoader {
    return this.#loaders[train ? 0 : 1];
  }

  /** Draws the first images of a batch, with the names of their classes or other titles. */
  async visualize(
    { features, labels }: { readonly features: tf.Tensor; readonly labels: tf.Tensor },
    nrows = 1,
    ...[ncols = 8, titles]: [ncols?: number, titles?: string[]]
  ): Promise<Figure> {
    const names = titles ?? this.textLabels((await labels.data()).slice(0, nrows * ncols));
    return showImages(features as tf.Tensor4D, nrows, ncols, { titles: names });
  }
}

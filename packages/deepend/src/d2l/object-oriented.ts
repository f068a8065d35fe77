/**
 * The classes of the English edition, section 3.2: `Module`, `DataModule` and `Trainer`. Their
 * methods may be overridden, as the book does; `train` has the options of a real run. JavaScript
 * cannot read the arguments of a constructor, so they are passed to `saveHyperparameters`.
 */
import { gradientsOf, listTensors } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import { type ArrayData, loadArray } from '@deepend/data';
import { tryGpu } from '@deepend/device';
import * as nn from '@deepend/nn';
import { clipByNorm, sgd as sgdOver } from '@deepend/optim';
import { ProgressBoard } from '@deepend/plot';
import type { AnyBatch, AnyLoader } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { Curves } from './curves';

/**
 * Section 3.2: adds a function to a class as a method, under its own name.
 * @example d2l.addToClass(A)(function greet(this: A) { return `b is ${this.b}`; });
 */
export const addToClass =
  <T extends object>(Class: abstract new (...given: never[]) => T) =>
  // biome-ignore lint/suspicious/noExplicitAny: every method has other arguments
  <F extends (this: T, ...given: any[]) => unknown>(method: F): F => {
    if (typeof method !== 'function' || method.name === '') {
      throw new TypeError(
        '[deepend] d2l.addToClass: expected a function with a name, got ' +
          `${formatValue(method)}; write (function name() { ... })`,
      );
    }
    const property = { value: method, configurable: true, writable: true };
    Object.defineProperty(Class.prototype, method.name, property);
    return method;
  };

type Values = Readonly<Record<string, unknown>>;
const saved = new WeakMap<object, Values>();

/** Saves values as properties, and what was saved for `hparams`. */
function save(target: object, values: Values, ignore: readonly string[]): void {
  const kept = Object.entries(values).filter(([name]) => !ignore.includes(name));
  saved.set(target, { ...saved.get(target), ...Object.fromEntries(kept) });
  Object.assign(target, Object.fromEntries(kept));
}

/** Section 3.2: a base class of what has hyperparameters. */
export class HyperParameters {
  /** What `saveHyperparameters` saved. */
  get hparams(): Values {
    return saved.get(this) ?? {};
  }

  /**
   * Saves the arguments of a constructor as properties. Declare them in TypeScript without a value:
   * `declare readonly lr: number`.
   * @param ignore names that are not saved
   * @example this.saveHyperparameters({ lr, numHiddens });
   */
  saveHyperparameters(values: Values, ignore: readonly string[] = []): void {
    save(this, values, ignore);
  }
}

/** What `configureOptimizers` returns: an optimizer of `optim`, or `d2l.SGD`. */
export interface BookOptimizer {
  /** Updates all trainable parameters by their gradients, in the order of `parameters()`. */
  step(gradients: readonly (tf.Tensor | undefined)[]): void;
}

/** How often `Module` draws a point. */
export interface PlotOptions {
  /** Points of training in an epoch. @default 2 */
  plotTrainPerEpoch?: number;
  /** Points of validation in an epoch. @default 1 */
  plotValidPerEpoch?: number;
}

const PLOT_OPTIONS = rule.object({
  plotTrainPerEpoch: rule.positiveNumber().default(2),
  plotValidPerEpoch: rule.positiveNumber().default(1),
});

/** A value that a step of a module plots. */
interface Plotted {
  readonly label: string;
  readonly value: number | tf.Scalar;
}

const asInputs = (features: unknown): unknown[] =>
  Array.isArray(features) ? features : [features];

/**
 * Section 3.2: a base class of models, which have their own loss, steps and optimizer. Assign `net`
 * or override `forward`; `d2l.Trainer` trains it.
 */
export class Module extends nn.Module {
  declare net: nn.Module;
  /** The learning rate that `configureOptimizers` uses. */
  declare lr: number;
  readonly plotTrainPerEpoch: number;
  readonly plotValidPerEpoch: number;
  #board: ProgressBoard | undefined;
  #trainer: Trainer | undefined;
  #plotted: Plotted[] = [];

  constructor(options: PlotOptions = {}) {
    super();
    const checked = checkOptions('[deepend] d2l.Module', PLOT_OPTIONS, options);
    this.plotTrainPerEpoch = checked.plotTrainPerEpoch;
    this.plotValidPerEpoch = checked.plotValidPerEpoch;
  }

  /** What `saveHyperparameters` saved. */
  get hparams(): Values {
    return saved.get(this) ?? {};
  }

  /** See `HyperParameters`. */
  saveHyperparameters(values: Values, ignore: readonly string[] = []): void {
    save(this, values, ignore);
  }

  /** Where the curves are drawn. */
  get board(): ProgressBoard {
    this.#board ??= new ProgressBoard({ xlabel: 'epoch' });
    return this.#board;
  }

  set board(board: ProgressBoard) {
    this.#board = board;
  }

  /** The trainer that trains it. @throws RangeError when there is none */
  get trainer(): Trainer {
    if (this.#trainer) return this.#trainer;
    throw new RangeError(
      `[deepend] d2l.Module.trainer: expected a trainer of ${this.name}, got none; call ` +
        'new d2l.Trainer(maxEpochs).fit(model, data)',
    );
  }

  set trainer(trainer: Trainer) {
    this.#trainer = trainer;
  }

  // biome-ignore lint/suspicious/noExplicitAny: every module has other inputs and outputs
  override forward(...inputs: any[]): any {
    if (this.net) return this.net.forward(...inputs);
    throw new RangeError(
      `[deepend] d2l.Module.forward: expected "net" or a forward of its own in ${this.name}, got ` +
        'neither; assign a module to this.net in the constructor',
    );
  }

  /** The mean loss of a batch. To be overridden. */
  loss(_yHat: tf.Tensor, _y: tf.Tensor): tf.Scalar {
    throw new RangeError(
      `[deepend] d2l.Module.loss: expected a loss in ${this.name}, got none; override ` +
        'loss(yHat, y)',
    );
  }

  /** Plots a number, or a scalar that stays the caller's. */
  plot(key: string, value: number | tf.Scalar, train: boolean): void {
    const label = `${train ? 'train' : 'val'}_${key}`;
    const kept = typeof value === 'number' ? value : tf.keep(tf.clone(value));
    this.#plotted.push({ label, value: kept });
  }

  /** For the trainer: what was plotted since the last call. The tensors are the caller's. */
  takePlotted(): Plotted[] {
    const plotted = this.#plotted;
    this.#plotted = [];
    return plotted;
  }

  /** @returns the loss of a batch, of which the trainer computes the gradient */
  trainingStep({ features, labels }: AnyBatch): tf.Scalar {
    const loss = this.loss(this.forward(...asInputs(features)), labels as tf.Tensor);
    this.plot('loss', loss, true);
    return loss;
  }

  validationStep({ features, labels }: AnyBatch): void {
    this.plot('loss', this.loss(this.forward(...asInputs(features)), labels as tf.Tensor), false);
  }

  /** Stochastic gradient descent with the learning rate `lr` (section 4.3). */
  configureOptimizers(): BookOptimizer {
    return sgdOver(this, { lr: this.lr });
  }

  /** Computes once, and initializes the modules of `net` (section 6.4). */
  applyInit(inputs: readonly tf.Tensor[], init?: (module: nn.Module) => void): void {
    tf.tidy(() => {
      this.forward(...inputs);
    });
    if (init) this.net.apply(init);
  }
}

const DATA_OPTIONS = rule.object({
  root: rule.nonEmptyString('the path of a folder').optional(),
  numWorkers: rule.integer({ min: 0 }).default(4),
});

/** Section 3.2: a base class of data, which have a loader for training and one for validation. */
export class DataModule extends HyperParameters {
  declare readonly root: string | undefined;
  declare readonly numWorkers: number;
  /** Samples in a batch of `getTensorloader`. */
  declare readonly batchSize: number;

  /**
   * @param options.root the folder of the data's files @default that of `download`
   * @param options.numWorkers threads that load data, for a getDataloader of your own; loaders of
   *   tensors need none @default 4
   */
  constructor(options: { root?: string; numWorkers?: number } = {}) {
    super();
    const { root, numWorkers } = checkOptions('[deepend] d2l.DataModule', DATA_OPTIONS, options);
    this.saveHyperparameters({ root, numWorkers });
  }

  /** The loader of one part. To be overridden. */
  getDataloader(_train: boolean): AnyLoader {
    throw new RangeError(
      `[deepend] d2l.DataModule.getDataloader: expected one in ${this.constructor.name}, got ` +
        'none; override getDataloader(train)',
    );
  }

  trainDataloader(): AnyLoader {
    return this.getDataloader(true);
  }

  valDataloader(): AnyLoader | null {
    return this.getDataloader(false);
  }

  /**
   * A loader over the rows from `start` to `end` of features and labels (section 3.3), shuffled for
   * training.
   */
  getTensorloader(
    tensors: readonly [features: ArrayData, labels: ArrayData],
    train: boolean,
    [start, end]: readonly [start: number, end?: number] = [0],
  ): AnyLoader {
    const parts = tensors.map((data) => sliceRows(data, start, end));
    const arrays = parts as unknown as [ArrayData, ArrayData];
    return loadArray(arrays, this.batchSize, { shuffle: train }) as unknown as AnyLoader;
  }
}

/** The rows of an array in any form. */
function sliceRows(data: ArrayData, start: number, end: number | undefined): ArrayData {
  if (Array.isArray(data)) return data.slice(start, end) as ArrayData;
  const isShaped = typeof data === 'object' && 'shape' in data;
  const shape = isShaped ? data.shape : [(data as Float32Array).length];
  const values =
    data instanceof tf.Tensor
      ? data.dataSync<'float32' | 'int32'>()
      : isShaped
        ? (data as { values: Float32Array }).values
        : (data as Float32Array);
  const [rows = 0, ...rest] = shape;
  const size = rest.reduce((product, length) => product * length, 1);
  const last = Math.min(end ?? rows, rows);
  return { values: values.slice(start * size, last * size), shape: [last - start, ...rest] };
}

/** What `Trainer.fit` trains on: a `DataModule`, or anything with two loaders. */
export interface BookData {
  trainDataloader(): AnyLoader;
  valDataloader(): AnyLoader | null;
}

const TRAINER_OPTIONS = rule.object({
  maxEpochs: rule.positiveInteger(),
  numGpus: rule.integer({ min: 0 }).default(0),
  gradientClipVal: rule.nonNegativeNumber().default(0),
});

/** Means over an epoch by label: `train_loss`, `val_loss`, `val_acc`. */
export type BookHistory = Readonly<Record<string, number>>[];

/**
 * Section 3.2: trains a `d2l.Module` on a `d2l.DataModule`, and draws its curves. Batches count by
 * their samples in each mean, where the book's count alike.
 * @example
 * const { history } = await new d2l.Trainer(10).fit(model, data);
 */
export class Trainer extends HyperParameters {
  declare readonly maxEpochs: number;
  declare readonly numGpus: number;
  declare readonly gradientClipVal: number;
  declare trainDataloader: AnyLoader;
  declare valDataloader: AnyLoader | null;
  declare numTrainBatches: number;
  declare numValBatches: number;
  declare model: Module;
  declare optim: BookOptimizer;
  /** From 0. */
  epoch = 0;
  trainBatchIdx = 0;
  valBatchIdx = 0;
  #curves: Curves | undefined;

  /**
   * @param options.numGpus 1 for a GPU, if there is one (section 6.7) @default 0
   * @param options.gradientClipVal the largest norm of all gradients (section 9.5) @default 0, none
   */
  constructor(maxEpochs: number, options: { numGpus?: number; gradientClipVal?: number } = {}) {
    super();
    const given = { ...options, maxEpochs };
    this.saveHyperparameters(checkOptions('[deepend] d2l.Trainer', TRAINER_OPTIONS, given));
  }

  prepareData(data: BookData): void {
    this.trainDataloader = data.trainDataloader();
    this.valDataloader = data.valDataloader();
    this.numTrainBatches = this.trainDataloader.numBatches;
    this.numValBatches = this.valDataloader?.numBatches ?? 0;
  }

  prepareModel(model: Module): void {
    model.trainer = this;
    model.board = new ProgressBoard({ xlabel: 'epoch', xlim: [0, this.maxEpochs] });
    this.model = model;
  }

  /** A batch as the model gets it. It may return tensors of its own, which it disposes. */
  prepareBatch(batch: AnyBatch): AnyBatch {
    return batch;
  }

  async fit(model: Module, data: BookData): Promise<{ history: BookHistory }> {
    if (this.numGpus > 0) await tryGpu();
    this.prepareData(data);
    this.prepareModel(model);
    this.optim = model.configureOptimizers();
    [this.trainBatchIdx, this.valBatchIdx] = [0, 0];
    const history: BookHistory = [];
    for (this.epoch = 0; this.epoch < this.maxEpochs; this.epoch++) {
      this.#curves = new Curves(model);
      await this.fitEpoch();
      history.push(this.#curves.means());
    }
    return { history };
  }

  /** One epoch of training, and a pass over the validation data. */
  async fitEpoch(): Promise<void> {
    const { model } = this;
    model.train();
    for await (const batch of this.trainDataloader) {
      await this.#consume(batch, () => this.#step(this.prepareBatch(batch)));
      this.trainBatchIdx++;
    }
    if (!this.valDataloader) return;
    model.eval();
    for await (const batch of this.valDataloader) {
      await this.#consume(batch, () => {
        tf.tidy(() => model.validationStep(this.prepareBatch(batch)));
      });
      this.valBatchIdx++;
    }
  }

  /** Scales gradients down to the norm `gradientClipVal` (section 9.5); they are replaced. */
  clipGradients(gradientClipVal: number, gradients: (tf.Tensor | undefined)[]): void {
    const entries = gradients.flatMap((gradient, i) => (gradient ? [{ i, gradient }] : []));
    clipByNorm(entries as never, gradientClipVal).dispose();
    for (const { i, gradient } of entries) gradients[i] = gradient;
  }

  #step(batch: AnyBatch): void {
    const { model, gradientClipVal } = this;
    const variables = model.parameters().filter(({ trainable }) => trainable);
    const { value, gradients } = gradientsOf(() => model.trainingStep(batch), variables);
    try {
      if (gradientClipVal > 0) this.clipGradients(gradientClipVal, gradients);
      this.optim.step(gradients);
    } finally {
      tf.dispose([value, ...gradients.filter((gradient) => gradient !== undefined)]);
    }
  }

  /** Does a step with a batch, draws what it plotted, and frees both. */
  async #consume(batch: AnyBatch, step: () => void): Promise<void> {
    const { model } = this;
    try {
      step();
      const plotted = model.takePlotted();
      const place = {
        weight: listTensors(batch.features)[0]?.shape[0] ?? 1,
        trainX: this.trainBatchIdx / this.numTrainBatches,
        valX: this.epoch + 1,
      };
      for (const { label, value } of plotted) {
        const [number = Number.NaN] = typeof value === 'number' ? [value] : await value.data();
        this.#curves?.add(label, number, { ...place, numBatches: this.#batchesOf(label) });
        if (typeof value !== 'number') value.dispose();
      }
    } finally {
      for (const { value } of model.takePlotted()) if (typeof value !== 'number') value.dispose();
      tf.dispose([batch.features, batch.labels] as tf.TensorContainer);
    }
  }

  #batchesOf = (label: string): number =>
    label.startsWith('train_') ? this.numTrainBatches : this.numValBatches;
}

/**
 * The settings and results of the book's runs: plain SGD and 10 epochs of Fashion-MNIST, from the
 * executed PyTorch notebooks of d2l-ai/d2l-zh (d2l-zh-pytorch-slides at 341c193).
 */

export interface Recipe {
  readonly lr: number;
  readonly batchSize: number;
  /** Height and width that images are resized to. */
  readonly size: number;
  readonly numEpochs: number;
  /** The model's options in this run, besides its shape. @default none */
  readonly options?: Readonly<Record<string, unknown>>;
  /**
   * The results of the book's own run, where they were published. Test accuracy varies by 0.02
   * between runs.
   */
  readonly published?: {
    readonly loss: number;
    readonly trainAcc: number;
    readonly testAcc: number;
  };
}

const numEpochs = 10;

/** The book's runs by the id of the model. */
export const RECIPES = {
  'book/softmax_regression': { lr: 0.1, batchSize: 256, size: 28, numEpochs },
  'book/mlp': { lr: 0.1, batchSize: 256, size: 28, numEpochs },
  'book/lenet': {
    lr: 0.9,
    batchSize: 256,
    size: 28,
    numEpochs,
    published: { loss: 0.469, trainAcc: 0.823, testAcc: 0.779 },
  },
  'book/bn_lenet': {
    lr: 1,
    batchSize: 256,
    size: 28,
    numEpochs,
    published: { loss: 0.267, trainAcc: 0.902, testAcc: 0.708 },
  },
  'book/alexnet': {
    lr: 0.01,
    batchSize: 128,
    size: 224,
    numEpochs,
    published: { loss: 0.331, trainAcc: 0.878, testAcc: 0.883 },
  },
  'book/vgg11': {
    lr: 0.05,
    batchSize: 128,
    size: 224,
    numEpochs,
    options: { widthDivisor: 4 },
    published: { loss: 0.178, trainAcc: 0.935, testAcc: 0.92 },
  },
  'book/nin': {
    lr: 0.1,
    batchSize: 128,
    size: 224,
    numEpochs,
    published: { loss: 0.563, trainAcc: 0.786, testAcc: 0.79 },
  },
  'book/googlenet': {
    lr: 0.1,
    batchSize: 128,
    size: 96,
    numEpochs,
    published: { loss: 0.262, trainAcc: 0.9, testAcc: 0.886 },
  },
  'book/resnet18': {
    lr: 0.05,
    batchSize: 256,
    size: 96,
    numEpochs,
    published: { loss: 0.012, trainAcc: 0.997, testAcc: 0.893 },
  },
  'book/resnext18': { lr: 0.05, batchSize: 256, size: 96, numEpochs },
  'book/densenet': {
    lr: 0.1,
    batchSize: 256,
    size: 96,
    numEpochs,
    published: { loss: 0.14, trainAcc: 0.948, testAcc: 0.885 },
  },
  'book/regnetx32': { lr: 0.05, batchSize: 128, size: 96, numEpochs },
} as const satisfies Record<string, Recipe>;

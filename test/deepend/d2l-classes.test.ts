/** The classes of the English edition: they learn as their sections say. */
import * as tf from '@tensorflow/tfjs-core';
import { d2l, nn } from 'deepend';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader } from '../helpers/loaders';

beforeAll(() => use('simd'));
beforeEach(() => nn.manualSeed(1));

const clothes = (): d2l.BookData => ({
  trainDataloader: () => fakeLoader(90, 30) as never,
  valDataloader: () => fakeLoader(31, 10) as never,
});

describe('the design for classes (3.2)', () => {
  it('addToClass adds a method to objects that exist', () => {
    class A {
      readonly b = 1;
    }
    const a = new A();
    d2l.addToClass(A)(function twice(this: A, n: number) {
      return 2 * this.b * n;
    });
    expect((a as unknown as { twice(n: number): number }).twice(3)).toBe(6);
    expect(() => d2l.addToClass(A)(() => 0)).toThrow('expected a function with a name');
  });

  it('saveHyperparameters saves what it is given, but what is ignored', () => {
    class B extends d2l.HyperParameters {
      declare readonly a: number;
      constructor(a: number, b: number, c: number) {
        super();
        this.saveHyperparameters({ a, b, c }, ['c']);
      }
    }
    const b = new B(1, 2, 3);
    expect([b.a, 'c' in b, b.hparams]).toEqual([1, false, { a: 1, b: 2 }]);
    class Net extends d2l.Module {
      constructor(lr: number) {
        super();
        this.saveHyperparameters({ lr });
      }
    }
    const net = new Net(0.1);
    expect([net.lr, net.hparams]).toEqual([0.1, { lr: 0.1 }]);
  });

  it('says what a class still lacks', async () => {
    const data = new d2l.SyntheticRegressionData([1], 0);
    class Empty extends d2l.Module {}
    expect(() => new Empty().forward(tf.zeros([1, 1]))).toThrow('expected "net" or a forward');
    expect(() => new Empty().trainer).toThrow('expected a trainer of Empty, got none');
    expect(() => new d2l.DataModule().trainDataloader()).toThrow('override getDataloader(train)');
    expect(() => new d2l.Trainer(0)).toThrow('"maxEpochs" must be an integer of at least 1, got 0');
    const options: [new (...given: never[]) => unknown, unknown[], string][] = [
      [d2l.Trainer, [1, { gradientClip: 1 }], '"gradientClip"; did you mean "gradientClipVal"?'],
      [d2l.Module, [{ plotTrain: 1 }], 'there is no option "plotTrain"'],
      [d2l.DataModule, [{ workers: 1 }], 'there is no option "workers"'],
      [d2l.SyntheticRegressionData, [[1], 0, { sigma: 1 }], 'there is no option "sigma"'],
    ];
    for (const [Class, given, message] of options)
      expect(() => new Class(...(given as never[]))).toThrow(message);
    class NoLoss extends d2l.Module {
      constructor() {
        super();
        this.net = new nn.Linear(1, 1);
        this.lr = 0.1;
      }
    }
    await expectRejection(() => new d2l.Trainer(1).fit(new NoLoss(), data), 'override loss(yHat');
    await expectRejection(() => new d2l.Trainer(1).fit(new Empty(), data), '"lr" must be a number');
  });
});

const expectRejection = async (work: () => Promise<unknown>, message: string) =>
  expect(work()).rejects.toThrow(message);

describe('linear regression (3.3 to 3.5)', () => {
  const [w, b] = [[2, -3.4], 4.2];
  const data = () =>
    new d2l.SyntheticRegressionData(w, b, { numTrain: 600, numVal: 200, batchSize: 8 });

  it('has data of both parts', async () => {
    const made = new d2l.SyntheticRegressionData(w, b, { numTrain: 50, numVal: 23, batchSize: 10 });
    const [train, val] = [made.trainDataloader(), made.valDataloader()];
    expect([train.numSamples, val?.numSamples, val?.numBatches]).toEqual([50, 23, 3]);
    await expectNoLeak(async () => {
      for await (const { features, labels } of train) {
        const [x, y] = [features as tf.Tensor2D, labels as tf.Tensor];
        const fitted = tf.tidy(() => d2l.linreg(x, tf.tensor2d(w, [2, 1]), tf.tensor1d([b])));
        const error = tf.tidy(() => tf.max(tf.abs(tf.sub(y, fitted))));
        expect(error.dataSync()[0]).toBeLessThan(0.06); // the noise has a deviation of 0.01
        tf.dispose([x, y, fitted, error]);
      }
    });
  });

  it('is learned from scratch and by a layer', async () => {
    const scratch = new d2l.LinearRegressionScratch(2, 0.03);
    const concise = new d2l.LinearRegression(2, 0.03);
    for (const model of [scratch, concise]) {
      const { history } = await new d2l.Trainer(5).fit(model, data());
      expect(history).toHaveLength(5);
      expect(history.at(-1)?.val_loss).toBeLessThan(1e-3);
      expect(history[0]?.train_loss).toBeGreaterThan(1);
    }
    const [weight, bias] = concise.getWB();
    for (const [learnedW, learnedB] of [
      [scratch.w, scratch.b],
      [weight, bias],
    ] as const) {
      [...learnedW.dataSync(), ...learnedB.dataSync()].forEach((value, i) => {
        expect(Math.abs(value - ([...w, b][i] as number))).toBeLessThan(0.03);
      });
    }
    scratch.dispose();
    concise.dispose();
  });

  it('draws its curves, with each batch counted by its samples', async () => {
    const model = new d2l.LinearRegressionScratch(2, 1e-9); // it stays as it is
    const made = new d2l.SyntheticRegressionData(w, b, { numTrain: 40, numVal: 23, batchSize: 10 });
    const { history } = await new d2l.Trainer(3).fit(model, made);
    const { svg } = model.board.figure();
    expect(svg).toContain('train_loss');
    expect(svg).toContain('val_loss');
    const all = tf.tidy(() => {
      const X = tf.tensor((made.X as { values: Float32Array }).values, [63, 2]) as tf.Tensor2D;
      const y = tf.tensor((made.y as { values: Float32Array }).values, [63, 1]);
      return model.loss(tf.slice(model.forward(X), 40), tf.slice(y, 40)).dataSync()[0] as number;
    });
    expect(history.at(-1)?.val_loss).toBeCloseTo(all, 4);
    model.dispose();
  });

  it('uses steps, optimizers and batches that a subclass overrides', async () => {
    const seen: string[] = [];
    class Own extends d2l.LinearRegressionScratch {
      override trainingStep(batch: Parameters<d2l.Module['trainingStep']>[0]): tf.Scalar {
        seen.push('step');
        return tf.mul(0, super.trainingStep(batch));
      }
      override configureOptimizers() {
        seen.push('optimizer');
        return super.configureOptimizers();
      }
    }
    class Halves extends d2l.Trainer {
      override prepareBatch(batch: Parameters<d2l.Trainer['prepareBatch']>[0]) {
        seen.push('batch');
        return batch;
      }
    }
    const model = new Own(2, 0.1);
    const before = [...model.w.dataSync()];
    const made = new d2l.SyntheticRegressionData(w, b, { numTrain: 8, numVal: 4, batchSize: 8 });
    await new Halves(1).fit(model, made);
    expect(seen).toEqual(['optimizer', 'batch', 'step', 'batch']);
    expect([...model.w.dataSync()]).toEqual(before);
    model.dispose();
  });

  it('clips gradients, and leaves no tensors', async () => {
    const model = new d2l.LinearRegressionScratch(2, 1, 0);
    const made = new d2l.SyntheticRegressionData(w, b, { numTrain: 8, numVal: 4, batchSize: 8 });
    await expectNoLeak(() => new d2l.Trainer(1, { gradientClipVal: 0.01 }).fit(model, made));
    const moved = [...model.w.dataSync(), ...model.b.dataSync()];
    expect(Math.hypot(...moved)).toBeLessThan(0.0201); // two steps of at most 0.01
    expect(Math.hypot(...moved)).toBeGreaterThan(0.01);
    expect(() => new d2l.SGD([model.w], 1).step([])).toThrow('expected 1 gradients');
    model.dispose();
  });
});

describe('classifiers (4.3 to 4.5, 7.6)', () => {
  it('softmax regression learns', async () => {
    const model = new d2l.SoftmaxRegression(16, 3, 0.3);
    const { history } = await new d2l.Trainer(40).fit(model, clothes());
    expect(history.at(-1)?.val_acc).toBeGreaterThan(0.9);
    expect(model.board.figure().svg).toContain('val_acc');
    await expectNoLeak(() => new d2l.Trainer(1).fit(model, clothes()));
    model.dispose();
  });

  it('takes features in a record, as loaders of text give them', async () => {
    class Named extends d2l.Classifier {
      override lr = 0.3;
      override readonly net = new nn.Sequential(new nn.Flatten(), new nn.Linear(16, 3));
      override forward({ image }: { image: tf.Tensor }): tf.Tensor {
        return this.net.forward(image) as tf.Tensor;
      }
    }
    const loader = (n: number) => {
      const images = fakeLoader(n, 10);
      return {
        ...images,
        async *[Symbol.asyncIterator]() {
          for await (const { features, labels } of images)
            yield { features: { image: features }, labels };
        },
      };
    };
    const model = new Named();
    const data = { trainDataloader: () => loader(90), valDataloader: () => loader(25) };
    const { history } = await new d2l.Trainer(20).fit(model, data as d2l.BookData);
    expect(history.at(-1)?.val_acc).toBeGreaterThan(0.9);
    await expectNoLeak(() => new d2l.Trainer(1).fit(model, data as d2l.BookData));
    model.dispose();
  });

  it('loss and accuracy are those of each sample, or their means', () => {
    tf.tidy(() => {
      const model = new d2l.Classifier();
      const [yHat, y] = [
        tf.tensor2d([
          [2, 0],
          [1000, 0],
        ]),
        tf.tensor1d([0, 1], 'int32'),
      ];
      const each = model.loss(yHat, y, false).dataSync();
      expect(each[0]).toBeCloseTo(Math.log(1 + Math.exp(-2)), 5);
      expect(each[1]).toBeCloseTo(1000, 2); // stays finite
      for (const label of [2, -1, 0.5])
        expect(() => model.loss(yHat, tf.tensor1d([0, label]))).toThrow(
          `[deepend] d2l.Classifier.loss: expected labels from 0 to 1, the outputs' classes`,
        );
      expect(model.loss(yHat, y).dataSync()[0]).toBeCloseTo(
        500 + Math.log(1 + Math.exp(-2)) / 2,
        2,
      );
      expect([...model.accuracy(yHat, y, false).dataSync()]).toEqual([1, 0]);
      expect(model.accuracy(yHat, y).dataSync()[0]).toBe(0.5);
    });
  });

  it('LeNet has its layers, and Xavier weights by initCnn', async () => {
    const model = new d2l.LeNet(0.1, 10);
    const lines: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(line));
    model.layerSummary([1, 28, 28, 1]);
    log.mockRestore();
    expect(lines).toHaveLength(12);
    expect(lines[0]).toBe('Conv2d output shape:\t[1, 28, 28, 6]');
    expect(lines[5]).toBe('AvgPool2d output shape:\t[1, 5, 5, 16]');
    expect(lines.at(-1)).toBe('Linear output shape:\t[1, 10]');
    const count = model.parameters().reduce((sum, { size }) => sum + size, 0);
    expect(count).toBe(61_706); // the book's
    const x = tf.zeros([1, 28, 28, 1]);
    model.applyInit([x], d2l.initCnn);
    const first = Math.max(...(model.parameters()[0]?.dataSync() ?? []).map(Math.abs));
    const bound = Math.sqrt(6 / (25 + 6 * 25)); // fan in 1·25, fan out 6·25
    expect(first).toBeLessThanOrEqual(bound);
    expect(first).toBeGreaterThan(0.9 * bound);
    x.dispose();
    model.dispose();
  });

  it('FashionMNIST names and draws its images', async () => {
    const loader = fakeLoader(8, 8, { shape: [28, 28, 1] });
    const data = new d2l.FashionMNIST([loader as never, loader as never]);
    expect(data.textLabels([2, 9])).toEqual(d2l.getFashionMnistLabels([2, 9]));
    const { value: batch } = await loader[Symbol.asyncIterator]().next();
    const figure = await data.visualize(batch);
    expect(figure.svg).toContain(d2l.getFashionMnistLabels([1])[0]);
    tf.dispose([batch.features, batch.labels]);
    expect([data.batchSize, data.trainDataloader().numSamples]).toEqual([8, 8]);
  });
});

describe('plots (2.4)', () => {
  it('take options in place of a global state', async () => {
    d2l.useSvgDisplay();
    const options = { ...d2l.setFigsize([4, 3]), ...d2l.setAxes({ xlabel: 'x', legend: ['f'] }) };
    const { svg } = d2l.plot([1, 2, 3], [[1, 4, 9]], options);
    expect(svg).toContain('width="400"');
    expect(svg).toContain('>f<');
    expect(d2l.getDataloaderWorkers()).toBeGreaterThan(0);
  });
});

it('refuses labels that would be broadcast', () => {
  for (const model of [new d2l.LinearRegressionScratch(2, 0.1), new d2l.LinearRegression(2, 0.1)])
    expect(() => tf.tidy(() => model.loss(tf.zeros([4, 1]), tf.zeros([4])))).toThrow(
      'labels of the shape of the predictions, [4, 1], got [4]',
    );
});

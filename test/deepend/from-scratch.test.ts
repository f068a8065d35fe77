/** The book's sections from scratch, as printed, each with the figure that it must reach. */
import { meanSquaredError, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { d2l, nn, optim } from 'deepend';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

beforeAll(() => use('simd'));
beforeEach(() => nn.manualSeed(1));

const normal = (shape: number[], std = 0.01) =>
  nn.parameter(shape, { init: nn.init.normal({ std }) });

const softmax = (x: tf.Tensor) => {
  const exponentials = tf.exp(x);
  return tf.div(exponentials, tf.sum(exponentials, 1, true)); // [batch, numClasses]
};
/** −log of the probability of the true class: `[batch]`. */
const crossEntropy = (yHat: tf.Tensor, y: tf.Tensor1D) =>
  tf.neg(tf.log(tf.sum(tf.mul(yHat, tf.oneHot(y, yHat.shape[1] as number)), 1)));

describe('linear regression from scratch (3.4)', () => {
  it('finds the weights', async () => {
    const [trueW, trueB] = [[2, -3.4], 4.2];
    const X: tf.Tensor2D = tf.randomNormal([1000, 2], 0, 1, 'float32', 1);
    const y = tf.add(tf.matMul(X, tf.tensor2d(trueW, [2, 1])), trueB);
    const w = normal([2, 1]);
    const b = nn.parameter([1]);
    const [lr, numEpochs, batchSize] = [0.03, 3, 10];
    const epoch = () => {
      for (let i = 0; i < 1000; i += batchSize) {
        const [x, labels] = [tf.slice(X, [i, 0], [batchSize, 2]), tf.slice(y, i, batchSize)];
        const { value, grads } = tf.variableGrads(
          () => tf.sum(d2l.squaredLoss(d2l.linreg(x, w, b), labels)),
          [w, b],
        );
        d2l.sgd([w, b], grads, lr, batchSize);
        tf.dispose([x, labels, value, grads]);
      }
    };
    await expectNoLeak(epoch);
    for (let i = 0; i < numEpochs; i++) epoch();
    const loss = tf.mean(d2l.squaredLoss(d2l.linreg(X, w, b), y)).dataSync()[0];
    expect(loss).toBeLessThan(1e-4);
    [...w.dataSync()].forEach((value, i) => {
      expect(Math.abs(value - (trueW[i] as number))).toBeLessThan(0.01);
    });
    expect(Math.abs((b.dataSync()[0] as number) - trueB)).toBeLessThan(0.01);
  });
});

describe('softmax regression from scratch (4.4)', () => {
  const scratch = () => {
    const [W, b] = [normal([16, 3]), nn.parameter([3])];
    const net = (X: tf.Tensor) => softmax(tf.add(tf.matMul(tf.reshape(X, [-1, 16]), W), b));
    return { W, b, net };
  };

  it("is trained by the reader's own loss and update", async () => {
    const { W, b, net } = scratch();
    const [trainIter, testIter] = [fakeLoader(90, 30), fakeLoader(30, 10)];
    const updater = (batchSize: number, gradients: tf.NamedTensorMap) =>
      d2l.sgd([W, b], gradients, 0.3, batchSize);
    expect(await d2l.evaluateAccuracy(net, testIter)).toBeLessThan(0.7);
    const { history } = await d2l.trainCh3(net, trainIter, testIter, crossEntropy, 60, updater);
    expect(history).toHaveLength(60);
    expect(history.at(-1)?.loss).toBeLessThan(0.5);
    expect(history.at(-1)?.trainAcc).toBeGreaterThan(0.9);
    expect(await d2l.evaluateAccuracy(net, testIter)).toBeGreaterThan(0.9);
    expect(await d2l.evaluateLoss(net, testIter, crossEntropy)).toBeLessThan(0.5);
    expect((await d2l.predictCh3(net, testIter, 3)).svg).toContain('class 2');
    await expectNoLeak(async () => {
      await d2l.trainCh3(net, trainIter, testIter, crossEntropy, 1, updater);
      await d2l.evaluateLoss(net, testIter, crossEntropy);
    });
  });

  it('takes the steps of the concise section, 4.5', async () => {
    const [own, model] = [scratch(), linearNet()];
    const kernels = model.getWeights().map((weight) => weight.clone());
    own.W.assign(kernels[0] as tf.Tensor);
    own.b.assign(kernels[1] as tf.Tensor);
    const updater = (batchSize: number, gradients: tf.NamedTensorMap) =>
      d2l.sgd([own.W, own.b], gradients, 0.1, batchSize);
    const iter = () => fakeLoader(12, 4);
    const free = await d2l.trainEpochCh3(own.net, iter(), crossEntropy, updater);
    const concise = await d2l.trainEpochCh3(model, iter(), softmaxCrossEntropy, { lr: 0.1 });
    expect(free.loss).toBeCloseTo(concise.loss, 5);
    expect(free.trainAcc).toBe(concise.trainAcc);
    const expected = model.getWeights().flatMap((weight) => [...weight.dataSync()]);
    [own.W, own.b]
      .flatMap((variable) => [...variable.dataSync()])
      .forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i] as number, 5);
      });
  });
});

describe('a multilayer perceptron from scratch (5.2)', () => {
  it("is trained by an optimizer over its parameters, with deepend's loss", async () => {
    const [W1, b1, W2, b2] = [
      normal([16, 32], 0.3),
      nn.parameter([32]),
      normal([32, 3], 0.3),
      nn.parameter([3]),
    ];
    const relu = (X: tf.Tensor) => tf.maximum(X, 0);
    const net = (X: tf.Tensor) => {
      const H = relu(tf.add(tf.matMul(tf.reshape(X, [-1, 16]), W1), b1)); // [batch, 32]
      return tf.add(tf.matMul(H, W2), b2);
    };
    const updater = optim.sgd([W1, b1, W2, b2], { lr: 0.2 });
    const [trainIter, testIter] = [fakeLoader(90, 30), fakeLoader(30, 10)];
    const learn = (numEpochs: number) =>
      d2l.trainCh3(net, trainIter, testIter, softmaxCrossEntropy, numEpochs, updater);
    const { history } = await learn(40);
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.9);
    await expectNoLeak(() => learn(1));
  });
});

describe('a recurrent network from scratch (9.5)', () => {
  const TEXT = 'the time traveller for so it will be convenient to speak of him ';
  const VOCAB = [...new Set(TEXT)].sort();
  const [HIDDEN, STEPS, BATCH] = [32, 6, 4];

  it('learns the text, with its gradients clipped and its state passed on', async () => {
    const size = VOCAB.length;
    const corpus = [...TEXT.repeat(6)].map((token) => VOCAB.indexOf(token));
    const params = {
      W_xh: normal([size, HIDDEN], 0.1),
      W_hh: normal([HIDDEN, HIDDEN], 0.1),
      b_h: nn.parameter([HIDDEN]),
      W_hq: normal([HIDDEN, size], 0.1),
      b_q: nn.parameter([size]),
    };
    const variables = Object.values(params);
    const { W_xh, W_hh, b_h, W_hq, b_q } = params;
    const rnn = (inputs: tf.Tensor3D, state: tf.Tensor): [tf.Tensor, tf.Tensor] => {
      let H = state; // [batch, hidden]
      const outputs = tf.unstack(inputs).map((X) => {
        H = tf.tanh(tf.add(tf.add(tf.matMul(X, W_xh), tf.matMul(H, W_hh)), b_h));
        return tf.add(tf.matMul(H, W_hq), b_q); // [batch, vocabulary]
      });
      return [tf.concat(outputs), H];
    };

    const perSequence = Math.floor((corpus.length - 1) / BATCH);
    const rows = (start: number, shift: number) =>
      tf.tensor2d(
        Array.from({ length: BATCH }, (_, i) => {
          const from = i * perSequence + start + shift;
          return corpus.slice(from, from + STEPS);
        }),
        [BATCH, STEPS],
        'int32',
      );
    /** @returns the perplexity */
    const epoch = (lr: number): number => {
      let state: tf.Tensor = tf.zeros([BATCH, HIDDEN]);
      let [total, count, largest] = [0, 0, 0];
      for (let start = 0; start + STEPS <= perSequence; start += STEPS) {
        const [x, y] = [rows(start, 0), rows(start, 1)];
        let next: tf.Tensor | undefined;
        const { value, grads } = tf.variableGrads(() => {
          const inputs = tf.cast(tf.oneHot(tf.transpose(x), size), 'float32'); // [time, batch, vocabulary]
          const [yHat, H] = rnn(inputs as tf.Tensor3D, state);
          next = tf.keep(H.clone());
          const labels = tf.reshape(tf.transpose(y), [-1]);
          return softmaxCrossEntropy(yHat as tf.Tensor2D, labels).loss;
        }, variables);
        d2l.gradClipping(grads, 1);
        const norm = Math.hypot(...Object.values(grads).flatMap((g) => [...g.dataSync()]));
        largest = Math.max(largest, norm);
        d2l.sgd(variables, grads, lr, 1);
        total += (value.dataSync()[0] as number) * BATCH * STEPS;
        count += BATCH * STEPS;
        tf.dispose([x, y, state, value, grads]);
        state = next as tf.Tensor;
      }
      state.dispose();
      expect(largest).toBeLessThan(1.001);
      return Math.exp(total / count);
    };
    const first = epoch(1);
    await expectNoLeak(() => epoch(1));
    let perplexity = first;
    for (let i = 0; i < 12; i++) perplexity = epoch(1);
    expect(first).toBeGreaterThan(10);
    expect(perplexity).toBeLessThan(1.3);
  });
});

describe('weight decay from scratch (3.7)', () => {
  it('keeps the weights small, and the test loss with them', async () => {
    // The book's: y = 0.05 + Σ 0.01 x + ε with 200 inputs, and only 20 examples.
    const [numInputs, n, numTest] = [200, 20, 100];
    const X: tf.Tensor2D = tf.randomNormal([n + numTest, numInputs], 0, 1, 'float32', 3);
    const noise = tf.randomNormal([n + numTest, 1], 0, 0.01, 'float32', 4);
    const y = tf.addN([tf.mul(0.01, tf.sum(X, 1, true)), noise, tf.fill(noise.shape, 0.05)]);
    const part = (x: tf.Tensor, start: number, size: number) =>
      tf.slice(x, start, size) as tf.Tensor2D;
    const [XTrain, yTrain] = [part(X, 0, n), part(y, 0, n)];
    const [XTest, yTest] = [part(X, n, numTest), part(y, n, numTest)];
    const trained = (lambd: number) => {
      nn.manualSeed(1);
      const [w, b] = [normal([numInputs, 1], 1), nn.parameter([1])];
      const step = () => {
        const { value, grads } = tf.variableGrads(() => {
          const loss = tf.mean(d2l.squaredLoss(d2l.linreg(XTrain, w, b), yTrain));
          return tf.add(loss, tf.mul(lambd, d2l.l2Penalty(w))) as tf.Scalar;
        }, [w, b]);
        d2l.sgd([w, b], grads, 0.01, 1);
        tf.dispose([value, grads]);
      };
      for (let i = 0; i < 400; i++) step();
      const mse = (x: tf.Tensor2D, labels: tf.Tensor) =>
        tf.tidy(
          () => tf.mean(d2l.squaredLoss(d2l.linreg(x, w, b), labels)).dataSync()[0] as number,
        );
      const penalty = d2l.l2Penalty(w);
      const norm = Math.sqrt(2 * (penalty.dataSync()[0] as number));
      tf.dispose([penalty]);
      return { norm, train: mse(XTrain, yTrain), test: mse(XTest, yTest) };
    };
    const [free, decayed] = [trained(0), trained(3)];
    expect(free.train).toBeLessThan(0.01);
    expect(free.test).toBeGreaterThan(20); // overfitted
    expect(decayed.norm).toBeLessThan(0.05 * free.norm);
    expect(decayed.test).toBeLessThan(0.2);
  });
});

describe('dropout from scratch (5.6)', () => {
  it('keeps the mean, and the gradient passes where the number did', async () => {
    const X = tf.ones([64, 256]);
    for (const dropout of [0, 0.5, 1]) {
      const dropped = d2l.dropoutLayer(X, dropout, 7);
      const values = [...dropped.dataSync()];
      const kept = values.filter((value) => value !== 0);
      expect(kept.length / values.length).toBeCloseTo(1 - dropout, 1);
      expect(kept.every((value) => value === 1 / (1 - dropout))).toBe(true);
      dropped.dispose();
    }
    const [one, same, other] = [7, 7, 8].map((seed) => d2l.dropoutLayer(X, 0.5, seed).dataSync());
    expect(same).toEqual(one);
    expect(other).not.toEqual(one);
    const gradient = tf.grad((x) => d2l.dropoutLayer(x, 0.5, 7))(X);
    expect(gradient.dataSync()).toEqual(one);
    await expectNoLeak(() => d2l.dropoutLayer(X, 0.5).dispose());
    expect(() => d2l.dropoutLayer(X, 1.5)).toThrow('a probability from 0 to 1, got 1.5');
  });

  it('is used in training only, by the net of the section', async () => {
    const sizes: [number, number][] = [
      [16, 32],
      [32, 3],
    ];
    class DropoutMLPScratch extends d2l.Classifier {
      readonly W = sizes.map(([inputs, outputs]) => normal([inputs, outputs], 0.3));
      readonly b = sizes.map(([, outputs]) => nn.parameter([outputs]));
      override lr = 0.3;
      override forward(X: tf.Tensor): tf.Tensor {
        const [W1, W2] = this.W as [tf.Variable, tf.Variable];
        const [b1, b2] = this.b as [tf.Variable, tf.Variable];
        let H = tf.relu(tf.add(tf.matMul(tf.reshape(X, [-1, 16]), W1), b1)); // [batch, 32]
        if (this.training) H = d2l.dropoutLayer(H, 0.5);
        return tf.add(tf.matMul(H, W2), b2);
      }
    }
    const model = new DropoutMLPScratch();
    const data = {
      trainDataloader: () => fakeLoader(90, 30) as never,
      valDataloader: () => fakeLoader(30, 10) as never,
    };
    const { history } = await new d2l.Trainer(60).fit(model, data);
    expect(history.at(-1)?.val_acc).toBeGreaterThan(0.9);
    expect(history.at(-1)?.train_loss).toBeGreaterThan(history.at(-1)?.val_loss as number);
    model.dispose();
  });
});

describe('batch normalization from scratch (8.5)', () => {
  it('is that of nn.BatchNorm2d, with its gradients and moving means', async () => {
    const X = tf.randomNormal([4, 5, 5, 3], 2, 3, 'float32', 5);
    const [gamma, beta] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([0, -1, 1])];
    const [eps, momentum] = [1e-5, 0.1];
    const state = {
      ...{ eps, momentum },
      movingMean: tf.variable(tf.zeros([3]), false),
      movingVar: tf.variable(tf.ones([3]), false),
    };
    const layer = new nn.BatchNorm2d(3, { epsilon: eps, momentum });
    (layer.weight as tf.Variable).assign(gamma);
    (layer.bias as tf.Variable).assign(beta);
    const weights = tf.randomNormal(X.shape, 0, 1, 'float32', 6); // so that the gradient is not 0
    const scratch = (x: tf.Tensor, training: boolean) =>
      d2l.batchNorm(x, [gamma, beta], { ...state, training });
    const close = (actual: tf.Tensor, expected: tf.Tensor, digits = 4) => {
      const values = expected.dataSync();
      actual.dataSync().forEach((value, i) => {
        expect(value).toBeCloseTo(values[i] as number, digits);
      });
    };
    close(scratch(X, true), layer.forward(X) as tf.Tensor);
    close(state.movingMean, layer.buffers()[0] as tf.Tensor);
    const gradients = [
      (x: tf.Tensor) => scratch(x, true),
      (x: tf.Tensor) => layer.forward(x) as tf.Tensor,
    ].map((norm) => tf.grad((x) => tf.sum(tf.mul(norm(x), weights)))(X));
    close(gradients[0] as tf.Tensor, gradients[1] as tf.Tensor, 3);
    const moved = [...state.movingMean.dataSync()];
    const predicted = scratch(X, false); // by the moving statistics, which stay
    expect([...state.movingMean.dataSync()]).toEqual(moved);
    const first = (X.dataSync()[0] as number) - (moved[0] as number);
    const variance = state.movingVar.dataSync()[0] as number;
    expect(predicted.dataSync()[0]).toBeCloseTo(first / Math.sqrt(variance + eps), 4);
    await expectNoLeak(() => scratch(X, true).dispose());
  });
});

describe('what is refused', () => {
  const net = (X: tf.Tensor) => tf.reshape(X, [-1, 16]);
  it.each([
    [
      'options for a function',
      () => d2l.trainCh3(net as never, fakeLoader(4, 2), null, softmaxCrossEntropy, 1, { lr: 1 }),
      /expected an updater for a function as the model/,
    ],
    [
      'a net without variables',
      () => d2l.trainEpochCh3(net, fakeLoader(4, 2), softmaxCrossEntropy, () => {}),
      /expected a loss that depends on variables/,
    ],
    [
      'no epoch',
      () => d2l.trainCh3(net, fakeLoader(4, 2), null, meanSquaredError(), 0, () => {}),
      /numEpochs of at least 1, got 0/,
    ],
    [
      'a model of layers with a loss that looks through its activation',
      () => d2l.trainEpochCh3(linearNet(), fakeLoader(4, 2), softmaxCrossEntropy, () => {}),
      /give options of train/,
    ],
  ])('%s', async (_, run, message) => {
    await expect(async () => run()).rejects.toThrow(message);
  });

  it('a gradient that is missing', () => {
    const [w, b] = [nn.parameter([2]), nn.parameter([1])];
    expect(() => d2l.sgd([w, b], [tf.ones([2])], 0.1, 1)).toThrow(/a gradient of parameter 1/);
  });
});

/** Generative adversarial networks: two modules trained in turn. */
import { loadArray, loadFashionMnist } from '@deepend/data';
import * as nn from '@deepend/nn';
import { adam, binaryCrossEntropy, meanSquaredError } from '@deepend/optim';
import { type GanOptions, type GanRecord, trainGan } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import golden from '../golden/gan.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const files = { download: false, progress: false, workers: 0 } as const;
const absent = await loadFashionMnist(1, files).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

beforeAll(() => use('simd'));

/** The book's networks for points in the plane, section 20.1. */
function networks(seed = 1) {
  nn.manualSeed(seed);
  const init = nn.init.normal({ std: 0.02 });
  return {
    generator: new nn.Sequential(new nn.Linear(2, 2, { init })),
    discriminator: new nn.Sequential(
      ...[new nn.Linear(2, 5, { init }), new nn.Tanh()],
      ...[new nn.Linear(5, 3, { init }), new nn.Tanh()],
      new nn.Linear(3, 1, { init }),
    ),
  };
}

const A = [
  [1, 2],
  [-0.1, 0.5],
];

/** The book's data: X·A + b for normal X. */
function points(count: number): tf.Tensor2D {
  const X = tf.randomNormal([count, 2], 0, 1, 'float32', 3) as tf.Tensor2D;
  return tf.add(tf.matMul(X, tf.tensor2d(A)), [1, 2]);
}

const loaderOf = (data: tf.Tensor, batchSize = 8) =>
  loadArray([data, new Int32Array(data.shape[0] as number)], batchSize, { seed: 1 });

const quiet = { numEpochs: 1, lr: 0.01, latentShape: [2], progress: false };

const tensorOf = ({ shape, values }: { shape: number[]; values: number[] }) =>
  tf.tensor(values, shape);

describe('the steps of a GAN', () => {
  it("have PyTorch's losses, with the book's names", async () => {
    await expectNoLeak(() => {
      const { generator, discriminator } = networks();
      for (const [net, state] of [
        [discriminator, golden.state.D],
        [generator, golden.state.G],
      ] as const) {
        const tensors = Object.fromEntries(
          Object.entries(state).map(([name, value]) => [name, tensorOf(value)]),
        );
        net.loadStateDict(tensors);
        tf.dispose(tensors);
      }
      const trainerD = adam(discriminator, { lr: golden.lr.D });
      const trainerG = adam(generator, { lr: golden.lr.G });
      const loss = binaryCrossEntropy({ reduction: 'sum' });
      const [data, noise] = [tensorOf(golden.data), tensorOf(golden.noise)];
      const [reals, noises] = [tf.unstack(data), tf.unstack(noise)];
      const losses = reals.map((X, step) => {
        const Z = noises[step] as tf.Tensor;
        const both = [
          d2l.updateD(X, Z, discriminator, generator, loss, trainerD),
          d2l.updateG(Z, discriminator, generator, loss, trainerG),
        ];
        const values = both.map((value) => value.dataSync()[0]);
        tf.dispose(both);
        return values;
      });
      losses.forEach(([lossD, lossG], step) => {
        expect(lossD).toBeCloseTo(golden.losses[step]?.[0] as number, 4);
        expect(lossG).toBeCloseTo(golden.losses[step]?.[1] as number, 4);
      });
      for (const each of [trainerD, trainerG, generator, discriminator]) each.dispose();
      tf.dispose([data, noise, reals, noises] as tf.TensorContainer);
    });
  });

  it('of the discriminator leaves the generator as it is, and the other way round', () => {
    const { generator, discriminator } = networks();
    const read = (net: nn.Module) => net.parameters().map((variable) => [...variable.dataSync()]);
    const loss = binaryCrossEntropy();
    const [X, Z] = [points(8), tf.randomNormal([8, 2], 0, 1, 'float32', 1)];
    const before = [read(generator), read(discriminator)];
    const trainerD = adam(discriminator, { lr: 0.1 });
    d2l.updateD(X, Z, discriminator, generator, loss, trainerD);
    expect(read(generator)).toEqual(before[0]);
    expect(read(discriminator)).not.toEqual(before[1]);
    const between = read(discriminator);
    d2l.updateG(Z, discriminator, generator, loss, adam(generator, { lr: 0.1 }));
    expect(read(discriminator)).toEqual(between);
    expect(read(generator)).not.toEqual(before[0]);
  });
});

describe('trainGan', () => {
  it("learns the mean and the covariance of the book's points", async () => {
    const data = points(1000);
    const both = networks();
    const lr = { discriminator: 0.05, generator: 0.005 };
    const options = { ...quiet, numEpochs: 16, lr, seed: 2 };
    const { history } = await trainGan(both, loaderOf(data), options);
    expect(history).toHaveLength(16);
    // The discriminator can only guess: log 2 for each.
    expect(history.at(-1)?.lossD).toBeCloseTo(Math.log(2), 1);
    expect(history.at(-1)?.lossG).toBeCloseTo(Math.log(2), 1);
    const made = both.generator.forward(tf.randomNormal([2000, 2], 0, 1, 'float32', 9));
    const [mean, covariance] = momentsOf(made);
    const [truth, spread] = momentsOf(data);
    mean.forEach((value, i) => {
      expect(Math.abs(value - (truth[i] as number))).toBeLessThan(0.3);
    });
    covariance.forEach((value, i) => {
      expect(Math.abs(value - (spread[i] as number))).toBeLessThan(1);
    });
  }, 120_000);

  it.skipIf(absent)(
    `makes images as bright as the data's (${absent ?? 'real data'})`,
    async () => {
      const [trainIter] = await loadFashionMnist(32, {
        ...files,
        resize: 8,
        numTrain: 1280,
        seed: 1,
      });
      nn.manualSeed(1);
      const conv = { stride: 2, padding: 1, bias: false };
      const generator = new nn.Sequential(
        ...[
          new nn.ConvTranspose2d(8, 16, 4, { bias: false }),
          new nn.BatchNorm2d(16),
          new nn.ReLU(),
        ],
        ...[new nn.ConvTranspose2d(16, 1, 4, conv), new nn.Sigmoid()],
      );
      const discriminator = new nn.Sequential(
        ...[new nn.Conv2d(1, 16, 4, conv), new nn.LeakyReLU(0.2)],
        ...[new nn.Conv2d(16, 1, 4, { bias: false }), new nn.Flatten()],
      );
      await trainGan({ generator, discriminator }, trainIter, {
        ...{ ...quiet, numEpochs: 3, lr: 0.002, latentShape: [1, 1, 8], seed: 1 },
        optimizer: { name: 'adam', beta1: 0.5 },
      });
      const made = generator.forward(tf.randomNormal([256, 1, 1, 8], 0, 1, 'float32', 1));
      expect(made.shape).toEqual([256, 8, 8, 1]);
      const bytes = Array.from(trainIter.dataset.images.slice(0, 256 * 28 * 28));
      const truth = bytes.reduce((sum, byte) => sum + byte, 0) / bytes.length / 255;
      expect(Math.abs((tf.mean(made).dataSync()[0] as number) - truth)).toBeLessThan(0.1);
    },
    120_000,
  );

  it('gives the same weights for the same seed, and leaves no tensors', async () => {
    const data = points(64);
    const run = async (seed: number) => {
      const both = networks();
      await trainGan(both, loaderOf(data), { ...quiet, seed });
      const values = both.generator.parameters().map((variable) => [...variable.dataSync()]);
      both.generator.dispose();
      both.discriminator.dispose();
      return values;
    };
    const first = await run(4);
    expect(await run(4)).toEqual(first);
    expect(await run(5)).not.toEqual(first);
    await expectNoLeak(() => run(4));
    data.dispose();
  });

  it('calls onEpochEnd with the generator in inference mode, and prints a line', async () => {
    const print = vi.spyOn(console, 'log').mockImplementation(() => {});
    const both = networks();
    const seen: [GanRecord, boolean][] = [];
    const { history } = await trainGan(both, loaderOf(points(16)), {
      ...{ ...quiet, numEpochs: 2, progress: true, optimizer: { name: 'adam', beta1: 0.5 } },
      onEpochEnd: (record, generator) => void seen.push([record, generator.training]),
    });
    const lines = print.mock.calls.flat();
    print.mockRestore();
    expect(seen).toEqual(history.map((record) => [record, false]));
    expect(lines[0]).toMatch(/^epoch 1 of 2: loss_D 0\.\d{3}, loss_G 0\.\d{3}, \d+\.\d s$/);
    expect(lines[2]).toMatch(/^\d+\.\d examples\/sec on cpu$/);
  });

  const REFUSED: [string, () => Promise<unknown>, RegExp][] = [
    [
      'a generator that is no module',
      () => trainGan({ ...networks(), generator: tf.relu as never }, loaderOf(points(8)), quiet),
      /trainGan: expected an nn.Module as "generator", got the function/,
    ],
    [
      'an option that does not exist',
      () => trainGan(networks(), loaderOf(points(8)), { ...quiet, latentDim: 2 } as GanOptions),
      /there is no option "latentDim"; it has "numEpochs", .*"latentShape"/,
    ],
    [
      'a rate for one module only',
      () =>
        trainGan(networks(), loaderOf(points(8)), { ...quiet, lr: { generator: 0.1 } as never }),
      /option "lr" must be a number above 0, or \{ discriminator, generator \}/,
    ],
    [
      'a rate among the options of the optimizer',
      () =>
        trainGan(networks(), loaderOf(points(8)), {
          ...quiet,
          optimizer: { name: 'adam', lr: 3 } as never,
        }),
      /option "optimizer" has no "lr"; pass "lr" next to it/,
    ],
    [
      'a generator of another shape',
      () => {
        const generator = new nn.Sequential(new nn.Linear(2, 3));
        return trainGan({ ...networks(), generator }, loaderOf(points(8)), quiet);
      },
      /expected the generator to make the shape of the data, \[8, 2\], got \[8, 3\]/,
    ],
    [
      'a discriminator of two logits',
      () => {
        const discriminator = new nn.Sequential(new nn.Linear(2, 2));
        return trainGan({ ...networks(), discriminator }, loaderOf(points(8)), quiet);
      },
      /expected the discriminator to give one logit for each of 8 samples, got \[8, 2\]/,
    ],
    [
      'a loader without samples',
      () =>
        trainGan(networks(), { ...loaderOf(points(8)), async *[Symbol.asyncIterator]() {} }, quiet),
      /expected a loader with samples, got none/,
    ],
    [
      'losses that are not finite',
      () =>
        trainGan(networks(), loaderOf(points(8)), {
          ...quiet,
          loss: (logits: tf.Tensor) => tf.mul(tf.mean(logits), Number.NaN) as tf.Scalar,
        }),
      /expected finite losses, got lossD NaN in epoch 1; lower "lr"/,
    ],
  ];
  it.each(REFUSED)('refuses %s', async (_, work, message) => {
    await expect(work()).rejects.toThrow(message);
  });

  it('ends after the current step at SIGTERM, and keeps what was learned', async () => {
    const both = networks();
    const listeners = () => process.listenerCount('SIGTERM') + process.listenerCount('SIGINT');
    const before = listeners();
    const begun = both.generator.stateDict()['0.weight']?.dataSync().slice() as Float32Array;
    const { history, interrupted } = await trainGan(both, loaderOf(points(32)), {
      ...{ ...quiet, numEpochs: 5 },
      onEpochEnd: ({ epoch }) => {
        if (epoch === 2) process.emit('SIGTERM');
      },
    });
    expect([interrupted, history.length]).toEqual([true, 2]); // the third epoch had one step
    expect(both.generator.stateDict()['0.weight']?.dataSync()).not.toEqual(begun);
    expect(listeners()).toBe(before);
    const whole = await trainGan(networks(), loaderOf(points(32)), quiet);
    expect(whole.interrupted).toBe(false);
  });

  it('takes another loss: least squares, Mao et al. 2017', async () => {
    const { history } = await trainGan(networks(), loaderOf(points(64)), {
      ...{ ...quiet, loss: meanSquaredError() },
    });
    expect(history[0]?.lossD).toBeGreaterThan(0);
    expect(history[0]?.lossD).toBeLessThan(1);
  });
});

/** Mean `[2]` and covariance `[2 · 2]` of points `[count, 2]`. */
function momentsOf(values: tf.Tensor): [number[], number[]] {
  return tf.tidy(() => {
    const mean = tf.mean(values, 0);
    const centered = tf.sub(values, mean) as tf.Tensor2D;
    const covariance = tf.div(tf.matMul(centered, centered, true), values.shape[0] as number);
    return [[...mean.dataSync()], [...covariance.dataSync()]];
  });
}

import type { EpochRecord } from '@deepend/core';
import { book } from '@deepend/models';
import { type Callback, evaluate, predict, topLosses, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { type FakeLoader, fakeLoader, linearNet } from '../helpers/loaders';

const quiet = { numEpochs: 1, lr: 0.5, progress: false };
const weights = (net: tfl.LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);

beforeAll(() => use('cpu-js'));

describe('a learning rate of each epoch', () => {
  it('is what the steps take and the history tells', async () => {
    const rates = [0.5, 1e-12];
    const net = linearNet();
    const weights: number[] = [];
    const onEpochEnd = () => {
      weights.push(net.getWeights()[0]?.dataSync()[0] as number);
    };
    const lr = (epoch: number) => rates[epoch - 1] as number;
    const { history } = await train(net, fakeLoader(12, 3), null, {
      ...quiet,
      numEpochs: 2,
      lr,
      callbacks: [{ onEpochEnd }],
    });
    expect(history.map((record) => record.lr)).toEqual(rates);
    expect(weights[1]).toBe(weights[0]); // the second rate moves nothing
  });
});

describe('train', () => {
  it('learns', async () => {
    const net = linearNet();
    const { history, samplesPerSecond, device } = await train(
      net,
      fakeLoader(90, 10),
      fakeLoader(30, 10),
      {
        ...quiet,
        numEpochs: 12,
        lr: 0.8,
      },
    );
    expect(history).toHaveLength(12);
    expect(history.at(-1)?.loss).toBeLessThan((history[0] as EpochRecord).loss / 2);
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.95);
    expect(history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(samplesPerSecond).toBeGreaterThan(0);
    expect(device).toMatchObject({ name: 'cpu', backend: 'cpu-js' });
    const {
      seconds,
      samplesPerSecond: rate,
      samplesPerSecondWithLoading: slower,
    } = history[3] as EpochRecord;
    expect(90 / seconds).toBeLessThanOrEqual(slower);
    expect(slower).toBeLessThanOrEqual(rate);
  });

  it('weighs each sample alike, the last partial batch too', async () => {
    // With a vanishing rate the loss of the epoch is the loss of the net on all 7 samples.
    const net = linearNet();
    const { loss, accuracy, numSamples } = await evaluate(net, fakeLoader(7, 7));
    const { history } = await train(net, fakeLoader(7, 3), fakeLoader(7, 2), {
      ...quiet,
      lr: 1e-12,
    });
    expect(history[0]?.loss).toBeCloseTo(loss, 5);
    expect(history[0]?.trainAcc).toBeCloseTo(accuracy, 6);
    expect(history[0]?.testAcc).toBeCloseTo(accuracy, 6);
    expect(numSamples).toBe(7);
  });

  it("trains on fewer than five batches, where the book's function divides by zero", async () => {
    const { history } = await train(linearNet(), fakeLoader(5, 2), null, quiet);
    expect(history[0]).toMatchObject({ testAcc: null });
    expect(Number.isFinite(history[0]?.loss)).toBe(true);
  });

  it('starts from the weights that the model has', async () => {
    const [together, apart] = [linearNet(), linearNet()];
    await train(together, fakeLoader(9, 3), null, { ...quiet, numEpochs: 2 });
    await train(apart, fakeLoader(9, 3), null, quiet);
    await train(apart, fakeLoader(9, 3), null, quiet);
    expect(weights(apart)).toEqual(weights(together));
  });

  it('gives the same run from the same seed, and another from another', async () => {
    const run = async (seed: number) => {
      const net = tfl.sequential({
        layers: [
          tfl.layers.dropout({ rate: 0.5, inputShape: [4, 4, 1] }),
          ...linearNet().layers.map(freshLike),
        ],
      });
      await train(net, fakeLoader(30, 10), null, { ...quiet, seed, numEpochs: 2 });
      return weights(net);
    };
    const first = await run(5);
    expect(await run(5)).toEqual(first);
    expect(await run(6)).not.toEqual(first);
  });

  it('takes soft labels as it takes class indices', async () => {
    const [hard, soft] = [linearNet(), linearNet()];
    await train(hard, fakeLoader(9, 3), null, quiet);
    await train(soft, fakeLoader(9, 3, { soft: true }), null, quiet);
    expect(weights(soft)).toEqual(weights(hard));
  });

  it('leaves no tensor behind, nor when it fails', async () => {
    const net = book.resnet8({ inputShape: [8, 8, 1], numClasses: 3 });
    const shape: [number, number, number] = [8, 8, 1];
    await expectNoLeak(() =>
      train(net, fakeLoader(8, 3, { shape }), fakeLoader(4, 2, { shape }), { ...quiet, lr: 0.01 }),
    );
    const broken: Callback = {
      onStep: () => {
        throw new Error('stop here');
      },
    };
    await expectNoLeak(() =>
      expect(
        train(net, fakeLoader(8, 3, { shape }), null, { ...quiet, callbacks: [broken] }),
      ).rejects.toThrow('stop here'),
    );
  });

  it('tells its callbacks what happens, in order', async () => {
    const events: string[] = [];
    const watcher: Callback = {
      onTrainBegin: ({ batchSize, numEpochs, numSamples }) =>
        void events.push(`begin ${numSamples}/${batchSize}×${numEpochs}`),
      onStep: ({ epoch, step, numBatches }) =>
        void events.push(`step ${epoch}:${step}/${numBatches}`),
      onEpochEnd: async ({ epoch }) => void events.push(`epoch ${epoch}`),
      onTrainEnd: ({ history }) => void events.push(`end ${history.length}`),
    };
    await train(linearNet(), fakeLoader(4, 2), null, {
      ...quiet,
      numEpochs: 2,
      callbacks: [watcher],
    });
    expect(events).toEqual([
      'begin 4/2×2',
      'step 1:1/2',
      'step 1:2/2',
      'epoch 1',
      'step 2:1/2',
      'step 2:2/2',
      'epoch 2',
      'end 2',
    ]);
  });

  it('says so when the loss is lost', async () => {
    const net = linearNet();
    await expect(
      train(net, fakeLoader(30, 3), null, { ...quiet, lr: 1e38, numEpochs: 3 }),
    ).rejects.toThrow(
      /the loss became (NaN|Infinity) by step \d+ of epoch \d; lower the learning rate, which was 1e\+38/,
    );
  });
});

function freshLike(layer: tfl.layers.Layer): tfl.layers.Layer {
  const config = { ...layer.getConfig(), name: undefined, batchInputShape: undefined } as object;
  return layer.getClassName() === 'Dense'
    ? tfl.layers.dense({ units: 3, kernelInitializer: tfl.initializers.glorotUniform({ seed: 1 }) })
    : tfl.layers.flatten(config);
}

describe('what a person sees', () => {
  const lines: string[] = [];
  beforeEach(() => {
    lines.length = 0;
    vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)));
    return () => vi.restoreAllMocks();
  });

  it("begins with what it will do, and ends with the book's two lines", async () => {
    await train(linearNet(), fakeLoader(6, 2), fakeLoader(6, 2), { numEpochs: 2, lr: 0.1 });
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(
      /^training on cpu: .+ \(it is the current backend of TensorFlow.js\)$/,
    );
    expect(lines[1]).toMatch(
      /^sequential\S* \(51 parameters\), 6 images of 4×4×1, 6 for the test: 2 epochs of 3 steps$/,
    );
    expect(lines[2]).toMatch(
      /^epoch 1\/2 {2}loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3} {2}\(\d+\.\d s\)$/,
    );
    expect(lines[4]).toMatch(/^loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}$/);
    expect(lines[5]).toMatch(/^\d+\.\d examples\/sec on cpu$/);
  });

  it('is nothing at all with progress: false', async () => {
    const written = [vi.spyOn(process.stdout, 'write'), vi.spyOn(process.stderr, 'write')];
    await train(linearNet(), fakeLoader(6, 2), fakeLoader(6, 2), quiet);
    expect(lines).toEqual([]);
    for (const write of written) expect(write).not.toHaveBeenCalled();
  });
});

describe('bad input to train', () => {
  const good = () => fakeLoader(6, 3);
  const changed = (change: Partial<FakeLoader>) => Object.assign(good(), change);
  const cases: [string, () => Promise<unknown>, RegExp][] = [
    [
      'an unknown option',
      () => train(linearNet(), good(), null, { ...quiet, epochs: 3 } as never),
      /train: there is no option "epochs"; did you mean "numEpochs"\?/,
    ],
    [
      'test data with other classes',
      () => {
        const training = changed({ classNames: ['cat', 'dog', 'fox'] });
        return train(linearNet(), training, changed({ classNames: ['cat', 'fox'] }), quiet);
      },
      /got class 1 'dog' in the training data and 'fox' in the test data; pass the training data's names to both: imageFolder\(folder, \{ classNames \}\)/,
    ],
    [
      'evaluation of other classes than those of training',
      async () => {
        const net = linearNet();
        await train(net, changed({ classNames: ['cat', 'dog', 'fox'] }), null, quiet);
        return evaluate(net, changed({ classNames: ['cat', 'fox'] }));
      },
      /evaluate: expected data with the training data's classes, got class 1 'dog' in the training data and 'fox' in the data;/,
    ],
    [
      'the worst samples of other classes than those of training',
      async () => {
        const net = linearNet();
        await train(net, changed({ classNames: ['cat', 'dog', 'fox'] }), null, quiet);
        return topLosses(net, changed({ classNames: ['dog', 'cat', 'fox'] }), 1);
      },
      /topLosses: expected data with the training data's classes, got class 0 'cat' in the training data and 'dog' in the data;/,
    ],
    [
      'a negative learning rate',
      () => train(linearNet(), good(), null, { ...quiet, lr: -0.1 }),
      /option "lr" must be a number above 0, got -0.1/,
    ],
    [
      'a learning rate that is no number',
      () => train(linearNet(), good(), null, { ...quiet, lr: '0.1' as never }),
      /option "lr" must be a number above 0, got '0.1'/,
    ],
    [
      'a schedule that stops',
      () => train(linearNet(), good(), null, { ...quiet, lr: () => 0 }),
      /option "lr" must give a number above 0 for each epoch, got 0 for epoch 1/,
    ],
    [
      'no learning rate',
      () => train(linearNet(), good(), null, { numEpochs: 1 } as never),
      /option "lr" must be a number above 0, got undefined/,
    ],
    [
      'half an epoch',
      () => train(linearNet(), good(), null, { ...quiet, numEpochs: 0.5 }),
      /"numEpochs" must be an integer of at least 1, got 0.5/,
    ],
    [
      'a device by name',
      () => train(linearNet(), good(), null, { ...quiet, device: 'cuda:0' as never }),
      /"device" must be a device, such as tryGpu\(\) gives, got 'cuda:0'/,
    ],
    [
      'callbacks that are none',
      () => train(linearNet(), good(), null, { ...quiet, callbacks: ['save'] as never }),
      /"callbacks.0" must be an object with callbacks, got 'save'/,
    ],
    [
      'images of another shape',
      () => train(linearNet(), fakeLoader(6, 3, { shape: [5, 4, 1] }), null, quiet),
      /the model takes images of \[4, 4, 1\], the loader gives \[5, 4, 1\]; build the model with that inputShape, or resize/,
    ],
    [
      'test images of another shape',
      () => train(linearNet(), good(), fakeLoader(6, 3, { shape: [5, 4, 1] }), quiet),
      /the loader gives \[5, 4, 1\]/,
    ],
    [
      'more classes than outputs',
      () => train(linearNet(), changed({ numClasses: 4 }), null, quiet),
      /the loader has 4 classes, the model's output 3; build it with numClasses: 4/,
    ],
    [
      'more class names than outputs',
      () => train(linearNet(), changed({ classNames: ['a', 'b', 'c', 'd'] }), null, quiet),
      /the loader has 4 classes/,
    ],
    [
      'a loader that is none',
      () => train(linearNet(), [1, 2] as never, null, quiet),
      /expected a loader, an async iterable of \{ features, labels \}, got \[1, 2\]/,
    ],
    [
      'a loader without a batch size',
      () => train(linearNet(), changed({ batchSize: 0 }), null, quiet),
      /expected a loader with "batchSize" of at least 1, got 0/,
    ],
    [
      'an empty loader',
      () =>
        train(
          linearNet(),
          changed({ [Symbol.asyncIterator]: async function* () {} } as never),
          null,
          quiet,
        ),
      /the training loader gave no batch; expected 2/,
    ],
  ];

  it.each(cases)('%s', async (_, act, message) => {
    const before = tf.memory().numTensors;
    const made = act();
    await expect(made).rejects.toThrow(message);
    expect(tf.memory().numTensors - before).toBeLessThanOrEqual(2); // the two weights of the net that the case built
  });

  const batchOf = (features: () => tf.Tensor, labels: () => tf.Tensor) =>
    changed({
      async *[Symbol.asyncIterator]() {
        yield { features: features(), labels: labels() };
      },
    });
  const images = () => tf.zeros([2, 4, 4, 1]);
  const batches: [string, () => FakeLoader, RegExp][] = [
    [
      'a label outside the classes',
      () => batchOf(images, () => tf.tensor1d([1, 3], 'int32')),
      /expected labels from 0 to 2, the model's classes, got 3 for sample 1/,
    ],
    [
      'a negative label',
      () => batchOf(images, () => tf.tensor1d([-1, 2], 'int32')),
      /got -1 for sample 0/,
    ],
    [
      'labels of another length',
      () => batchOf(images, () => tf.tensor1d([1], 'int32')),
      /expected labels of \[2\], got \[1\]/,
    ],
    [
      'soft labels of another width',
      () => batchOf(images, () => tf.zeros([2, 4])),
      /expected labels of \[2, 3\], got \[2, 4\]/,
    ],
    [
      'images of integers',
      () =>
        batchOf(
          () => tf.zeros([2, 4, 4, 1], 'int32'),
          () => tf.tensor1d([1, 2], 'int32'),
        ),
      /expected features of float32, got int32; cast them/,
    ],
    [
      'a batch that is none',
      () =>
        batchOf(
          () => 3 as never,
          () => 4 as never,
        ),
      /expected batches of \{ features, labels \}, each .*, got features 3 and labels 4/,
    ],
    [
      'a batch without features',
      () =>
        batchOf(
          () => undefined as never,
          () => tf.tensor1d([1, 2], 'int32'),
        ),
      /expected batches of \{ features, labels \}, each .*, got features undefined/,
    ],
  ];
  it.each(batches)('%s', async (_, loader, message) => {
    const net = linearNet();
    const before = weights(net);
    await expect(train(net, loader(), null, quiet)).rejects.toThrow(message);
    await expect(evaluate(net, loader())).rejects.toThrow(message);
    expect(weights(net)).toEqual(before);
  });
});

describe('predict', () => {
  it('gives the logits of a batch, and of all batches of a loader', async () => {
    const net = linearNet();
    const [{ features }] = await take(fakeLoader(7, 7));
    const whole = await predict(net, features);
    const parts = await predict(net, fakeLoader(7, 3));
    expect(whole.shape).toEqual([7, 3]);
    expect(tf.max(tf.abs(tf.sub(parts, whole))).dataSync()[0]).toBeLessThan(1e-5);
    expect(features.isDisposed).toBe(false);
  });

  it('refuses images that the net cannot take', async () => {
    await expect(predict(linearNet(), tf.zeros([2, 5, 4, 1]))).rejects.toThrow(
      /the model takes images of \[4, 4, 1\]/,
    );
  });

  it('leaves only what it gives', async () => {
    const net = linearNet();
    const features = tf.zeros([2, 4, 4, 1]);
    await expectNoLeak(async () => (await predict(net, features)).dispose());
    await expectNoLeak(async () => (await predict(net, fakeLoader(7, 3))).dispose());
  });
});

async function take(loader: FakeLoader) {
  const batches = [];
  for await (const batch of loader) batches.push(batch);
  return batches as [{ features: tf.Tensor; labels: tf.Tensor }];
}

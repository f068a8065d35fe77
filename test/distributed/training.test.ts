/** Training on many devices beside one that has the whole batch. */
import '../helpers/software-gpu';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Loss } from '@deepend/compiler';
import { arrayDataset, DataLoader } from '@deepend/data';
import { type Device, device } from '@deepend/device';
import { book } from '@deepend/models';
import { groupedConv2d } from '@deepend/nn';
import { crossEntropy } from '@deepend/optim';
import {
  type Callback,
  checkpoints,
  type RunInfo,
  type TrainOptions,
  throughputLine,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type TestBackend, testBackend } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { isFull, rowsOf } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader } from '../helpers/loaders';

const others: readonly TestBackend[] = await Promise.all(
  (['cpu-js', 'wasm'] as const).map(testBackend),
);
let simd: Device;
beforeAll(async () => {
  simd = await device('simd');
});
const many = (count: number) => new Array<Device>(count).fill(simd);

const init = (seed: number) => tfl.initializers.glorotUniform({ seed });
const SHAPE: [number, number, number] = [6, 6, 1];

/** A convolution, whatever else, and a linear layer. */
const netWith = (...layers: tfl.layers.Layer[]) =>
  tfl.sequential({
    name: 'small',
    layers: [
      tfl.layers.conv2d({
        name: 'conv',
        filters: 4,
        kernelSize: 3,
        inputShape: SHAPE,
        activation: 'relu',
        kernelInitializer: init(1),
      }),
      ...layers,
      tfl.layers.flatten(),
      tfl.layers.dense({ name: 'dense', units: 3, kernelInitializer: init(2) }),
    ],
  });
const plainNet = () => netWith();
const normNet = () => netWith(tfl.layers.batchNormalization({ momentum: 0.9, epsilon: 1e-5 }));
const dropoutNet = () => netWith(tfl.layers.dropout({ rate: 0.5 }));

const numbers = (net: tfl.LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);
const largestDifference = (a: tfl.LayersModel, b: tfl.LayersModel) => {
  const [first, second] = [numbers(a).flat(), numbers(b).flat()];
  return Math.max(...first.map((value, i) => Math.abs(value - (second[i] as number))));
};
const base = { numEpochs: 2, lr: 0.1, seed: 3, progress: false } as const;
const momentum = { optimizer: { name: 'sgd', momentum: 0.9, weightDecay: 1e-3 } } as const;
const losses = ({ history }: { history: readonly { loss: number; testLoss: number | null }[] }) =>
  history.flatMap(({ loss, testLoss }) => [loss, testLoss ?? 0]);

/** 21 samples in batches of 8: the last one is of 5. */
const loaderOf = (options: { soft?: boolean; count?: number } = {}) =>
  fakeLoader(options.count ?? 21, 8, { shape: SHAPE, ...options });

interface Case {
  readonly make?: () => tfl.LayersModel;
  readonly options?: Partial<TrainOptions>;
  readonly soft?: boolean;
  readonly count?: number;
  readonly devices?: number;
}

/** Any function of outputs and labels will do, one that a thread could not be sent too. */
const seen: number[] = [];
const own: Loss<null> = (outputs, labels) => {
  seen.push(outputs.shape[0]);
  const { loss, dLogits, correct } = crossEntropy()(outputs, labels);
  correct?.dispose();
  return { loss, dLogits, correct: null };
};

const CASES: Record<string, Case> = {
  'two devices, momentum': { options: momentum },
  'three devices, momentum': { options: momentum, devices: 3 },
  'two devices, AdamW': { options: { lr: 0.01, optimizer: 'adamw' } },
  'three devices, AdamW': { options: { lr: 0.01, optimizer: 'adamw' }, devices: 3 },
  'a last batch with a sample for the first device alone': { count: 17, devices: 3 },
  'soft labels': { soft: true },
  'smoothed labels': { options: { loss: crossEntropy({ labelSmoothing: 0.1 }) } },
  'class weights, whose mean is of the whole batch': {
    options: { loss: crossEntropy({ classWeights: [1, 5, 0.1] }) },
  },
  "a loss of one's own": { options: { loss: own } },
  'accumulated gradients': { options: { ...momentum, gradientAccumulationSteps: 2 } },
  'clipped gradients and averaged weights': {
    options: { ...momentum, clipNorm: 0.1, clipValue: 0.05, emaDecay: 0.9 },
  },
};

/** Each optimizer, an uneven last batch, a loss that a thread could not get, and all settings. */
const REPRESENTATIVE = [
  'three devices, AdamW',
  'a last batch with a sample for the first device alone',
  'class weights, whose mean is of the whole batch',
  "a loss of one's own",
  'clipped gradients and averaged weights',
];

describe('losses and weights are those of one device', () => {
  it.each(rowsOf(Object.entries(CASES), ([name]) => REPRESENTATIVE.includes(name)))(
    '%s',
    async (_, { make = plainNet, options = {}, devices = 2, ...data }) => {
      const [whole, parted] = [make(), make()];
      const expected = await train(whole, loaderOf(data), loaderOf(), { ...base, ...options });
      const got = await train(parted, loaderOf(data), loaderOf(), {
        ...base,
        ...options,
        devices: many(devices),
      });
      losses(got).forEach((loss, i) => {
        expect(Math.abs(loss - (losses(expected)[i] as number))).toBeLessThan(1e-5);
      });
      expect(got.history.map(({ trainAcc, testAcc }) => [trainAcc, testAcc])).toEqual(
        expected.history.map(({ trainAcc, testAcc }) => [trainAcc, testAcc]),
      );
      expect(largestDifference(whole, parted)).toBeLessThan(1e-5);
      expect(largestDifference(whole, make())).toBeGreaterThan(1e-3); // both have learned
    },
  );

  it('and the loss has seen whole batches', () => {
    expect(new Set(seen)).toEqual(new Set([8, 5])); // one device's and two devices' alike
  });

  for (const { name, absent, title } of others) {
    it.skipIf(absent !== undefined)(
      `simd beside ${title}${absent ? '; npm run peers installs what there is' : ''}`,
      async () => {
        const [whole, parted] = [plainNet(), plainNet()];
        const other: Device = {
          name: name === 'webgpu' ? 'webgpu:0' : 'cpu',
          backend: name,
          hardware: '',
          why: '',
        };
        await train(whole, loaderOf(), null, { ...base, ...momentum, device: simd });
        await train(parted, loaderOf(), null, { ...base, ...momentum, devices: [simd, other] });
        expect(largestDifference(whole, parted)).toBeLessThan(1e-5);
      },
    );
  }

  it("layers that tfjs doesn't have, nets in the net, frozen ones, normalization by constants", async () => {
    const make = () => {
      const inner = tfl.sequential({
        name: 'inner',
        layers: [tfl.layers.batchNormalization({ inputShape: [4, 4, 4] })],
      });
      const grouped = { filters: 4, kernelSize: 3, kernelInitializer: init(4) };
      const net = netWith(
        inner,
        groupedConv2d({ ...grouped, groups: 2, name: 'learns' }),
        tfl.layers.batchNormalization({ trainable: false }),
        tfl.layers.conv2d({
          filters: 4,
          kernelSize: 1,
          trainable: false,
          kernelInitializer: init(5),
        }),
      );
      inner.trainable = false;
      return net;
    };
    const [whole, parted, untrained] = [make(), make(), make()];
    const frozen = whole.layers.filter(({ trainable }) => !trainable);
    expect(frozen).toHaveLength(3);
    await train(whole, loaderOf(), null, { ...base, ...momentum });
    await train(parted, loaderOf(), null, { ...base, ...momentum, devices: many(2) });
    expect(largestDifference(whole, parted)).toBeLessThan(1e-5);
    expect(largestDifference(whole, untrained)).toBeGreaterThan(1e-3);
  });
});

describe('the same run twice', () => {
  const run = async (make: () => tfl.LayersModel, seed: number) => {
    const net = make();
    await train(net, loaderOf(), null, { ...base, ...momentum, seed, devices: many(3) });
    return numbers(net);
  };
  const NETS = Object.entries({ dropoutNet, normNet });
  it.each(rowsOf(NETS, ([name]) => name === 'dropoutNet'))(
    'has the same bits: %s',
    async (_, make) => {
      expect(await run(make, 1)).toEqual(await run(make, 1));
    },
  );
  if (isFull)
    it('draws other numbers from another seed', async () => {
      expect(await run(dropoutNet, 1)).not.toEqual(await run(dropoutNet, 2));
    });
});

describe('batch normalization', () => {
  it("moves its statistics by the mean of the devices' parts, by samples", async () => {
    const make = () =>
      tfl.sequential({
        layers: [
          tfl.layers.flatten({ inputShape: [2, 1, 1] }),
          tfl.layers.batchNormalization({ momentum: 0.9 }),
          tfl.layers.dense({ units: 3, kernelInitializer: init(1) }),
        ],
      });
    const values = [0.1, 0.9, 0.4, 0.2, 0.8, 0.3, 0.5, 0.7, 0.6, 0.25]; // [5, 2]
    const loader = {
      ...{ numSamples: 5, numBatches: 1, batchSize: 5 },
      async *[Symbol.asyncIterator]() {
        yield {
          features: tf.tensor4d(values, [5, 2, 1, 1]),
          labels: tf.tensor1d([0, 1, 2, 0, 1], 'int32'),
        };
      },
    };
    const net = make();
    await train(net, loader, null, { ...base, numEpochs: 1, devices: many(2) });
    const moments = (rows: number[]) => {
      const mean = rows.reduce((sum, x) => sum + x, 0) / rows.length;
      return [mean, rows.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (rows.length - 1)] as const;
    };
    const column = (c: number) => values.filter((_, i) => i % 2 === c);
    const expected = [0, 1].map((c) => {
      const [first, second] = [moments(column(c).slice(0, 3)), moments(column(c).slice(3))];
      return [0, 1].map((k) => (3 * (first[k] as number) + 2 * (second[k] as number)) / 5);
    });
    const [, , mean, variance] =
      net.layers[1]?.getWeights().map((weight) => weight.dataSync()) ?? [];
    [0, 1].forEach((c) => {
      expect(mean?.[c]).toBeCloseTo(0.1 * (expected[c]?.[0] as number), 6);
      expect(variance?.[c]).toBeCloseTo(0.9 + 0.1 * (expected[c]?.[1] as number), 6);
    });
  });

  it('learns in parts', async () => {
    const net = book.resnet8({ inputShape: [12, 12, 1], numClasses: 3, seed: 1 });
    const loader = () => fakeLoader(48, 16, { shape: [12, 12, 1] });
    const { history } = await train(net, loader(), loader(), {
      ...base,
      numEpochs: 10,
      lr: 0.05,
      devices: many(2),
    });
    expect(history.at(-1)?.loss).toBeLessThan((history[0]?.loss as number) / 2);
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.9);
  });
});

describe('going on', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  });
  beforeEach(() => fs.emptyDir(dir));
  afterAll(() => fs.remove(dir));

  const images = Uint8Array.from(mix(24 * 36, 'pictures'), (value) => 255 * value);
  const labels = Uint8Array.from({ length: 24 }, (_, i) => (7 * i + 1) % 3);
  const loader = () =>
    new DataLoader(arrayDataset({ images, labels, imageShape: SHAPE }), {
      batchSize: 8,
      shuffle: true,
      seed: 4,
      workers: 0,
    });
  const make = () =>
    netWith(tfl.layers.batchNormalization({ name: 'bn' }), tfl.layers.dropout({ rate: 0.3 }));
  const options = (more: Partial<TrainOptions> = {}): TrainOptions => ({
    ...{ ...base, numEpochs: 3, lr: 0.01, optimizer: 'adamw', emaDecay: 0.9, devices: many(2) },
    ...more,
  });

  it('in the middle of an epoch, bit for bit', async () => {
    const whole = make();
    await train(whole, loader(), null, options());
    const breaks: Callback = {
      onStep: ({ globalStep }) => {
        if (globalStep === 5) throw new Error('pulled the plug');
      },
    };
    const callbacks = [checkpoints(dir, { everySteps: 1 }), breaks];
    await expect(train(make(), loader(), null, options({ callbacks }))).rejects.toThrow(
      'pulled the plug',
    );
    const later = make();
    await train(later, loader(), null, options({ resume: dir }));
    expect(numbers(later)).toEqual(numbers(whole));
  });

  it('on another number of devices', async () => {
    await train(make(), loader(), null, options({ numEpochs: 1, callbacks: [checkpoints(dir)] }));
    const { history } = await train(
      make(),
      loader(),
      null,
      options({ resume: dir, devices: many(1) }),
    );
    expect(history).toHaveLength(3);
  });
});

describe('what a run tells', () => {
  it('names the first device, all of them, and the throughput on them', async () => {
    let about: RunInfo | undefined;
    const onTrainBegin = (info: RunInfo) => {
      about = info;
    };
    const result = await train(plainNet(), loaderOf(), null, {
      ...base,
      devices: many(2),
      callbacks: [{ onTrainBegin }],
    });
    expect(about).toMatchObject({ device: simd, devices: [simd, simd] });
    expect(result).toMatchObject({ device: simd, devices: [simd, simd] });
    const [a, b] = [0, 1].map((i) => ({ ...simd, name: `cuda:${i}` }) as Device) as [
      Device,
      Device,
    ];
    expect(throughputLine({ samplesPerSecond: 5032.71, device: a, devices: [a, b] })).toBe(
      '5032.7 examples/sec on [cuda:0, cuda:1]',
    );
  });

  it('of one device is what it ever was', async () => {
    const [one, listed] = [plainNet(), plainNet()];
    await train(one, loaderOf(), null, { ...base, device: simd });
    const result = await train(listed, loaderOf(), null, { ...base, devices: [simd] });
    expect(numbers(listed)).toEqual(numbers(one));
    expect(result.device).toEqual(simd);
    expect(result).not.toHaveProperty('devices');
  });
});

describe('refused before work starts', () => {
  const gpu = (i: number): Device => ({
    name: `cuda:${i}`,
    backend: 'tensorflow',
    hardware: 'a GPU',
    why: '',
  });
  const REFUSED: Record<string, [options: () => object, message: RegExp]> = {
    'no device': [
      () => ({ devices: [] }),
      /option "devices" must have at least one device, got none; tryAllGpus\(\)/,
    ],
    'no list': [() => ({ devices: simd }), /option "devices" must be a list of devices/],
    'no device in the list': [
      () => ({ devices: ['cuda:0'] }),
      /a device, such as tryGpu\(\) gives/,
    ],
    'both options': [
      () => ({ device: simd, devices: many(2) }),
      /expected "device" or "devices", got both/,
    ],
    'an unknown backend': [
      () => ({ devices: [simd, { ...simd, backend: 'smd' }] }),
      /got 'smd'; did you mean 'simd'\?/,
    ],
    'a GPU twice': [() => ({ devices: [simd, gpu(1), gpu(1)] }), /each GPU once, got cuda:1 twice/],
    'several GPUs in one process': [
      () => ({ devices: [gpu(0), gpu(1)] }),
      /got cuda:1, which needs a process of its own; .*mpirun -n 2 node script.js/,
    ],
    'compression without ranks': [
      () => ({ devices: many(2), compression: 'float16' }),
      /"compression" must be left out with many devices of one process/,
    ],
    'an unknown compression': [
      () => ({ compression: 'float8' }),
      /option "compression" must be one of 'none', 'float16', got 'float8'/,
    ],
    'normalization over all of them': [
      () => ({ devices: many(2), syncBatchNorm: true }),
      /"syncBatchNorm" is for several processes \(mpirun\), got 2 devices in one/,
    ],
    'parts of parts': [
      () => ({ devices: many(2), microBatch: 2 }),
      /"microBatch" must be left out with many devices, got 2/,
    ],
  };
  it.each(Object.entries(REFUSED))('%s', async (_, [options, message]) => {
    const loader = loaderOf();
    const attempt = train(plainNet(), loader, null, { ...base, ...options() } as TrainOptions);
    await expect(attempt).rejects.toThrow(message);
    expect(loader.loops).toBe(0);
  });

  it('a layer that other threads do not know', async () => {
    class Doubled extends tfl.layers.Layer {
      static className = 'Doubled';
      override call(inputs: tf.Tensor | tf.Tensor[]) {
        return tf.mul(Array.isArray(inputs) ? (inputs[0] as tf.Tensor) : inputs, 2);
      }
    }
    tf.serialization.registerClass(Doubled);
    const attempt = train(netWith(new Doubled({})), loaderOf(), null, {
      ...base,
      devices: many(2),
    });
    await expect(attempt).rejects.toThrow(
      /device 2 of 2, cpu \(simd\): the model has layers of the class Doubled/,
    );
  });
});

it('leaves no tensor, whether it ends well or not', async () => {
  const net = normNet();
  await expectNoLeak(() =>
    train(net, loaderOf(), null, { ...base, ...momentum, emaDecay: 0.9, devices: many(2) }),
  );
  const fails: Loss<null> = () => {
    throw new Error('no loss');
  };
  await expectNoLeak(async () => {
    await expect(
      train(net, loaderOf(), null, { ...base, loss: fails, devices: many(2) }),
    ).rejects.toThrow('no loss');
  });
});

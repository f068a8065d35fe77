/** `nn.Module`s in `train` and its siblings: what an eager model may do, and what is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadModule, loadWeights, saveModel } from '@deepend/models';
import * as nn from '@deepend/nn';
import { meanSquaredError } from '@deepend/optim';
import {
  type AnyLoader,
  checkpoints,
  evaluate,
  lrFind,
  predict,
  stopOnNaN,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';

const quiet = { numEpochs: 2, lr: 0.1, progress: false } as const;

class Perceptron extends nn.Module {
  readonly hidden;
  readonly out;
  readonly inputs: number;

  constructor(inputs = 4, seed = 1) {
    super();
    this.inputs = inputs;
    this.hidden = nn.parameter([inputs, 8], { init: 'xavier-uniform', seed });
    this.out = nn.parameter([8, 3], { init: 'xavier-uniform', seed: seed + 1 });
  }

  override config() {
    return [this.inputs];
  }

  forward(x: tf.Tensor2D): tf.Tensor {
    return tf.matMul(tf.relu(tf.matMul(x, this.hidden)), this.out as tf.Tensor2D);
  }
}

/** Two classes' worth of points in four dimensions: learnable, and the same every time. */
function points({
  count = 64,
  batchSize = 16,
  make = (x: tf.Tensor): unknown => x,
} = {}): AnyLoader {
  const values = Array.from({ length: count * 4 }, (_, i) => Math.sin(i * 12.9898) * 2);
  const labels = Array.from({ length: count }, (_, i) => ((values[4 * i] ?? 0) > 0 ? 1 : 0));
  return {
    numSamples: count,
    batchSize,
    numBatches: Math.ceil(count / batchSize),
    async *[Symbol.asyncIterator]() {
      for (let at = 0; at < count; at += batchSize) {
        const x = tf.tensor2d(values.slice(4 * at, 4 * (at + batchSize)), [batchSize, 4]);
        yield {
          features: make(x) as tf.Tensor,
          labels: tf.tensor1d(labels.slice(at, at + batchSize), 'int32'),
        };
      }
    },
    state: () => ({}),
    restore: () => {},
  };
}

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await mkdtemp(path.join(tmpdir(), 'modules-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

describe('a module', () => {
  let net: Perceptron;
  beforeEach(() => {
    net = new Perceptron();
  });
  afterEach(() => net.dispose());

  it('learns, and its history has what was computed', async () => {
    const { history } = await train(net, points(), points(), { ...quiet, numEpochs: 20 });
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.9);
    expect(history.at(-1)?.loss).toBeLessThan((history[0]?.loss ?? 0) / 2);
  });

  it('takes the steps of a compiled model: gradients of the same loss', async () => {
    const x = tf.randomNormal<tf.Rank.R2>([16, 4], 0, 1, 'float32', 3);
    const y = tf.tensor1d(
      Array.from({ length: 16 }, (_, i) => i % 3),
      'int32',
    );
    const variables = net.parameters();
    const { grads } = tf.variableGrads(() => {
      const oneHot = tf.oneHot(y, 3);
      return tf.losses.softmaxCrossEntropy(oneHot, net.forward(x)) as tf.Scalar;
    }, variables);
    const expected = variables.map((v) => tf.sub(v, tf.mul(grads[v.name] as tf.Tensor, 0.5)));
    const loader: AnyLoader = {
      ...points(),
      numSamples: 16,
      numBatches: 1,
      async *[Symbol.asyncIterator]() {
        yield { features: x.clone(), labels: y.clone() };
      },
    };
    await train(net, loader, null, { ...quiet, numEpochs: 1, lr: 0.5 });
    variables.forEach((variable, i) => {
      const difference = tf.max(tf.abs(tf.sub(variable, expected[i] as tf.Tensor)));
      expect(difference.dataSync()[0]).toBeLessThan(1e-6);
    });
  });

  it('leaves no tensor behind in a step, an evaluation or a prediction', async () => {
    await train(net, points(), points(), quiet);
    const before = tf.memory().numTensors;
    await train(net, points(), points(), quiet);
    await evaluate(net, points());
    tf.dispose((await predict(net, points())) as tf.Tensor);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('predicts what forward gives, and evaluates it', async () => {
    const x = tf.randomNormal<tf.Rank.R2>([5, 4]);
    const given = (await predict(net, x)) as tf.Tensor;
    expect([...given.dataSync()]).toEqual([...net.forward(x).dataSync()]);
    expect((await evaluate(net, points())).accuracy).toBeLessThanOrEqual(1);
  });

  it('resumes bit for bit, Adam, EMA and clipping included', async () => {
    const options = {
      ...quiet,
      numEpochs: 4,
      optimizer: 'adam',
      emaDecay: 0.9,
      clipNorm: 0.5,
      lr: 0.01,
    } as const;
    await train(net, points(), null, options);
    const whole = [...net.getWeights().map((w) => [...w.dataSync()])];
    const folder = path.join(dir, 'resumed');
    const first = new Perceptron();
    await train(first, points(), null, {
      ...options,
      callbacks: [
        checkpoints(folder),
        {
          onEpochEnd: ({ epoch }) => {
            if (epoch === 2) throw new Error('killed');
          },
        },
      ],
    }).catch(() => {});
    const again = new Perceptron(4, 77);
    await train(again, points(), null, { ...options, resume: folder });
    expect(again.getWeights().map((w) => [...w.dataSync()])).toEqual(whole);
    first.dispose();
    again.dispose();
  });

  it('averages the statistics of batch normalization, but not its counter of batches', async () => {
    class Normed extends nn.Module {
      readonly norm = new nn.BatchNorm1d(4);
      readonly out = new nn.Linear(4, 3, { seed: 4 });
      forward(x: tf.Tensor) {
        return this.out.forward(this.norm.forward(x));
      }
    }
    const normed = new Normed();
    const before = tf.memory().numTensors;
    const { history } = await train(normed, points(), points(), { ...quiet, emaDecay: 0.5 });
    expect(history.at(-1)?.testLoss).toBeLessThan(2);
    const counter = normed.namedBuffers().find(([name]) => name === 'norm.num_batches_tracked');
    expect(counter?.[1].dataSync()[0]).toBe(8); // steps
    expect(tf.memory().numTensors).toBe(before);
    normed.dispose();
  });

  it('finds a learning rate and keeps its weights', async () => {
    const before = net.getWeights().map((w) => [...w.dataSync()]);
    const { lrs } = await lrFind(net, points(), { steps: 12 });
    expect(lrs.length).toBeGreaterThan(3);
    expect(net.getWeights().map((w) => [...w.dataSync()])).toEqual(before);
  });

  it('is saved and loaded, by its class or by its weights', async () => {
    const folder = path.join(dir, 'saved');
    await saveModel(net, folder);
    const again = await loadModule(folder, { Perceptron });
    const other = new Perceptron(4, 9);
    await loadWeights(other, path.join(folder, 'weights.safetensors'));
    for (const loaded of [again, other])
      expect(loaded.getWeights().map((w) => [...w.dataSync()])).toEqual(
        net.getWeights().map((w) => [...w.dataSync()]),
      );
    await expect(loadModule(folder, {})).rejects.toThrow(/pass its class/);
    again.dispose();
    other.dispose();
  });

  it('is named where a number is not finite', async () => {
    net.out.assign(tf.fill([8, 3], Number.POSITIVE_INFINITY));
    await expect(
      train(net, points(), null, { ...quiet, callbacks: [stopOnNaN()] }),
    ).rejects.toThrow(/the weights of 'out' became not finite/);
  });
});

describe('features and labels of other structures', () => {
  class TwoInputs extends nn.Module {
    readonly weight = nn.parameter([4, 3], { seed: 1 });
    forward(inputs: { left: tf.Tensor2D; right: tf.Tensor2D }) {
      return tf.matMul(tf.add(inputs.left, inputs.right), this.weight as tf.Tensor2D);
    }
  }
  class Listed extends TwoInputs {
    override forward(left: unknown, right?: tf.Tensor2D) {
      return super.forward({ left: left as tf.Tensor2D, right: right as tf.Tensor2D });
    }
  }
  const record = (x: tf.Tensor) => ({ left: x, right: tf.mul(x, 2) });
  const list = (x: tf.Tensor) => [x, tf.mul(x, 2)];

  it.each([
    ['a record is one argument of forward', TwoInputs, record],
    ['a list is its arguments', Listed, list],
  ] as const)('%s', async (_, Class, make) => {
    const net = new Class();
    const before = tf.memory().numTensors;
    const { history } = await train(net, points({ make }), points({ make }), quiet);
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.5);
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
  });

  it('inputs of two batch sizes are refused, with their shapes', async () => {
    const net = new TwoInputs();
    const make = (x: tf.Tensor) => ({ left: x, right: tf.slice(x, [0, 0], [3, 4]) });
    await expect(train(net, points({ make }), null, quiet)).rejects.toThrow(
      /same number of samples in front, got left \[16, 4\] and right \[3, 4\]/,
    );
    net.dispose();
  });
});

describe('what is refused or warned of', () => {
  const rows: [string, (net: Perceptron) => void, RegExp][] = [
    [
      'a disposed output',
      (net) => {
        net.forward = () => {
          const y = tf.zeros([16, 3]);
          y.dispose();
          return y;
        };
      },
      /returned a tensor that is disposed/,
    ],
    [
      'an output that is no tensor',
      (net) => {
        net.forward = () => 3 as never;
      },
      /expected a tensor, a list or a record of tensors, got 3/,
    ],
    [
      'a parameter that forward makes',
      (net) => {
        const { forward } = net;
        net.forward = (x) => {
          Object.assign(net, { extra: nn.parameter([1]) });
          return forward.call(net, x);
        };
      },
      /forward made a new parameter, extra/,
    ],
    ['a parameter that became a number', (net) => Object.assign(net, { out: 3 }), /out/],
  ];
  it.each(rows)('%s', async (_, change, message) => {
    const net = new Perceptron();
    net.parameters(); // the module has been seen as it was
    change(net);
    await expect(train(net, points(), null, quiet)).rejects.toThrow(message);
  });

  it('a parameter that the loss does not depend on is named once', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    const net = Object.assign(new Perceptron(), { idle: nn.parameter([2]) });
    await train(net, points(), null, quiet);
    expect(warn.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/the loss does not depend on idle/),
    ]);
  });

  it('several devices', async () => {
    const net = new Perceptron();
    const devices = [0, 1].map(() => ({ name: 'cpu', backend: 'simd', hardware: '', why: '' }));
    await expect(
      train(net, points(), null, { ...quiet, devices: devices as never }),
    ).rejects.toThrow(/several devices train a tf.LayersModel/);
  });

  it('another loss than classes: a number for each sample', async () => {
    class Line extends nn.Module {
      readonly slope = nn.parameter([4, 1], { seed: 2 });
      forward(x: tf.Tensor2D) {
        return tf.matMul(x, this.slope as tf.Tensor2D);
      }
    }
    const net = new Line();
    const loader = points();
    const numbers: AnyLoader = {
      ...loader,
      async *[Symbol.asyncIterator]() {
        for await (const { features, labels } of loader) {
          const floats = tf.cast(labels as tf.Tensor, 'float32');
          tf.dispose(labels as tf.Tensor);
          yield { features, labels: floats };
        }
      },
    };
    const { history } = await train(net, numbers, null, { ...quiet, loss: meanSquaredError() });
    expect(history[1]?.loss).toBeLessThan(history[0]?.loss ?? 0);
    net.dispose();
  });
});

describe('a state that passes from batch to batch', () => {
  /** Sums the features over all batches of a sequence; its weight learns nothing of the past. */
  class RunningSum extends nn.Module {
    readonly weight = nn.parameter([4, 3], { seed: 3 });
    readonly seen: (number | undefined)[] = [];

    forward(x: tf.Tensor2D, state?: readonly [tf.Tensor2D, { steps: tf.Tensor }]) {
      this.seen.push(state?.[1].steps.dataSync()[0]);
      const sum = state ? tf.add(x, tf.mul(state[0], 0.5)) : x;
      const steps = state ? tf.add(state[1].steps, 1) : tf.scalar(1);
      return [tf.matMul(sum as tf.Tensor2D, this.weight as tf.Tensor2D), [sum, { steps }]];
    }
  }
  const carry = { ...quiet, carryState: true } as const;

  it('begins with each epoch, evaluation and marked batch', async () => {
    const net = new RunningSum();
    const plain = points();
    const marked: AnyLoader = {
      ...plain,
      async *[Symbol.asyncIterator]() {
        let index = 0;
        for await (const batch of plain) yield { ...batch, isNewSequence: index++ === 2 };
      },
    };
    const before = tf.memory().numTensors;
    await train(net, marked, points(), carry);
    const epoch = [undefined, 1, undefined, 1, undefined, 1, 2, 3];
    expect(net.seen).toEqual([...epoch, ...epoch]);
    expect(tf.memory().numTensors).toBe(before);
    net.dispose();
  });

  it('is restored within an epoch, bit for bit', async () => {
    const [whole, first, again] = [new RunningSum(), new RunningSum(), new RunningSum()];
    await train(whole, points(), null, carry);
    const folder = path.join(dir, 'carried');
    const stop = {
      onStep: ({ globalStep }: { globalStep: number }) => {
        if (globalStep === 6) throw new Error('killed');
      },
    };
    const everyStep = checkpoints(folder, { everySteps: 1 });
    await train(first, countedPoints(), null, { ...carry, callbacks: [everyStep, stop] }).catch(
      () => {},
    );
    await train(again, countedPoints(), null, { ...carry, resume: folder });
    expect(again.seen[0]).toBe(2); // the second epoch's third batch
    expect([...again.weight.dataSync()]).toEqual([...whole.weight.dataSync()]);
  });

  it('needs a module that returns it, and whole batches', async () => {
    const net = new Perceptron();
    await expect(train(net, points(), null, carry)).rejects.toThrow(/expected \[outputs, state\]/);
    const parts = { ...carry, microBatch: 4 };
    await expect(train(net, points(), null, parts)).rejects.toThrow(/got microBatch 4/);
  });
});

/** `points` that continue where their state says. */
function countedPoints(): AnyLoader {
  const loader = points();
  let position = 0;
  return {
    ...loader,
    async *[Symbol.asyncIterator]() {
      let index = 0;
      for await (const batch of loader) {
        if (index++ < position) {
          tf.dispose([batch.features, batch.labels] as tf.TensorContainer);
          continue;
        }
        position = index % loader.numBatches;
        yield batch;
      }
    },
    state: () => ({ position }),
    restore: (state) => {
      ({ position } = state as { position: number });
    },
  };
}

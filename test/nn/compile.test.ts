/** `nn.compile`: replayed steps have the bits of eager ones, and what cannot be replayed is named. */
import { CompiledPlan, nextSeed, planOf, type Tensors } from '@deepend/compiler';
import * as nn from '@deepend/nn';
import { crossEntropy, type LossOption, meanSquaredError, toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

class Perceptron extends nn.Module {
  readonly hidden = new nn.Linear(8, 16, { seed: 1 });
  readonly output = new nn.Linear(16, 4, { seed: 2 });

  override forward(x: tf.Tensor): tf.Tensor {
    return this.output.forward(tf.relu(this.hidden.forward(x)));
  }
}

class LeNet extends nn.Module {
  readonly layers = new nn.Sequential(
    new nn.Conv2d(1, 6, 5, { padding: 2, seed: 1 }),
    new nn.BatchNorm2d(6),
    new nn.Sigmoid(),
    new nn.AvgPool2d(2),
    new nn.Conv2d(6, 8, 3, { seed: 2 }),
    new nn.BatchNorm2d(8, { momentum: null }),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.Flatten(),
    new nn.Linear(8 * 4, 4, { seed: 3 }),
  );

  override forward(x: tf.Tensor): tf.Tensor {
    return this.layers.forward(x);
  }
}

class LanguageModel extends nn.Module {
  readonly embedding = new nn.Embedding(12, 6, { seed: 1 });
  readonly gru = new nn.GRU(6, 8, { numLayers: 2, dropout: 0.3, batchFirst: true, seed: 2 });
  readonly output = new nn.Linear(8, 12, { seed: 3 });

  override forward(ids: tf.Tensor, state?: tf.Tensor): [tf.Tensor, tf.Tensor] {
    const [hidden, next] = this.gru.forward(this.embedding.forward(ids), state);
    return [this.output.forward(hidden), next];
  }
}

class Encoder extends nn.Module {
  readonly embedding = new nn.Embedding(12, 8, { seed: 1 });
  readonly encoder = new nn.TransformerEncoder(
    () =>
      new nn.TransformerEncoderLayer(8, 2, {
        dimFeedforward: 16,
        batchFirst: true,
        dropout: 0.2,
        seed: 2,
      }),
    2,
  );
  readonly output = new nn.Linear(8, 12, { seed: 3 });

  override forward(ids: tf.Tensor): tf.Tensor {
    return this.output.forward(
      this.encoder.forward(this.embedding.forward(ids), { isCausal: true }),
    );
  }
}

class TwoInputs extends nn.Module {
  readonly dropout = new nn.Dropout(0.4);
  readonly left = new nn.Linear(3, 5, { seed: 1 });
  readonly right = new nn.Linear(2, 5, { seed: 2 });

  override forward({ a, b }: { a: tf.Tensor; b: tf.Tensor }): Record<string, tf.Tensor> {
    const sum = this.dropout.forward(tf.add(this.left.forward(a), this.right.forward(b)));
    return { sum, product: tf.mul(this.left.forward(a), sum) };
  }
}

// TensorFlow.js takes 0 for no seed.
const floats = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed + 1);
const ids = (shape: number[], below: number, seed: number) =>
  tf.tidy(() => tf.cast(tf.randomUniform(shape, 0, below, 'float32', seed + 1), 'int32'));

interface Case {
  make(): nn.Module;
  features(seed: number, batch?: number): Tensors;
  labels(seed: number, batch?: number): Tensors;
  readonly loss?: LossOption;
  readonly carryState?: boolean;
}

const CASES: Record<string, Case> = {
  MLP: {
    make: () => new Perceptron(),
    features: (seed, batch = 6) => floats([batch, 8], seed),
    labels: (seed, batch = 6) => ids([batch], 4, seed),
  },
  'LeNet with batch normalization': {
    make: () => new LeNet(),
    features: (seed, batch = 4) => floats([batch, 12, 12, 1], seed),
    labels: (seed, batch = 4) => ids([batch], 4, seed),
  },
  'GRU language model, its state carried': {
    make: () => new LanguageModel(),
    features: (seed, batch = 3) => ids([batch, 5], 12, seed),
    labels: (seed, batch = 3) => ids([batch, 5], 12, seed + 100),
    carryState: true,
  },
  'Transformer encoder with dropout': {
    make: () => new Encoder(),
    features: (seed, batch = 3) => ids([batch, 5], 12, seed),
    labels: (seed, batch = 3) => ids([batch, 5], 12, seed + 100),
    loss: crossEntropy({ labelSmoothing: 0.1, ignoreIndex: 3 }),
  },
  'two inputs, two losses, a layer used twice, dropout': {
    make: () => new TwoInputs(),
    features: (seed, batch = 4) => ({ a: floats([batch, 3], seed), b: floats([batch, 2], seed) }),
    labels: (seed, batch = 4) => ({
      sum: floats([batch, 5], seed + 1),
      product: floats([batch, 5], seed + 2),
    }),
    loss: {
      sum: { loss: meanSquaredError(), weight: 0.5 },
      product: (y: tf.Tensor, truth: tf.Tensor): tf.Scalar => tf.mean(tf.abs(tf.sub(y, truth))),
    },
  },
};

const numbers = (tensors: readonly tf.Tensor[]) => tensors.map((tensor) => [...tensor.dataSync()]);

/** Losses, numbers of correct answers, weights, buffers and states of some steps and predictions. */
function steps(plan: ReturnType<typeof planOf>, given: Case, count = 5): unknown[] {
  const seen: unknown[] = [];
  const loss = toLoss('test', given.loss ?? crossEntropy());
  for (let step = 0; step < count; step++) {
    const [features, labels] = [given.features(step), given.labels(step)];
    const found = plan.forwardBackward(features, labels, { seed: 40 + step, loss });
    seen.push(numbers([found.loss, ...(found.correct ? [found.correct] : [])]));
    for (const { parameter, gradient } of found.gradients) {
      seen.push([parameter.name, ...gradient.dataSync()]);
      tf.tidy(() => parameter.variable.assign(tf.sub(parameter.variable, tf.mul(gradient, 0.1))));
    }
    const logits = plan.logits(features);
    seen.push(numbers(plan.statistics.map(({ variable }) => variable)));
    seen.push(
      numbers(Object.values({ ...logits } as object).filter((x) => x instanceof tf.Tensor)),
    );
    seen.push(numbers([...(plan.carriedState?.tensors ?? [])]));
    const gradients = found.gradients.map(({ gradient }) => gradient);
    tf.dispose([found.loss, found.correct ?? [], gradients, features, labels, logits] as never);
  }
  plan.beginSequence?.();
  return seen;
}

describe.each(backends)('on $title', ({ name, absent }) => {
  beforeEach(async () => {
    if (!absent) await use(name);
  });

  describe.skipIf(absent).each(Object.entries(CASES))('%s', (_, given) => {
    it('takes the steps of the eager module, bit for bit', () => {
      const [eager, compiled] = [given.make(), given.make()];
      const example = given.features(9);
      const net = nn.compile(compiled, example);
      const options = { carryState: given.carryState };
      const plan = planOf(net, options);
      expect(plan).toBeInstanceOf(CompiledPlan);
      expect(steps(plan, given)).toEqual(steps(planOf(eager, options), given));
      tf.dispose([example] as never);
      net.dispose();
      eager.dispose();
    });

    it('leaves no tensor behind', () =>
      expectNoLeak(() => {
        const example = given.features(9);
        const net = nn.compile(given.make(), example);
        steps(planOf(net, { carryState: given.carryState }), given);
        tf.dispose([example] as never);
        net.dispose();
      }));
  });
});

/** A module of one function, with a parameter and a buffer. */
class Doing extends nn.Module {
  readonly weight = nn.parameter([3], { init: 'ones' });
  readonly mean = nn.buffer(tf.tensor1d([0, 0, 0]));
  readonly scale = tf.variable(tf.ones([3]), false);
  readonly #work: (x: tf.Tensor, module: Doing) => tf.Tensor;
  count = 0;

  constructor(work: (x: tf.Tensor, module: Doing) => tf.Tensor) {
    super();
    this.#work = work;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.tidy(() => tf.mul(this.#work(x, this), this.weight));
  }
}

const scratch = tf.tensor1d([1, 2, 3]);

describe('what a replay would not repeat is refused by name', () => {
  beforeEach(() => use('cpu-js'));

  it.each<[string, (x: tf.Tensor, module: Doing) => tf.Tensor, RegExp]>([
    [
      'a decision by values',
      (x) => ((tf.sum(x).dataSync()[0] as number) > 0 ? x : tf.neg(x)),
      /\[nn\] compile: module 'Doing': forward or loss reads the values of a tensor .* tf.where/,
    ],
    [
      'values that are read later',
      (x) => {
        void tf.sum(x).data();
        return x;
      },
      /reads the values of a tensor/,
    ],
    ['a refusal that forward catches', catching, /reads the values of a tensor/],
    [
      'random numbers without a seed',
      (x) => tf.add(x, tf.randomNormal(x.shape)),
      /draws random numbers \(Math.random, or an operation without a seed\).*, or leave the module/,
    ],
    [
      "a seed of the step's in an operation that is not drawn again",
      (x) => tf.add(x, tf.randomNormal(x.shape, 0, 1, 'float32', nextSeed())),
      /draws a seed \(nextSeed\) .* drawTensor\(seed, make\)/,
    ],
    ['a new variable', (x) => tf.add(x, tf.variable(tf.ones([3]))), /makes a variable/],
    [
      'a change of a variable that is no buffer',
      (x, { scale }) => {
        scale.assign(tf.add(scale, 1));
        return tf.mul(x, scale);
      },
      /changes the variable \S+, which is no buffer; make it by nn.buffer/,
    ],
    [
      'a buffer that gets a tensor from outside',
      (x, { mean }) => {
        mean.assign(scratch);
        return tf.sub(x, mean);
      },
      /gives a buffer a tensor from outside/,
    ],
    [
      'an operation without a gradient after a parameter',
      (x, { weight }) => tf.mul(x, tf.cumprod(weight)),
      /forward uses Cumprod, which has no gradient; .* leave the module eager/,
    ],
    [
      'a number that changes from step to step',
      (x, module) => tf.mul(x, ++module.count),
      /computes otherwise in each step.*: a constant tensor \[\] had other values; give what changes/,
    ],
    [
      'an attribute that changes',
      (x, module) => tf.leakyRelu(x, ++module.count),
      /the kernel LeakyRelu had alpha 1, then 2/,
    ],
    [
      'other operations in each step',
      (x, module) => (++module.count % 2 === 0 ? tf.neg(x) : tf.abs(x)),
      /the kernel Abs was followed by the kernel Neg/,
    ],
    [
      'a tensor from outside that is another one in each step',
      (x, module) => tf.add(x, made[++module.count] as tf.Tensor),
      /a tensor from outside had id/,
    ],
  ])('%s', (_, work, message) => {
    const example = floats([2, 3], 1);
    expect(() => nn.compile(new Doing(work), example)).toThrow(message);
  });

  it('frees what a refused recording kept', () => {
    const module = new Doing((x, it) => tf.mul(tf.add(x, [1, 2, 3]), ++it.count));
    const example = floats([2, 3], 1);
    const before = tf.memory().numTensors;
    expect(() => nn.compile(module, example)).toThrow(/otherwise/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('takes buffers that forward changes, constants and checks', () => {
    const module = new Doing((x, { mean }) => {
      mean.assign(tf.add(mean, tf.mean(x, 0)));
      return tf.add(tf.sub(x, mean), [1, 2, 3]);
    });
    const net = nn.compile(module, floats([2, 3], 1));
    expect([...module.mean.dataSync()]).toEqual([0, 0, 0]); // compiling changed nothing
    const plan = planOf(net);
    for (let i = 0; i < 4; i++) plan.logits(tf.ones([2, 3]));
    expect([...module.mean.dataSync()]).toEqual([4, 4, 4]);
  });
});

const made = Array.from({ length: 8 }, () => tf.ones([3]));

function catching(x: tf.Tensor): tf.Tensor {
  try {
    x.dataSync();
  } catch {}
  return x;
}

describe('shapes, names and weights that change', () => {
  beforeEach(() => use('cpu-js'));

  it('records each batch size, and computes all of them rightly', () => {
    const module = new Perceptron();
    const plan = planOf(nn.compile(module, floats([4, 8], 1)));
    for (const batch of [4, 7, 4, 7, 4, 7, 1]) {
      const x = floats([batch, 8], batch);
      const [found, expected] = [plan.logits(x) as tf.Tensor, module.forward(x)];
      expect([...found.dataSync()]).toEqual([...expected.dataSync()]);
    }
    expect(plan).toHaveProperty('describe');
    expect((plan as CompiledPlan).describe()).toMatch(/recordings of \d+, \d+ kernels$/);
  });

  it('forgets the shapes that were used longest ago', () => {
    const net = nn.compile(new Doing((x) => tf.add(x, [1, 2, 3])), floats([4, 3], 1));
    const plan = planOf(net);
    const replay = (count: number) => {
      for (let batch = 1; batch <= count; batch++)
        for (let i = 0; i < 2; i++)
          tf.dispose(plan.logits(tf.tidy(() => floats([batch, 3], 1))) as tf.Tensor);
    };
    replay(16);
    const before = net.compiled.recordings.sizes.length;
    replay(40);
    expect([before, net.compiled.recordings.sizes.length]).toEqual([16, 16]);
  });

  it.each<[string, Tensors, RegExp]>([
    [
      'another rank',
      tf.zeros([4, 2, 4]),
      /\[nn\] compile: module 'Perceptron': expected inputs .* of the example, \[4, 8\] float32, got \[4, 2, 4\] float32; compile/,
    ],
    ['another type', tf.zeros([4, 8], 'int32'), /got \[4, 8\] int32/],
    ['two inputs', [tf.zeros([4, 8]), tf.zeros([4, 8])], /got \[\[4, 8\], \[4, 8\]\]/],
    ['a record', { x: tf.zeros([4, 8]) }, /got \{ x: \[4, 8\] \}/],
  ])('refuses %s', (_, features, message) => {
    const plan = planOf(nn.compile(new Perceptron(), floats([4, 8], 1)));
    expect(() => plan.logits(features)).toThrow(message);
  });

  it('refuses what is no module, and example inputs that are no tensors', () => {
    expect(() => nn.compile(tf.relu as never, floats([1, 8], 1))).toThrow(/expected an nn.Module/);
    expect(() => nn.compile(new Perceptron(), [4, 8] as never)).toThrow(/example inputs, a tensor/);
    const net = nn.compile(new Perceptron(), floats([1, 8], 1));
    expect(() => nn.compile(net, floats([1, 8], 1))).toThrow(/'Perceptron' is compiled already/);
  });

  it('trains what is trainable at the time', () => {
    const module = new Perceptron();
    const plan = planOf(nn.compile(module, floats([4, 8], 1)));
    const names = () => {
      const given = { seed: 1, loss: crossEntropy() };
      const { gradients } = plan.forwardBackward(floats([4, 8], 1), ids([4], 4, 1), given);
      return gradients.map(({ parameter }) => parameter.name);
    };
    for (let i = 0; i < 3; i++) expect(names()).toHaveLength(4);
    module.hidden.requiresGrad(false);
    for (let i = 0; i < 3; i++) expect(names()).toEqual(['output.weight', 'output.bias']);
  });

  it('tells features that are the labels, too, from others', () => {
    const plan = planOf(nn.compile(new Perceptron(), floats([4, 8], 1)));
    const loss = toLoss('test', (y: tf.Tensor, truth: tf.Tensor) =>
      tf.mean<tf.Scalar>(tf.squaredDifference(tf.mean(y, 1), tf.mean(truth, 1))),
    );
    const lossOf = (x: tf.Tensor, y: tf.Tensor) =>
      plan.forwardBackward(x, y, { loss }).loss.dataSync()[0];
    const x = floats([4, 8], 1);
    const same = [0, 1, 2].map(() => lossOf(x, x));
    const other = [0, 1, 2].map(() => lossOf(x, tf.ones([4, 8])));
    expect(new Set(same).size).toBe(1);
    expect(new Set(other).size).toBe(1);
    expect(other[0]).not.toBe(same[0]);
  });

  it('repeats the checks of values in each step', () => {
    const plan = planOf(nn.compile(new Encoder(), ids([2, 5], 12, 1)));
    for (let i = 0; i < 3; i++) plan.logits(ids([2, 5], 12, i));
    expect(() => plan.logits(tf.fill([2, 5], 12, 'int32'))).toThrow(/from 0 to 11, .* got 12/);
    const step = (labels: tf.Tensor) =>
      plan.forwardBackward(ids([2, 5], 12, 1), labels, { loss: crossEntropy() });
    const loss = crossEntropy();
    for (let i = 0; i < 3; i++)
      plan.forwardBackward(ids([2, 5], 12, 1), ids([2, 5], 12, 2), { loss });
    expect(() => step(tf.fill([2, 5], 12, 'int32'))).toThrow(/labels from 0 to 11/);
    expect(() =>
      plan.forwardBackward(ids([2, 5], 12, 1), tf.fill([2, 5], -1, 'int32'), { loss }),
    ).toThrow(/labels from 0 to 11/);
  });

  it('records again when a tensor that the code holds was disposed', () => {
    let held = tf.tensor1d([1, 2, 3]);
    const plan = planOf(nn.compile(new Doing((x) => tf.add(x, held)), floats([1, 3], 1)));
    const sums = () => [...(plan.logits(tf.zeros([1, 3])) as tf.Tensor).dataSync()];
    for (let i = 0; i < 3; i++) expect(sums()).toEqual([1, 2, 3]);
    held.dispose();
    held = tf.tensor1d([4, 5, 6]);
    for (let i = 0; i < 3; i++) expect(sums()).toEqual([4, 5, 6]);
  });

  it('is a part of another module under its own names', () => {
    const inner = nn.compile(new Perceptron(), floats([4, 8], 1));
    const net = new nn.Sequential(inner, new nn.ReLU());
    expect(net.namedParameters().map(([name]) => name)[0]).toBe('0.module.hidden.weight');
    expect(inner.namedParameters().map(([name]) => name)[0]).toBe('hidden.weight');
    expect(inner.name).toBe('Perceptron');
    expect(inner.eval().module.output.training).toBe(false);
  });
});

/** Bad input of either kind of model is refused, by name, before it computes a wrong number. */
import * as nn from '@deepend/nn';
import { crossEntropy } from '@deepend/optim';
import { type AnyLoader, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('simd'));

const quiet = { numEpochs: 1, lr: 0.1, progress: false } as const;
const once = (make: () => { features: unknown; labels: unknown }, batches = 1): AnyLoader => ({
  numSamples: 4,
  batchSize: 4,
  numBatches: batches,
  async *[Symbol.asyncIterator]() {
    for (let i = 0; i < batches; i++) yield make() as never;
  },
});
const labels = (...values: number[]) => tf.tensor1d(values, 'int32');

class Linear extends nn.Module {
  readonly weight = nn.parameter([3, 2], { seed: 1 });
  forward(x: tf.Tensor): tf.Tensor {
    return tf.matMul(x, this.weight);
  }
}
/** A class of each of two positions. */
class Tagger extends nn.Module {
  readonly embed = new nn.Embedding(5, 4, { seed: 1 });
  readonly out = new nn.Linear(4, 3, { seed: 2 });
  forward(ids: tf.Tensor): tf.Tensor {
    return this.out.forward(this.embed.forward(ids));
  }
}
class Sum extends nn.Module {
  readonly weight = nn.parameter([3, 2], { seed: 1 });
  forward({ left, right }: { left: tf.Tensor; right: tf.Tensor }): tf.Tensor {
    return tf.matMul(tf.add(left, right), this.weight);
  }
}
/** Carries the state of a GRU. */
class Carrying extends nn.Module {
  readonly gru = new nn.GRU(2, 3, { batchFirst: true, seed: 1 });
  forward(x: tf.Tensor, state?: tf.Tensor) {
    const [outputs, next] = this.gru.forward(x as tf.Tensor3D, state as never);
    return [outputs, next];
  }
}

const { dense, embedding } = tfl.layers;
const linearLayers = () => tfl.sequential({ layers: [dense({ units: 2, inputShape: [3] })] });
const taggerLayers = () =>
  tfl.sequential({
    layers: [embedding({ inputDim: 5, outputDim: 4, inputLength: 2 }), dense({ units: 3 })],
  });
function sumLayers(): tfl.LayersModel {
  const [left, right] = ['left', 'right'].map((name) => tfl.input({ shape: [3], name }));
  const added = tfl.layers.add().apply([left, right] as tfl.SymbolicTensor[]);
  const outputs = dense({ units: 2 }).apply(added) as tfl.SymbolicTensor;
  return tfl.model({ inputs: [left, right] as tfl.SymbolicTensor[], outputs });
}

interface Row {
  readonly what: string;
  readonly net: () => tfl.LayersModel | nn.Module;
  readonly batch: () => { features: unknown; labels: unknown };
  readonly message: RegExp;
  readonly options?: object;
}
const plainBatch = () => ({ features: tf.ones([4, 3]), labels: labels(0, 1, 0, 1) });
const idsBatch = (ids: tf.Tensor, truth = tf.zeros([2, 2], 'int32')) => ({
  features: ids,
  labels: truth,
});
const goodIds = () => tf.ones([2, 2], 'int32');
const both = (
  nets: readonly [() => nn.Module, () => tfl.LayersModel],
  row: Omit<Row, 'net' | 'message'> & { messages: readonly [RegExp, RegExp] },
): Row[] =>
  nets.map((net, i) => ({
    ...row,
    net,
    what: `${row.what}: ${i === 0 ? 'a module' : 'a model of layers'}`,
    message: row.messages[i] as RegExp,
  }));
const twice = (message: RegExp) => [message, message] as const;
const linear = [() => new Linear(), linearLayers] as const;
const tagger = [() => new Tagger(), taggerLayers] as const;
const sum = [() => new Sum(), sumLayers] as const;

const ROWS: Row[] = [
  ...both(linear, {
    what: 'a label outside the classes',
    batch: () => ({ features: tf.ones([4, 3]), labels: labels(0, 1, 2, 1) }),
    messages: twice(/expected labels from 0 to 1.*got 2/),
  }),
  ...both(tagger, {
    what: 'a label outside the vocabulary, at a position',
    batch: () => idsBatch(goodIds(), tf.tensor2d([0, 1, 3, 1], [2, 2], 'int32')),
    messages: twice(/expected labels from 0 to 2.*got 3 at \[1, 0\]/),
  }),
  ...both(tagger, {
    what: 'token ids that are no integers',
    batch: () => idsBatch(tf.tensor2d([0, 1.5, 3, 1], [2, 2])),
    messages: [/expected integer ids \(int32\), got a float32/, /expected integer ids.*got 1\.5/],
  }),
  ...both(tagger, {
    what: 'a token outside the vocabulary',
    batch: () => idsBatch(tf.tensor2d([0, 1, 5, 1], [2, 2], 'int32')),
    messages: [/\b5\b/, /from 0 to 4 .*got 5 at \[1, 0\]/],
  }),
  ...both(sum, {
    what: 'two inputs of different batch sizes',
    batch: () => ({
      features: { left: tf.ones([4, 3]), right: tf.ones([2, 3]) },
      labels: labels(0, 1, 0, 1),
    }),
    messages: twice(/left \[4, 3\] and right \[2, 3\]/),
  }),
  {
    what: "a record that lacks an input's name: a model of layers",
    net: sumLayers,
    batch: () => ({
      features: { left: tf.ones([4, 3]), rigth: tf.ones([4, 3]) },
      labels: labels(0, 1, 0, 1),
    }),
    message: /right.*left, rigth|right.*rigth/s,
  },
  ...both(linear, {
    what: 'a loss that is no scalar',
    batch: plainBatch,
    options: { loss: (x: tf.Tensor) => tf.mean(x, 1) },
    messages: twice(/a loss that is a scalar, got a tensor of \[4\]/),
  }),
  ...both(tagger, {
    what: 'a mask of another length',
    batch: () => ({
      features: goodIds(),
      labels: { labels: tf.zeros([2, 2], 'int32'), mask: tf.ones([2, 3]) },
    }),
    options: { loss: crossEntropy() },
    messages: twice(/expected a mask of the labels' shape \[2, 2\], got \[2, 3\]/),
  }),
  ...both(tagger, {
    what: 'a length beyond the sequence',
    batch: () => ({
      features: goodIds(),
      labels: { labels: tf.zeros([2, 2], 'int32'), lengths: labels(1, 3) },
    }),
    options: { loss: crossEntropy() },
    messages: twice(/lengths that are integers from 0 to 2.*got 3 for sequence 1/),
  }),
];

describe('is refused, and leaves no tensor:', () => {
  it.each(ROWS)('$what', async ({ net: make, batch, message, options }) => {
    const net = make();
    const before = tf.memory().numTensors;
    await expect(train(net, once(batch), null, { ...quiet, ...options })).rejects.toThrow(message);
    expect(tf.memory().numTensors).toBe(before);
  });
});

it('a state of another shape is refused by the layer that gets it', async () => {
  const net = new Carrying();
  let batchSize = 4;
  const loader = once(() => {
    const made = { features: tf.ones([batchSize, 5, 2]), labels: tf.ones([batchSize, 5, 3]) };
    batchSize = 2;
    return made;
  }, 2);
  const options = { ...quiet, carryState: true, loss: (y: tf.Tensor) => tf.mean(y) as tf.Scalar };
  await expect(train(net, loader, null, options)).rejects.toThrow(
    /GRU: expected .*\[1, 2, 3\].*got \[1, 4, 3\]/,
  );
});

it('a parameter under two names is trained once', async () => {
  class Tied extends nn.Module {
    readonly a = nn.parameter([3, 2], { init: 'ones' });
    readonly b = this.a;
    forward(x: tf.Tensor) {
      return tf.matMul(x, tf.add(this.a, this.b));
    }
  }
  const net = new Tied();
  const loss = (outputs: tf.Tensor) => tf.sum(outputs) as tf.Scalar;
  const warn = vi.spyOn(console, 'warn').mockReturnValue();
  const batch = () => ({ features: tf.ones([4, 3]), labels: tf.ones([4, 2]) });
  await train(net, once(batch), null, { ...quiet, loss });
  // The gradient is 4 samples × 2 uses: 1 − 0.1 × 8.
  for (const value of net.a.dataSync()) expect(value).toBeCloseTo(0.2, 6);
  expect(warn).not.toHaveBeenCalled();
  vi.restoreAllMocks();
});

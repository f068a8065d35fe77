// Own process: it reads the registry of layer classes, to which other tests add their own.
/**
 * Every layer class of TensorFlow.js 4.22: a plan predicts what `model.predict` does, and its
 * training step gives the loss and the gradients of the tape.
 */
import { planOf } from '@deepend/compiler';
import { toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

type Layer = tfl.layers.Layer;
interface Row {
  readonly make: () => Layer;
  /** Shapes of a sample's inputs. */
  readonly inputs: readonly (readonly number[])[];
  /** Inputs are ids below this. */
  readonly ids?: number;
  /** Draws random numbers in training. */
  readonly random?: true;
  /** Only before every weight: its input has no gradient in TensorFlow.js. */
  readonly first?: true;
  /** How `model.predict` of TensorFlow.js itself fails. */
  readonly stockFails?: RegExp;
  /** How a training step fails. */
  readonly stepFails?: RegExp;
}

const k = { kernelInitializer: 'glorotNormal' as const };
const r = { units: 3, recurrentInitializer: 'glorotNormal' as const };
const image = [[6, 6, 2]];
const volume = [[4, 4, 4, 2]];
const sequence = [[5, 2]];
const two = [
  [5, 3],
  [5, 3],
];
const row = (inputs: Row['inputs'], make: () => unknown, more: Partial<Row> = {}): Row => ({
  inputs,
  make: make as () => Layer,
  ...more,
});
const L = tfl.layers;
const cell = () => L.lstmCell(r);
const conv = { filters: 2, kernelSize: 2, ...k };
const random = { random: true } as const;

const LAYERS: Record<string, Row> = {
  Activation: row([[5]], () => L.activation({ activation: 'selu' })),
  Add: row(two, () => L.add()),
  AlphaDropout: row([[5]], () => L.alphaDropout({ rate: 0.4 }), random),
  Average: row(two, () => L.average()),
  AveragePooling1D: row(sequence, () => L.averagePooling1d({ poolSize: 2 })),
  AveragePooling2D: row(image, () => L.averagePooling2d({ poolSize: 2 })),
  AveragePooling3D: row(volume, () => L.averagePooling3d({ poolSize: 2 } as never)),
  BatchNormalization: row([[5]], () => L.batchNormalization()),
  Bidirectional: row(sequence, () => L.bidirectional({ layer: L.gru(r) } as never)),
  CategoryEncoding: row([[1]], () => L.categoryEncoding({ numTokens: 4, outputMode: 'oneHot' }), {
    ids: 4,
    stockFails: /expected .* to have shape/,
  }),
  CenterCrop: row(image, () => L.centerCrop({ height: 4, width: 4 }), {
    stockFails: /expected .* to have shape/,
  }),
  Concatenate: row(two, () => L.concatenate({ axis: 1 })),
  Conv1D: row(sequence, () => L.conv1d(conv)),
  Conv2D: row(image, () => L.conv2d(conv)),
  Conv2DTranspose: row(image, () => L.conv2dTranspose(conv)),
  Conv3D: row(volume, () => L.conv3d(conv)),
  Conv3DTranspose: row(
    volume,
    () => (L as unknown as { conv3dTranspose(c: object): Layer }).conv3dTranspose(conv),
    {
      stepFails: /gradient function not found for Conv3DBackpropInputV2/,
    },
  ),
  ConvLSTM2D: row([[3, 5, 5, 2]], () =>
    L.convLstm2d({ ...conv, recurrentInitializer: 'glorotNormal' }),
  ),
  ConvLSTM2DCell: row([[3, 5, 5, 2]], () =>
    L.convLstm2d({ ...conv, recurrentInitializer: 'glorotNormal', returnSequences: true }),
  ),
  Cropping2D: row(image, () => L.cropping2D({ cropping: [[1, 1], [0, 1]] })), // biome-ignore format: a row
  Dense: row([[4, 5]], () => L.dense({ units: 3, activation: 'softmax', ...k })),
  DepthwiseConv2D: row(image, () => L.depthwiseConv2d({ kernelSize: 2 })),
  Dot: row(two, () => L.dot({ axes: 2 } as never)),
  Dropout: row([[5, 3]], () => L.dropout({ rate: 0.4, seed: 3 }), random),
  ELU: row([[5]], () => L.elu()),
  Embedding: row([[5]], () => L.embedding({ inputDim: 7, outputDim: 3 }), { ids: 7 }),
  Flatten: row(image, () => L.flatten()),
  GRU: row(sequence, () => L.gru({ ...r, returnSequences: true })),
  GRUCell: row(sequence, () => L.rnn({ cell: L.gruCell(r) })),
  GaussianDropout: row([[5]], () => L.gaussianDropout({ rate: 0.4 }), random),
  GaussianNoise: row([[5]], () => L.gaussianNoise({ stddev: 1 }), random),
  GlobalAveragePooling1D: row(sequence, () => L.globalAveragePooling1d({})),
  GlobalAveragePooling2D: row(image, () => L.globalAveragePooling2d({})),
  GlobalMaxPooling1D: row(sequence, () => L.globalMaxPooling1d({})),
  GlobalMaxPooling2D: row(image, () => L.globalMaxPooling2d({})),
  LSTM: row(sequence, () => L.lstm(r)),
  LSTMCell: row(sequence, () => L.rnn({ cell: cell() })),
  LayerNormalization: row([[4, 5]], () => L.layerNormalization()),
  LeakyReLU: row([[5]], () => L.leakyReLU()),
  Masking: row(sequence, () => L.masking(), { first: true }),
  MaxPooling1D: row(sequence, () => L.maxPooling1d({ poolSize: 2 })),
  MaxPooling2D: row(image, () => L.maxPooling2d({ poolSize: 2 })),
  MaxPooling3D: row(volume, () => L.maxPooling3d({ poolSize: 2 } as never)),
  Maximum: row(two, () => L.maximum()),
  Minimum: row(two, () => L.minimum()),
  Multiply: row(two, () => L.multiply()),
  PReLU: row([[5]], () => L.prelu()),
  Permute: row(sequence, () => L.permute({ dims: [2, 1] })),
  RNN: row(sequence, () => L.rnn({ cell: [cell(), cell()] as never, returnSequences: true })),
  ReLU: row([[5]], () => L.reLU({ maxValue: 0.5 })),
  RepeatVector: row([[5]], () => L.repeatVector({ n: 2 })),
  Rescaling: row(image, () => L.rescaling({ scale: 2, offset: 1 })),
  Reshape: row([[6]], () => L.reshape({ targetShape: [3, 2] })),
  Resizing: row(image, () => L.resizing({ height: 3, width: 3 }), { stockFails: /must be rank/ }),
  SeparableConv2D: row(image, () => L.separableConv2d({ filters: 2, kernelSize: 2 })),
  SimpleRNN: row(
    sequence,
    () => L.simpleRNN({ ...r, dropout: 0.3, recurrentDropout: 0.3 }),
    random,
  ),
  SimpleRNNCell: row(sequence, () => L.rnn({ cell: L.simpleRNNCell(r) })),
  Softmax: row([[4, 5]], () => L.softmax({ axis: -1 })),
  SpatialDropout1D: row(sequence, () => L.spatialDropout1d({ rate: 0.4 } as never), random),
  StackedRNNCells: row(sequence, () =>
    L.rnn({ cell: L.stackedRNNCells({ cells: [cell(), L.gruCell(r)] }) }),
  ),
  ThresholdedReLU: row([[5]], () => L.thresholdedReLU(), { stepFails: /not found for Greater/ }),
  TimeDistributed: row(sequence, () =>
    L.timeDistributed({ layer: L.dense({ units: 3, activation: 'sigmoid' }) } as never),
  ),
  UpSampling2D: row(image, () => L.upSampling2d({})),
  ZeroPadding2D: row(image, () => L.zeroPadding2d({ padding: 1 })),
};

/** Names of classes that are no layers of a model: an input, a base class, tfjs's own drawing. */
const OTHERS = ['InputLayer', 'RandomWidth', 'CustomInit', 'Sequential', 'Functional', 'Model'];

/** A weight before the layer, so that its input's gradient is tested too. */
function build({ make, inputs, ids, first }: Row): tfl.LayersModel {
  const given = inputs.map((shape) => tfl.input({ shape: [...shape] }));
  const xs = given.map((x) =>
    ids || first ? x : (L.prelu({ alphaInitializer: 'ones' }).apply(x) as tfl.SymbolicTensor),
  );
  const y = make().apply(xs.length === 1 ? (xs[0] as tfl.SymbolicTensor) : xs);
  return tfl.model({ inputs: given, outputs: y as tfl.SymbolicTensor });
}

const batch = ({ inputs, ids }: Row) =>
  inputs.map((shape, i) =>
    ids
      ? tf.randomUniform([4, ...shape], 0, ids, 'int32', i + 1)
      : tf.randomUniform([4, ...shape], -1, 1, 'float32', i + 1),
  );

const squares = (outputs: tf.Tensor): tf.Scalar => tf.mean(tf.square(tf.add(outputs, 1)));
const loss = toLoss('test', squares);
const values = (tensor: tf.Tensor) => [...tensor.dataSync()];

function expectClose(actual: tf.Tensor, expected: tf.Tensor): void {
  expect(actual.shape).toEqual(expected.shape);
  const [a, b] = [values(actual), values(expected)];
  const largest = Math.max(1e-3, ...b.map(Math.abs));
  const differences = a.map((x, i) => Math.abs(x - (b[i] as number)) / largest);
  expect(Math.max(0, ...differences)).toBeLessThan(1e-4);
}

const BACKENDS = backends.filter(({ name }) => name === 'cpu-js' || name === 'simd');

it('has a row for every class', () => {
  const { classNameMap } = tf.serialization.SerializationMap.getMap();
  const classes = Object.entries(classNameMap).flatMap(([name, [layerClass]]) =>
    layerClass.prototype instanceof L.Layer ? [name] : [],
  );
  const stock = classes.filter((name) => !OTHERS.includes(name) && !name.includes('>'));
  expect(stock.filter((name) => !(name in LAYERS))).toEqual([]);
});

for (const { name: backend, title, absent } of BACKENDS) {
  describe.skipIf(absent)(`every layer on ${title}`, () => {
    beforeAll(() => use(backend));

    it.each(Object.entries(LAYERS))('%s', async (_, layer) => {
      const model = build(layer);
      const features = batch(layer);
      const plan = planOf(model);
      if (layer.stockFails) {
        expect(() => model.predict(features)).toThrow(layer.stockFails);
        return;
      }
      const expected = model.predict(features) as tf.Tensor;
      const logits = plan.logits(features.length === 1 ? (features[0] as tf.Tensor) : features);
      expectClose(plan.outputs(logits) as tf.Tensor, expected);

      const labels = tf.zeros([4]);
      const step = () =>
        plan.forwardBackward(
          features.length === 1 ? (features[0] as tf.Tensor) : features,
          labels,
          {
            seed: 5,
            loss,
          },
        );
      if (layer.stepFails) expect(step).toThrow(layer.stepFails);
      else if (plan.parameters.length > 0) {
        const { loss: found, gradients } = step();
        const again = step();
        const train = () =>
          squares((model.call(features, { training: true }) as tf.Tensor[])[0] as tf.Tensor);
        const variables = plan.parameters.map(({ variable }) => variable);
        if (layer.random) {
          expectClose(again.loss, found);
          gradients.forEach(({ gradient }, i) => {
            expectClose(again.gradients[i]?.gradient as tf.Tensor, gradient);
          });
        } else {
          const { value, grads } = tf.variableGrads(train, variables);
          expectClose(found, value);
          for (const { parameter, gradient } of gradients)
            expectClose(gradient, grads[parameter.variable.name] as tf.Tensor);
        }
        await expectNoLeak(() => {
          const result = step();
          tf.dispose([result.loss, result.gradients.map(({ gradient }) => gradient)]);
        });
      }
    });
  });
}

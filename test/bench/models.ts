/**
 * What `MODELS` of jobs.ts trains: the models, their inputs, labels and losses. The same stand in
 * peer_models.py.
 */
import type { AnyLoss, Tensors } from '@deepend/compiler';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { createModel, models, nn } from 'deepend';
import type { MODELS } from './jobs';

/** A model and a batch in memory, on the current backend. */
export interface Workload {
  readonly model: tfl.LayersModel | nn.Module;
  readonly features: Tensors;
  readonly labels: tf.Tensor;
  readonly loss: AnyLoss<tf.Scalar>;
}

type Builder = (batch: number) => Workload;

const loss = softmaxCrossEntropy as AnyLoss<tf.Scalar>;

/** int32 from 0 to `count` − 1, as in peer_models.py. */
function integers(shape: number[], count: number): tf.Tensor {
  const values = Int32Array.from(
    { length: tf.util.sizeFromShape(shape) },
    (_, i) => (7 * i + 3) % count,
  );
  return tf.tensor(values, shape, 'int32');
}

const uniform = (shape: number[]): tf.Tensor => tf.randomUniform(shape, 0, 1, 'float32', 1);

/** The book's language model (section 9.5): tokens `[time, batch]` → logits of each step. */
class GruLanguageModel extends nn.Module {
  static readonly vocabulary = 28;
  readonly rnn = new nn.GRU(GruLanguageModel.vocabulary, 256);
  readonly head = new nn.Linear(256, GruLanguageModel.vocabulary);

  override forward(tokens: tf.Tensor): tf.Tensor {
    const oneHot = tf.oneHot(tokens, GruLanguageModel.vocabulary, 1, 0, 'float32');
    const [states] = this.rnn.forward(oneHot); // [time, batch, hidden]
    return this.head.forward(states);
  }
}

/** Tokens `[time, batch]` → logits of each step. */
class LstmLanguageModel extends nn.Module {
  static readonly vocabulary = 1000;
  readonly embedding = new nn.Embedding(LstmLanguageModel.vocabulary, 128);
  readonly rnn = new nn.LSTM(128, 256, { numLayers: 2 });
  readonly head = new nn.Linear(256, LstmLanguageModel.vocabulary);

  override forward(tokens: tf.Tensor): tf.Tensor {
    const [states] = this.rnn.forward(this.embedding.forward(tokens));
    return this.head.forward(states);
  }
}

/** A classifier of sequences `[batch, time, 256]` by the mean over time. */
class EncoderClassifier extends nn.Module {
  readonly encoder = new nn.TransformerEncoder(
    () =>
      new nn.TransformerEncoderLayer(256, 4, {
        ...{ dimFeedforward: 1024, dropout: 0, batchFirst: true },
      }),
    4,
  );
  readonly head = new nn.Linear(256, 10);

  override forward(x: tf.Tensor): tf.Tensor {
    return this.head.forward(tf.mean(this.encoder.forward(x), 1));
  }
}

/** A decoder without an encoder (Radford et al. 2019): tokens `[batch, time]` → logits. */
class Gpt extends nn.Module {
  static readonly vocabulary = 65;
  static readonly time = 256;
  readonly tokens = new nn.Embedding(Gpt.vocabulary, 384);
  readonly positions = nn.parameter([Gpt.time, 384], { init: nn.init.normal({ std: 0.02 }) });
  readonly blocks = new nn.TransformerEncoder(
    () =>
      new nn.TransformerEncoderLayer(384, 6, {
        ...{ dimFeedforward: 4 * 384, dropout: 0, activation: 'gelu' as const },
        ...{ normFirst: true, batchFirst: true },
      }),
    6,
    { norm: new nn.LayerNorm([384]) },
  );
  readonly head = new nn.Linear(384, Gpt.vocabulary, { bias: false });

  override forward(ids: tf.Tensor): tf.Tensor {
    const x = tf.add(this.tokens.forward(ids), this.positions); // [batch, time, 384]
    return this.head.forward(this.blocks.forward(x, { isCausal: true }));
  }
}

/** The book's section 14.11: images → logits of 21 classes at each pixel. */
function fullyConvolutional(inputShape: [number, number, number]): tfl.LayersModel {
  const whole = createModel('resnet18', { inputShape, numClasses: 10 });
  const trunk = models.featureExtractor(whole, 'layer4'); // [batch, height / 32, width / 32, 512]
  whole.dispose();
  const classes = tfl.layers.conv2d({ name: 'classes', filters: 21, kernelSize: 1 });
  const upsample = tfl.layers.conv2dTranspose({
    ...{ name: 'upsample', filters: 21, kernelSize: 64, strides: 32, padding: 'same' },
  });
  const outputs = upsample.apply(
    classes.apply(trunk.outputs[0] as tfl.SymbolicTensor),
  ) as tfl.SymbolicTensor;
  return tfl.model({ inputs: trunk.inputs, outputs });
}

/** The book's multilayer perceptron (chapter 5) as a module. */
class Mlp extends nn.Module {
  readonly layers = new nn.Sequential(
    new nn.Flatten(),
    new nn.Linear(784, 256),
    new nn.ReLU(),
    new nn.Linear(256, 10),
  );

  override forward(x: tf.Tensor): tf.Tensor {
    return this.layers.forward(x);
  }
}

const clothes = (batch: number) => ({
  features: uniform([batch, 28, 28, 1]),
  labels: integers([batch], 10),
  loss,
});

/** `tokens` steps of a vocabulary, and the token that follows each. */
const tokens = (shape: number[], vocabulary: number) => ({
  features: integers(shape, vocabulary),
  labels: integers(shape, vocabulary),
  loss,
});

const BUILDERS: Record<keyof typeof MODELS, Builder> = {
  gru_lm: (batch) => ({
    model: new GruLanguageModel(),
    ...tokens([35, batch], GruLanguageModel.vocabulary),
  }),
  lstm_lm: (batch) => ({
    model: new LstmLanguageModel(),
    ...tokens([64, batch], LstmLanguageModel.vocabulary),
  }),
  encoder: (batch) => ({
    ...{ model: new EncoderClassifier(), loss },
    ...{ features: uniform([batch, 128, 256]), labels: integers([batch], 10) },
  }),
  gpt: (batch) => ({ model: new Gpt(), ...tokens([batch, Gpt.time], Gpt.vocabulary) }),
  fcn: (batch) => ({
    ...{ model: fullyConvolutional([96, 128, 3]), loss },
    ...{ features: uniform([batch, 96, 128, 3]), labels: integers([batch, 96, 128], 21) },
  }),
  mlp: (batch) => ({ model: createModel('book/mlp', {}), ...clothes(batch) }),
  mlp_module: (batch) => ({ model: new Mlp(), ...clothes(batch) }),
};

/** Builds a model and a batch on the current backend. */
export const workload = (name: keyof typeof MODELS, batch: number): Workload =>
  BUILDERS[name](batch);

/** Small residual nets with batch normalization, one for each way in which `train` computes. */
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';

const L = tfl.layers;
const init = (seed: number) => tfl.initializers.glorotUniform({ seed });

type Symbolic = tfl.SymbolicTensor;
const apply = (layer: tfl.layers.Layer, x: Symbolic | Symbolic[]) => layer.apply(x) as Symbolic;

/** Images of 8×8 to three classes. With a penalty of weights the tape computes it. */
function layersNet(penalty?: ReturnType<typeof tfl.regularizers.l2>): tfl.LayersModel {
  const conv = (seed: number, strides = 1) =>
    L.conv2d({
      ...{ filters: 6, kernelSize: 3, padding: 'same', strides, useBias: seed === 1 },
      kernelInitializer: init(seed),
      ...(penalty && { kernelRegularizer: penalty }),
    });
  const norm = () => L.batchNormalization({ momentum: 0.9, epsilon: 1e-5 });
  const input = tfl.input({ shape: [8, 8, 1] });
  const stem = apply(L.activation({ activation: 'relu' }), apply(norm(), apply(conv(1, 2), input)));
  const inner = apply(L.reLU({ maxValue: 6 }), apply(norm(), apply(conv(2), stem)));
  const sum = apply(L.add(), [apply(norm(), apply(conv(3), inner)), stem]);
  const pooled = apply(L.globalAveragePooling2d({}), apply(L.reLU(), sum));
  const output = apply(L.dense({ units: 3, kernelInitializer: init(4) }), pooled);
  return tfl.model({ inputs: input, outputs: output });
}

class ResidualModule extends nn.Module {
  readonly stem = new nn.Sequential(
    new nn.Conv2d(1, 6, 3, { padding: 1, stride: 2, seed: 1 }),
    new nn.BatchNorm2d(6),
    new nn.ReLU(),
  );
  readonly inner = new nn.Sequential(
    new nn.Conv2d(6, 6, 3, { padding: 1, seed: 2 }),
    new nn.BatchNorm2d(6, { momentum: null, affine: false }),
    new nn.ReLU(),
  );
  readonly norm = new nn.BatchNorm1d(6);
  readonly output = new nn.Linear(6, 3, { seed: 3 });

  override forward(x: tf.Tensor): tf.Tensor {
    const stem = this.stem.forward(x);
    const sum = tf.add(this.inner.forward(stem), stem); // [batch, 4, 4, 6]
    const sequence = this.norm.forward(tf.reshape(tf.relu(sum), [-1, 16, 6]));
    return this.output.forward(tf.mean(sequence, 1));
  }
}

const example = () => tf.zeros([2, 8, 8, 1]);

/** Images `[batch, 8, 8, 1]` to logits `[batch, 3]`. */
export const NORMALIZED_NETS = {
  'compiled layers': () => layersNet(),
  'layers on the tape': () => layersNet(tfl.regularizers.l2({ l2: 1e-3 })),
  'a module': () => new ResidualModule(),
  'a compiled module': () => {
    const input = example();
    const net = nn.compile(new ResidualModule(), input);
    input.dispose();
    return net;
  },
} as const;

export type NormalizedNet = keyof typeof NORMALIZED_NETS;

/**
 * Small nets that between them hold every operation of a plan, and layers that no pattern knows.
 */
import * as tfl from '@tensorflow/tfjs-layers';
import { type GroupedConv2DConfig, groupedConv2d } from '../../packages/nn/src/grouped-conv';

type Layers = (x: tfl.SymbolicTensor) => tfl.SymbolicTensor;

const SHAPE: [number, number, number] = [9, 7, 2]; // height and width differ, and are odd, so that nothing fits by chance
const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) =>
  layer.apply(x) as tfl.SymbolicTensor;
const seed = {
  kernelInitializer: 'glorotUniform' as const,
  biasInitializer: tfl.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed: 3 }),
};
const conv =
  (filters: number, config: object = {}): Layers =>
  (x) =>
    apply(tfl.layers.conv2d({ filters, kernelSize: 3, ...seed, ...config }), x);
const bn =
  (config: object = {}): Layers =>
  (x) =>
    apply(tfl.layers.batchNormalization({ epsilon: 1e-5, momentum: 0.9, ...config }), x);
const relu: Layers = (x) => apply(tfl.layers.reLU(), x);
const dense =
  (units: number, config: object = {}): Layers =>
  (x) =>
    apply(tfl.layers.dense({ units, ...seed, ...config }), x);
const of =
  (make: () => tfl.layers.Layer): Layers =>
  (x) =>
    apply(make(), x);
const tanh = of(() => tfl.layers.activation({ activation: 'tanh' }));
const flatten = of(() => tfl.layers.flatten());
const globalPool = of(() => tfl.layers.globalAveragePooling2d({}));
const head: Layers = (x) => dense(3)(globalPool(x));
const chain =
  (...parts: Layers[]): Layers =>
  (x) =>
    parts.reduce((at, part) => part(at), x);

const grouped = (filters: number, groups: number, config: Partial<GroupedConv2DConfig> = {}) =>
  of(() => groupedConv2d({ filters, groups, kernelSize: 3, ...config }));
const depthwise = (config: object = {}) =>
  of(() => tfl.layers.depthwiseConv2d({ kernelSize: 3, ...config }));
const zeroPad = (padding: [[number, number], [number, number]], config: object = {}) =>
  of(() => tfl.layers.zeroPadding2d({ padding, ...config }));
const relu6 = of(() => tfl.layers.reLU({ maxValue: 6 }));
const frozen =
  (make: () => tfl.layers.Layer): Layers =>
  (x) => {
    const layer = make();
    layer.trainable = false;
    return apply(layer, x);
  };
const frozenBn = frozen(() => tfl.layers.batchNormalization({ epsilon: 1e-5 }));
const dropSamples = (rate: number) =>
  of(() => tfl.layers.dropout({ rate, noiseShape: [null, 1, 1, 1] as unknown as number[] }));
const join = (...xs: tfl.SymbolicTensor[]) => apply(tfl.layers.concatenate(), xs);
const multiply = (a: tfl.SymbolicTensor, b: tfl.SymbolicTensor) =>
  apply(tfl.layers.multiply(), [a, b]);
/** Squeeze-and-excitation: a number for each channel, from the means of all. */
const gate = (channels: number) =>
  chain(
    globalPool,
    dense(3, { activation: 'relu' }),
    dense(channels, { activation: 'sigmoid' }),
    of(() => tfl.layers.reshape({ targetShape: [1, 1, channels] })),
  );

/** A row: its name and what it is made of, from `[batch, 9, 7, 2]` to logits `[batch, 3]`. */
export const NETS: Record<string, Layers> = {
  'convolution, bias, ReLU': chain(conv(4), relu, head),
  'convolution with an activation of its own': chain(conv(4, { activation: 'tanh' }), head),
  'convolution, same, stride 2': chain(
    conv(4, { padding: 'same', strides: 2 }),
    relu,
    conv(3, { strides: [1, 2] }),
    head,
  ),
  'padding into convolution, stride 2': chain(
    of(() =>
      tfl.layers.zeroPadding2d({
        padding: [
          [2, 1],
          [0, 3],
        ],
      }),
    ),
    conv(4, { strides: 2 }),
    relu,
    head,
  ),
  'convolution, 5×3, stride 3 past pixels': chain(
    conv(4, { kernelSize: [5, 3], strides: [3, 2] }),
    relu,
    head,
  ),
  'convolution, dilated': chain(conv(4, { dilationRate: 2 }), head),
  'convolutions of a few pixels, ReLU': chain(
    conv(4, { strides: 4, padding: 'same' }), // 3×2
    relu,
    conv(5, { strides: 2, padding: 'same' }), // 2×1
    relu,
    conv(4, { padding: 'same' }),
    conv(3, { strides: 2, padding: 'same' }), // 1×1
    relu,
    conv(4, { padding: 'same' }),
    head,
  ),
  'convolution, 1×1': chain(
    conv(4, { kernelSize: 1, useBias: false }),
    relu,
    conv(3, { kernelSize: 1, strides: 2 }),
    head,
  ),
  'padding wider than the kernel': chain(
    of(() => tfl.layers.zeroPadding2d({ padding: 2 })),
    conv(4, { kernelSize: 2 }),
    head,
  ),
  'convolution, batch norm, ReLU': chain(conv(4), bn(), relu, head),
  'batch norm without scale': chain(conv(4), bn({ scale: false }), tanh, head),
  'batch norm without center': chain(conv(4), bn({ center: false }), tanh, head),
  'a residual block': chain(
    conv(4),
    (x) =>
      relu(
        apply(tfl.layers.add(), [
          chain(conv(4, { padding: 'same' }), bn(), relu, conv(4, { padding: 'same' }), bn())(x),
          x,
        ]),
      ),
    head,
  ),
  'a projected residual block': chain(
    conv(4),
    (x) =>
      relu(
        apply(tfl.layers.add(), [
          chain(conv(5, { padding: 'same', strides: 2 }), bn())(x),
          conv(5, { kernelSize: 1, strides: 2 })(x),
        ]),
      ),
    head,
  ),
  'a pre-activation block': chain(
    conv(4),
    (x) => apply(tfl.layers.add(), [x, chain(bn(), relu, conv(4, { padding: 'same' }))(x)]),
    head,
  ),
  'a sum of three with itself': chain(
    conv(4),
    (x) => apply(tfl.layers.add(), [x, x, conv(4, { padding: 'same' })(x)]),
    head,
  ),
  'max-pool': chain(
    conv(4),
    of(() => tfl.layers.maxPooling2d({ poolSize: 2, strides: 2 })),
    head,
  ),
  'max-pool, overlapping, padded': chain(
    conv(4),
    relu,
    of(() => tfl.layers.zeroPadding2d({ padding: 1 })),
    of(() => tfl.layers.maxPooling2d({ poolSize: 3, strides: 2 })),
    head,
  ),
  'average pool, same': chain(
    conv(4),
    of(() => tfl.layers.averagePooling2d({ poolSize: 2, strides: 2, padding: 'same' })),
    head,
  ),
  'flatten, dense, ReLU, dense': chain(
    flatten,
    dense(8, { activation: 'relu' }),
    dense(3, { useBias: false }),
  ),
  'sigmoid and tanh': chain(
    flatten,
    dense(8, { activation: 'sigmoid' }),
    of(() => tfl.layers.activation({ activation: 'tanh' })),
    dense(3),
  ),
  'reshape and concatenate': chain(
    of(() => tfl.layers.reshape({ targetShape: [7, 9, 2] })),
    (x) => apply(tfl.layers.concatenate(), [conv(2)(x), conv(3)(x)]),
    head,
  ),
  'a softmax at the end': chain(conv(4), globalPool, dense(3, { activation: 'softmax' })),
  'a softmax layer at the end': chain(
    conv(4),
    globalPool,
    dense(3),
    of(() => tfl.layers.softmax()),
  ),
  'a layer that no pattern knows': chain(
    conv(4),
    of(() => tfl.layers.elu()),
    of(() => tfl.layers.layerNormalization()),
    head,
  ),
  'layer normalization and linear layers at each pixel': chain(
    conv(4),
    of(() => tfl.layers.layerNormalization({ epsilon: 1e-6 })),
    dense(6, { activation: 'relu' }),
    of(() => tfl.layers.layerNormalization()),
    dense(3, { useBias: false }),
    tanh,
    head,
  ),
  'layer normalization without scale, and without center': chain(
    conv(4),
    of(() => tfl.layers.layerNormalization({ scale: false })),
    conv(4),
    of(() => tfl.layers.layerNormalization({ center: false })),
    tanh,
    head,
  ),
  'SiLU and GELU': chain(
    conv(4),
    of(() => tfl.layers.activation({ activation: 'swish' })),
    conv(4),
    of(() => tfl.layers.activation({ activation: 'gelu' as never })),
    head,
  ),
  'a linear map over the rows of an image': chain(
    conv(4),
    of(() => tfl.layers.permute({ dims: [3, 2, 1] })),
    frozen(() => tfl.layers.dense({ units: 3, useBias: false })),
    of(() => tfl.layers.permute({ dims: [3, 2, 1] })),
    head,
  ),
  'grouped convolution, bias': chain(conv(4), grouped(6, 2), head),
  'grouped convolution, padded, stride 2, ReLU': chain(
    conv(4),
    zeroPad([
      [2, 1],
      [0, 3],
    ]),
    grouped(6, 2, { strides: 2 }),
    relu,
    head,
  ),
  'grouped convolution, batch norm, ReLU': chain(
    conv(6),
    zeroPad([
      [1, 1],
      [1, 1],
    ]),
    grouped(9, 3),
    bn(),
    relu,
    head,
  ),
  'grouped convolution, 1×1, a group a channel': chain(
    conv(4),
    grouped(8, 4, { kernelSize: 1, useBias: false }),
    head,
  ),
  'depthwise convolution, bias': chain(conv(4), depthwise(), head),
  'depthwise convolution, padded': chain(
    conv(4),
    zeroPad([
      [2, 1],
      [0, 3],
    ]),
    depthwise({ useBias: false }),
    tanh,
    head,
  ),
  'depthwise convolution, padded, stride 2': chain(
    conv(4),
    zeroPad([
      [1, 1],
      [1, 1],
    ]),
    depthwise({ strides: 2 }),
    bn(),
    relu,
    head,
  ),
  'depthwise convolution, two filters a channel': chain(
    depthwise({ depthMultiplier: 2, padding: 'same' }),
    tanh,
    head,
  ),
  'depthwise convolution, same, stride 2, three filters a channel': chain(
    conv(4),
    depthwise({ depthMultiplier: 3, padding: 'same', strides: 2 }),
    head,
  ),
  'depthwise convolution, 4×2, with an activation of its own': chain(
    conv(4),
    depthwise({ kernelSize: [4, 2], activation: 'tanh' }),
    head,
  ),
  'depthwise convolution, batch norm': chain(conv(4), depthwise(), bn(), tanh, head),
  'ReLU that stops at 6': chain(
    conv(16),
    conv(16),
    relu6,
    conv(16),
    of(() => tfl.layers.activation({ activation: 'relu6' })),
    head,
  ),
  'batch norm, then ReLU that stops at 6': chain(
    conv(16),
    bn({ gammaInitializer: tfl.initializers.constant({ value: 8 }) }),
    relu6,
    conv(16),
    head,
  ),
  'an inverted residual block': chain(
    conv(4),
    (x) =>
      apply(tfl.layers.add(), [
        x,
        chain(
          conv(8, { kernelSize: 1, useBias: false }),
          bn(),
          relu6,
          zeroPad([
            [1, 1],
            [1, 1],
          ]),
          depthwise({ useBias: false }),
          bn(),
          relu6,
          conv(4, { kernelSize: 1, useBias: false }),
          bn(),
        )(x),
      ]),
    head,
  ),
  'squeeze and excitation': chain(conv(4), (x) => multiply(x, gate(4)(x)), tanh, head),
  'squeeze and excitation, the numbers first': chain(
    conv(4),
    (x) => multiply(gate(4)(x), tanh(x)),
    head,
  ),
  'a product of two images': chain(
    conv(4),
    (x) => multiply(tanh(x), conv(4, { padding: 'same' })(x)),
    head,
  ),
  'a square': chain(conv(4), tanh, (x) => multiply(x, x), head),
  'tanh at the end': chain(conv(4), head, tanh),
  'samples left out': chain(
    conv(4),
    (x) => apply(tfl.layers.add(), [x, chain(conv(4, { padding: 'same' }), dropSamples(0.4))(x)]),
    tanh,
    head,
  ),
  'channels of zeros': chain(
    conv(4),
    (x) =>
      apply(tfl.layers.add(), [
        conv(7, { kernelSize: 1, strides: 2 })(x),
        chain(
          of(() => tfl.layers.averagePooling2d({ poolSize: 1, strides: 2 })),
          zeroPad(
            [
              [0, 0],
              [1, 2],
            ],
            { dataFormat: 'channelsFirst' },
          ),
        )(x),
      ]),
    tanh,
    head,
  ),
  'channels and columns of zeros': chain(
    conv(4),
    zeroPad(
      [
        [2, 1],
        [0, 3],
      ],
      { dataFormat: 'channelsFirst' },
    ),
    conv(3),
    tanh,
    head,
  ),
  'a row of every second pixel': chain(
    conv(4),
    of(() => tfl.layers.maxPooling2d({ poolSize: 1, strides: 2 })),
    tanh,
    head,
  ),
  'frozen batch norm': chain(conv(4), frozenBn, tanh, head),
  'frozen batch norm, ReLU': chain(conv(4), frozenBn, relu, conv(3), head),
  'frozen batch norm without scale': chain(
    conv(4),
    frozen(() => tfl.layers.batchNormalization({ scale: false })),
    tanh,
    head,
  ),
  'a residual block of frozen batch norms': chain(
    conv(4),
    (x) =>
      relu(
        apply(tfl.layers.add(), [
          chain(
            conv(4, { padding: 'same' }),
            frozenBn,
            relu,
            conv(4, { padding: 'same' }),
            frozenBn,
          )(x),
          x,
        ]),
      ),
    head,
  ),
  'a convolution read twice, once normalized': chain(
    conv(4),
    (x) => apply(tfl.layers.add(), [bn()(x), x]),
    tanh,
    head,
  ),
  'dense connections': chain(
    conv(2),
    ...[1, 2, 3, 4].map(
      (): Layers => (x) => join(x, chain(bn(), tanh, conv(2, { padding: 'same' }))(x)),
    ),
    head,
  ),
  'eight inputs in one concatenation': chain(
    conv(2),
    (x) => {
      const grown = [x];
      for (let i = 1; i < 8; i++)
        grown.push(conv(1 + (i % 3), { padding: 'same' })(grown.length > 1 ? join(...grown) : x));
      return join(...grown);
    },
    tanh,
    head,
  ),
  'four branches, one input twice in one concatenation': chain(
    conv(3),
    (x) => join(x, conv(2, { kernelSize: 1 })(x), tanh(x), x),
    (x) => join(conv(2)(x), conv(3)(x)),
    head,
  ),
  'a net in a net': chain(
    conv(4),
    (x) => {
      const inner = tfl.input({ shape: x.shape.slice(1) });
      const body = chain(conv(4, { padding: 'same' }), bn(), relu)(inner);
      return apply(tfl.model({ inputs: inner, outputs: body }), x);
    },
    head,
  ),
  'one layer used twice': (image) => {
    const shared = tfl.layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same', ...seed });
    return head(relu(apply(shared, relu(apply(shared, image)))));
  },
};

/**
 * What tfjs itself cannot train: its fused convolution has no dilated gradient, its batch norm
 * wants both scale and center, its
 * average pool's gradient counts the padding that the pool does not, and its dropout takes no
 * shape.
 */
export const NO_TAPE = [
  'convolution, dilated',
  'batch norm without scale',
  'batch norm without center',
  'layer normalization without scale, and without center',
  'average pool, same',
  'frozen batch norm without scale',
  'samples left out',
];

/**
 * A frozen batch norm of tfjs goes by the batch in training; what Keras means by it is its
 * inference.
 */
export const isFrozen = (name: string) => /frozen/.test(name);

/** Layers whose tape gradient the stock wasm backend lacks. */
export const NOT_ON_WASM = ['a layer that no pattern knows'];

/**
 * Rows that hold between them every operation: a software adapter takes seconds to make a shader
 * ready, and the others need the same ones.
 */
export const ON_WEBGPU = [
  'convolution, same, stride 2',
  'padding into convolution, stride 2',
  'convolution, dilated',
  'convolution, batch norm, ReLU',
  'batch norm without scale',
  'batch norm without center',
  'a residual block',
  'a projected residual block',
  'a sum of three with itself',
  'max-pool',
  'max-pool, overlapping, padded',
  'average pool, same',
  'flatten, dense, ReLU, dense',
  'sigmoid and tanh',
  'reshape and concatenate',
  'a softmax at the end',
  'a layer that no pattern knows',
  'grouped convolution, padded, stride 2, ReLU',
  'depthwise convolution, padded, stride 2',
  'depthwise convolution, two filters a channel',
  'ReLU that stops at 6',
  'squeeze and excitation',
  'samples left out',
  'channels and columns of zeros',
  'frozen batch norm, ReLU',
  'one layer used twice',
];

export function buildNet(name: string): tfl.LayersModel {
  const image = tfl.input({ shape: SHAPE });
  return tfl.model({ inputs: image, outputs: (NETS[name] as Layers)(image) });
}

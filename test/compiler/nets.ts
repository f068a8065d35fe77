/** Small nets that between them hold every operation of a plan, and layers that no pattern knows. */
import * as tfl from '@tensorflow/tfjs-layers';

type Layers = (x: tfl.SymbolicTensor) => tfl.SymbolicTensor;

const SHAPE: [number, number, number] = [9, 7, 2]; // height and width differ, and are odd, so that nothing fits by chance
const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) => layer.apply(x) as tfl.SymbolicTensor;
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

/** A row: its name and what it is made of, from `[batch, 9, 7, 2]` to logits `[batch, 3]`. */
export const NETS: Record<string, Layers> = {
  'convolution, bias, ReLU': chain(conv(4), relu, head),
  'convolution with an activation of its own': chain(conv(4, { activation: 'tanh' }), head),
  'convolution, same, stride 2': chain(conv(4, { padding: 'same', strides: 2 }), relu, conv(3, { strides: [1, 2] }), head),
  'padding into convolution, stride 2': chain(of(() => tfl.layers.zeroPadding2d({ padding: [[2, 1], [0, 3]] })), conv(4, { strides: 2 }), relu, head), // biome-ignore format: a row
  'convolution, 5×3, stride 3 past pixels': chain(conv(4, { kernelSize: [5, 3], strides: [3, 2] }), relu, head),
  'convolution, dilated': chain(conv(4, { dilationRate: 2 }), head),
  'convolution, 1×1': chain(conv(4, { kernelSize: 1, useBias: false }), relu, conv(3, { kernelSize: 1, strides: 2 }), head),
  'padding wider than the kernel': chain(
    of(() => tfl.layers.zeroPadding2d({ padding: 2 })),
    conv(4, { kernelSize: 2 }),
    head,
  ),
  'convolution, batch norm, ReLU': chain(conv(4), bn(), relu, head),
  'batch norm without scale': chain(conv(4), bn({ scale: false }), tanh, head),
  'batch norm without center': chain(conv(4), bn({ center: false }), tanh, head),
  'a residual block': chain(conv(4), (x) => relu(apply(tfl.layers.add(), [chain(conv(4, { padding: 'same' }), bn(), relu, conv(4, { padding: 'same' }), bn())(x), x])), head), // biome-ignore format: a row
  'a projected residual block': chain(conv(4), (x) => relu(apply(tfl.layers.add(), [chain(conv(5, { padding: 'same', strides: 2 }), bn())(x), conv(5, { kernelSize: 1, strides: 2 })(x)])), head), // biome-ignore format: a row
  'a pre-activation block': chain(
    conv(4),
    (x) => apply(tfl.layers.add(), [x, chain(bn(), relu, conv(4, { padding: 'same' }))(x)]),
    head,
  ),
  'a sum of three with itself': chain(conv(4), (x) => apply(tfl.layers.add(), [x, x, conv(4, { padding: 'same' })(x)]), head),
  'max-pool': chain(
    conv(4),
    of(() => tfl.layers.maxPooling2d({ poolSize: 2, strides: 2 })),
    head,
  ),
  'max-pool, overlapping, padded': chain(conv(4), relu, of(() => tfl.layers.zeroPadding2d({ padding: 1 })), of(() => tfl.layers.maxPooling2d({ poolSize: 3, strides: 2 })), head), // biome-ignore format: a row
  'average pool, same': chain(
    conv(4),
    of(() => tfl.layers.averagePooling2d({ poolSize: 2, strides: 2, padding: 'same' })),
    head,
  ),
  'flatten, dense, ReLU, dense': chain(flatten, dense(8, { activation: 'relu' }), dense(3, { useBias: false })),
  'sigmoid and tanh': chain(flatten, dense(8, { activation: 'sigmoid' }), of(() => tfl.layers.activation({ activation: 'tanh' })), dense(3)), // biome-ignore format: a row
  'reshape and concatenate': chain(of(() => tfl.layers.reshape({ targetShape: [7, 9, 2] })), (x) => apply(tfl.layers.concatenate(), [conv(2)(x), conv(3)(x)]), head), // biome-ignore format: a row
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
  'a depthwise convolution through the tape': chain(
    of(() => tfl.layers.depthwiseConv2d({ kernelSize: 3, depthMultiplier: 2 })),
    head,
  ),
  'a net in a net': chain(conv(4), (x) => {
    const inner = tfl.input({ shape: x.shape.slice(1) });
    const body = chain(conv(4, { padding: 'same' }), bn(), relu)(inner);
    return apply(tfl.model({ inputs: inner, outputs: body }), x);
  }, head), // biome-ignore format: a row
  'one layer used twice': (image) => {
    const shared = tfl.layers.conv2d({ filters: 2, kernelSize: 3, padding: 'same', ...seed });
    return head(relu(apply(shared, relu(apply(shared, image)))));
  },
};

/**
 * What tfjs itself cannot train: its fused convolution has no dilated gradient, its batch norm wants both scale and center, its
 * average pool's gradient counts the padding that the pool does not.
 */
export const NO_TAPE = ['convolution, dilated', 'batch norm without scale', 'batch norm without center', 'average pool, same'];

/** Layers whose tape gradient the stock wasm engine lacks. */
export const NOT_ON_WASM = ['a layer that no pattern knows', 'a depthwise convolution through the tape'];

export function buildNet(name: string): tfl.LayersModel {
  const image = tfl.input({ shape: SHAPE });
  return tfl.model({ inputs: image, outputs: (NETS[name] as Layers)(image) });
}

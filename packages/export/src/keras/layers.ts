/** Keras 3's names of layers and of their settings. */
import type { layers } from '@tensorflow/tfjs-layers';
import { nameOf } from '../flat-graph';

type Config = Readonly<Record<string, unknown>>;

interface Row {
  /** Keras's name of the class. @default the layer's own */
  readonly as?: string;
  /** Settings that Keras has under the same name in snake case. */
  readonly keys?: readonly string[];
  /** Settings that have another name in Keras. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Settings that TensorFlow.js omits from a layer's configuration. */
  readonly more?: (layer: layers.Layer) => Config;
}

const KERNEL = ['kernelSize', 'strides', 'padding', 'dataFormat', 'activation', 'useBias'];
const POOL = { keys: ['poolSize', 'strides', 'padding', 'dataFormat'] };
const GLOBAL = { keys: ['dataFormat'] };

/** By TensorFlow.js's class. */
const ROWS: Record<string, Row> = {
  Conv2D: { keys: ['filters', ...KERNEL, 'dilationRate'] },
  'deepend>GroupedConv2D': {
    as: 'Conv2D',
    keys: ['filters', 'kernelSize', 'strides', 'padding', 'useBias', 'groups'],
  },
  DepthwiseConv2D: { keys: [...KERNEL, 'dilationRate', 'depthMultiplier'] },
  SeparableConv2D: {
    keys: ['filters', ...KERNEL, 'dilationRate'],
    // [kh, kw, channels, multiplier].
    more: ({ weights }) => ({ depth_multiplier: weights[0]?.shape[3] ?? 1 }),
  },
  Conv2DTranspose: { keys: ['filters', ...KERNEL] },
  Dense: { keys: ['units', 'activation', 'useBias'] },
  BatchNormalization: { keys: ['axis', 'momentum', 'epsilon', 'center', 'scale'] },
  LayerNormalization: { keys: ['axis', 'epsilon', 'center', 'scale'] },
  Activation: { keys: ['activation'] },
  ReLU: { keys: ['maxValue'] },
  LeakyReLU: { renamed: { alpha: 'negative_slope' } },
  ELU: { keys: ['alpha'] },
  PReLU: { keys: ['sharedAxes'] },
  Softmax: { keys: ['axis'] },
  MaxPooling2D: POOL,
  AveragePooling2D: POOL,
  GlobalAveragePooling2D: GLOBAL,
  GlobalMaxPooling2D: GLOBAL,
  ZeroPadding2D: { keys: ['padding', 'dataFormat'] },
  Cropping2D: { keys: ['cropping', 'dataFormat'] },
  UpSampling2D: { keys: ['size', 'dataFormat', 'interpolation'] },
  Flatten: {},
  Reshape: { keys: ['targetShape'] },
  Permute: { keys: ['dims'] },
  Rescaling: { keys: ['scale', 'offset'] },
  Dropout: { keys: ['rate', 'noiseShape', 'seed'] },
  GaussianDropout: { keys: ['rate'] },
  GaussianNoise: { keys: ['stddev'] },
  AlphaDropout: { keys: ['rate', 'noiseShape'] },
  Add: {},
  Multiply: {},
  Average: {},
  Maximum: {},
  Minimum: {},
  Concatenate: { keys: ['axis'] },
};

/**
 * By TensorFlow.js's names. Its `hardSigmoid` and `gelu_new` differ from Keras 3's functions of
 * these names.
 */
const ACTIVATIONS: Record<string, string> = {
  linear: 'linear',
  relu: 'relu',
  relu6: 'relu6',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  elu: 'elu',
  selu: 'selu',
  softmax: 'softmax',
  logSoftmax: 'log_softmax',
  softplus: 'softplus',
  softsign: 'softsign',
  swish: 'silu',
  mish: 'mish',
  gelu: 'gelu',
};

/** The order of a layer's weights in Keras. */
const WEIGHTS = [
  'kernel',
  'depthwise_kernel',
  'pointwise_kernel',
  'alpha',
  'gamma',
  'beta',
  'bias',
  'moving_mean',
  'moving_variance',
];

/** The index by which Keras orders a layer's weights; −1 for a kind that it does not have. */
export const placeOf = (kind: string): number => WEIGHTS.indexOf(kind);

export interface KerasLayer {
  readonly className: string;
  readonly config: Config;
}

/**
 * A layer's class and configuration in Keras 3, without its name.
 * @param where beginning of each error
 * @throws Error for a layer that Keras does not have, or an activation that Keras computes
 *   differently; the error names the layer
 */
export function kerasLayer(layer: layers.Layer, where: string): KerasLayer {
  const kind = layer.getClassName();
  const row = Object.hasOwn(ROWS, kind) ? ROWS[kind] : undefined;
  if (!row) {
    const known = Object.keys(ROWS)
      .map((name) => name.replace('deepend>', ''))
      .join(', ');
    throw new Error(
      `${where}: ${nameOf(layer)}: expected a layer of ${known}, got another; keep such a ` +
        `model with saveModel`,
    );
  }
  const config = layer.getConfig() as Config;
  const named = [
    ...(row.keys ?? []).map((key) => [key, snakeCase(key)] as const),
    ...Object.entries(row.renamed ?? {}),
  ];
  const given = named.filter(([key]) => config[key] !== undefined && config[key] !== null);
  const settings = given.map(([key, name]) => [
    name,
    kerasValue(key, config[key], { layer, where }),
  ]);
  return {
    className: row.as ?? kind,
    config: {
      trainable: layer.trainable,
      dtype: 'float32',
      ...Object.fromEntries(settings),
      ...row.more?.(layer),
    },
  };
}

function kerasValue(
  key: string,
  value: unknown,
  { layer, where }: { layer: layers.Layer; where: string },
): unknown {
  if (key === 'dataFormat') return snakeCase(String(value));
  if (key === 'targetShape') return (value as (number | null)[]).map((size) => size ?? -1);
  if (key !== 'activation') return value;
  if (Object.hasOwn(ACTIVATIONS, String(value))) return ACTIVATIONS[String(value)];
  throw new Error(
    `${where}: ${nameOf(layer)}: expected an activation that Keras 3 computes alike, ` +
      `${Object.keys(ACTIVATIONS).join(', ')}, ` +
      `got '${value}'; keep such a model with saveModel`,
  );
}

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

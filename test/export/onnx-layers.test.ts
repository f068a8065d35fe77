/**
 * Single layers, and nets that a user composes of them, as ONNX files: what ONNX Runtime computes
 * is what TensorFlow.js computes.
 */
import { adaptiveAveragePool, GroupedConv2D } from '@deepend/nn';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, it } from 'vitest';
import { use } from '../helpers/backends';
import { chain, expectSame, fillAll } from '../helpers/onnx';
import { ortAbsent } from '../helpers/onnxruntime';

beforeAll(() => use('cpu-js'));

const { layers } = tfl;
type Layer = tfl.layers.Layer;

const IMAGE = [7, 6, 4];
const conv = (options: object = {}) =>
  layers.conv2d({ filters: 3, kernelSize: 3, biasInitializer: 'ones', ...options });
const ACTIVATIONS = [
  'linear',
  'relu',
  'relu6',
  'elu',
  'selu',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'softplus',
  'softsign',
  'softmax',
  'logSoftmax',
  'swish',
  'mish',
  'gelu',
  'gelu_new',
];

const NETS: [string, () => tfl.LayersModel][] = [
  ['Conv2D', () => chain(IMAGE, conv())],
  [
    'Conv2D with other sides and no bias',
    () => chain(IMAGE, conv({ kernelSize: [3, 2], strides: [1, 2], useBias: false })),
  ],
  ['Conv2D, same', () => chain(IMAGE, conv({ padding: 'same' }))],
  [
    'Conv2D, same at stride 2, which pads unevenly',
    () => chain(IMAGE, conv({ padding: 'same', strides: 2 })),
  ],
  [
    'Conv2D, same at stride 3 with an even kernel',
    () => chain(IMAGE, conv({ padding: 'same', strides: 3, kernelSize: 4 })),
  ],
  [
    'Conv2D, dilated',
    () => chain(IMAGE, conv({ padding: 'same', dilationRate: 2 }), conv({ dilationRate: [3, 2] })),
  ],
  [
    'Conv2D, channels first',
    () => chain([4, 7, 6], conv({ dataFormat: 'channelsFirst', activation: 'relu' })),
  ],
  [
    'Conv2D behind its own zeros',
    () =>
      chain(
        IMAGE,
        layers.zeroPadding2d({
          padding: [
            [1, 2],
            [0, 3],
          ],
        }),
        conv({ padding: 'same', strides: 2 }),
      ),
  ],
  [
    'Conv2D of open sizes',
    () =>
      chain(
        [null, null, 4],
        conv(),
        conv({ padding: 'same' }),
        conv({ padding: 'same', strides: 2 }),
      ),
  ],
  [
    'zeros and Conv2D of open sizes',
    () =>
      chain(
        [null, null, 4],
        layers.zeroPadding2d({ padding: 2 }),
        conv({ padding: 'same', strides: 2 }),
      ),
  ],
  [
    'Conv1D',
    () =>
      chain(
        [9, 4],
        layers.conv1d({
          filters: 3,
          kernelSize: 3,
          strides: 2,
          padding: 'same',
          activation: 'tanh',
        }),
      ),
  ],
  [
    'Conv3D',
    () =>
      chain(
        [5, 4, 6, 2],
        layers.conv3d({ filters: 3, kernelSize: 2, strides: 2, padding: 'same' }),
      ),
  ],
  [
    'grouped convolution',
    () => chain(IMAGE, new GroupedConv2D({ filters: 6, kernelSize: 3, groups: 2, strides: 2 })),
  ],
  [
    'DepthwiseConv2D',
    () =>
      chain(
        IMAGE,
        layers.depthwiseConv2d({
          kernelSize: 3,
          depthMultiplier: 2,
          strides: 2,
          padding: 'same',
          activation: 'relu',
        }),
      ),
  ],
  [
    'SeparableConv2D',
    () =>
      chain(
        IMAGE,
        layers.separableConv2d({
          filters: 5,
          kernelSize: 3,
          depthMultiplier: 2,
          dilationRate: 2,
          activation: 'relu',
        }),
      ),
  ],
  ...[
    [3, 2],
    [2, 3],
    [4, 2],
    [2, 2],
    [5, 1],
  ].flatMap(([kernelSize = 1, strides = 1]) =>
    (['valid', 'same'] as const).map((padding): [string, () => tfl.LayersModel] => [
      `Conv2DTranspose, ${padding}, kernel ${kernelSize}, stride ${strides}`,
      () => chain(IMAGE, layers.conv2dTranspose({ filters: 3, kernelSize, strides, padding })),
    ]),
  ),
  [
    'Dense',
    () =>
      chain(
        [5],
        layers.dense({ units: 4, activation: 'relu' }),
        layers.dense({ units: 3, useBias: false }),
      ),
  ],
  [
    'Dense along the channels',
    () => chain(IMAGE, conv(), layers.dense({ units: 4, activation: 'elu' }), conv()),
  ],
  [
    'Dense along a sequence',
    () => chain([5, 4], layers.dense({ units: 3 }), layers.dense({ units: 2, useBias: false })),
  ],
  [
    'Dense along the columns',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.permute({ dims: [1, 3, 2] }),
        layers.dense({ units: 3 }),
        layers.permute({ dims: [3, 2, 1] }),
        layers.dense({ units: 2 }),
      ),
  ],
  [
    'BatchNormalization',
    () => chain(IMAGE, conv(), layers.batchNormalization({ epsilon: 0.1 }), layers.reLU()),
  ],
  [
    'BatchNormalization without scale or center',
    () =>
      chain(
        IMAGE,
        layers.batchNormalization({ scale: false }),
        conv({ useBias: false }),
        layers.batchNormalization({ center: false }),
      ),
  ],
  ['BatchNormalization of a sequence', () => chain([5, 4], layers.batchNormalization())],
  [
    'BatchNormalization of a linear layer and of a flattened image',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.flatten(),
        layers.batchNormalization(),
        layers.dense({ units: 4 }),
        layers.batchNormalization(),
      ),
  ],
  [
    'BatchNormalization behind a depthwise convolution of one pixel',
    () => chain(IMAGE, layers.depthwiseConv2d({ kernelSize: 1 }), layers.batchNormalization()),
  ],
  ['LayerNormalization', () => chain(IMAGE, conv(), layers.layerNormalization({ epsilon: 0.01 }))],
  [
    'LayerNormalization over all axes',
    () =>
      chain(
        IMAGE,
        layers.layerNormalization({ axis: [1, 2, 3], scale: false }),
        layers.layerNormalization({ axis: [1, 2], center: false }),
      ),
  ],
  [
    'LayerNormalization of a flattened image',
    () => chain(IMAGE, conv(), layers.flatten(), layers.layerNormalization()),
  ],
  ...ACTIVATIONS.flatMap((activation): [string, () => tfl.LayersModel][] => [
    [
      `Activation ${activation}`,
      () => chain(IMAGE, conv(), layers.activation({ activation: activation as 'relu' })),
    ],
    [
      `Dense with ${activation}`,
      () => chain([5], layers.dense({ units: 4, activation: activation as 'relu' })),
    ],
  ]),
  ['Softmax of a flattened image', () => chain(IMAGE, conv(), layers.flatten(), layers.softmax())],
  ['ReLU to 1.5', () => chain(IMAGE, layers.reLU({ maxValue: 1.5 }))],
  [
    'LeakyReLU, ELU and ThresholdedReLU',
    () =>
      chain(
        IMAGE,
        layers.leakyReLU({ alpha: 0.2 }),
        layers.elu(),
        layers.thresholdedReLU({ theta: 0.4 }),
      ),
  ],
  [
    'PReLU',
    () =>
      chain(
        IMAGE,
        layers.prelu(),
        conv(),
        layers.prelu({ sharedAxes: [1, 2] }),
        layers.flatten(),
        layers.prelu(),
      ),
  ],
  ['MaxPooling2D', () => chain(IMAGE, layers.maxPooling2d({ poolSize: 2 }))],
  [
    'MaxPooling2D, same',
    () => chain(IMAGE, layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  ],
  [
    'MaxPooling2D behind zeros, of what may be below',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.zeroPadding2d({ padding: 1 }),
        layers.maxPooling2d({ poolSize: 3, strides: 2 }),
      ),
  ],
  [
    'MaxPooling2D behind zeros, of what is not',
    () =>
      chain(
        IMAGE,
        conv({ activation: 'relu' }),
        layers.zeroPadding2d({ padding: 1 }),
        layers.maxPooling2d({ poolSize: 3, strides: 2 }),
      ),
  ],
  [
    'MaxPooling2D behind more zeros than it is large',
    () =>
      chain(
        IMAGE,
        layers.reLU(),
        layers.zeroPadding2d({ padding: 3 }),
        layers.maxPooling2d({ poolSize: 2, strides: 1 }),
      ),
  ],
  [
    'MaxPooling2D of open sizes',
    () => chain([null, null, 4], layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  ],
  [
    'AveragePooling2D',
    () => chain(IMAGE, layers.averagePooling2d({ poolSize: [3, 2], strides: 2 })),
  ],
  [
    'AveragePooling2D, same, whose border does not count',
    () => chain(IMAGE, layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' })),
  ],
  [
    'AveragePooling2D behind zeros, which count',
    () =>
      chain(
        IMAGE,
        layers.zeroPadding2d({ padding: 1 }),
        layers.averagePooling2d({ poolSize: 3, strides: 2 }),
      ),
  ],
  [
    'AveragePooling2D, same, behind zeros',
    () =>
      chain(
        IMAGE,
        layers.zeroPadding2d({ padding: 1 }),
        layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
      ),
  ],
  [
    'pools of a sequence',
    () =>
      chain(
        [9, 4],
        layers.maxPooling1d({ poolSize: 2 }),
        layers.averagePooling1d({ poolSize: 2, strides: 1, padding: 'same' }),
      ),
  ],
  [
    'global pools of a sequence',
    () =>
      chain([9, 4], layers.conv1d({ filters: 3, kernelSize: 2 }), layers.globalAveragePooling1d()),
  ],
  ['MaxPooling3D', () => chain([4, 4, 4, 2], layers.maxPooling3d({ poolSize: 2, strides: 2 }))],
  ['GlobalAveragePooling2D', () => chain(IMAGE, layers.globalAveragePooling2d({}))],
  [
    'GlobalMaxPooling2D of open sizes',
    () => chain([null, null, 4], conv(), layers.globalMaxPooling2d({}), layers.dense({ units: 2 })),
  ],
  [
    'ZeroPadding2D at the end',
    () =>
      chain(
        IMAGE,
        layers.zeroPadding2d({
          padding: [
            [1, 0],
            [2, 3],
          ],
        }),
      ),
  ],
  [
    'ZeroPadding2D twice, and of channels',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.zeroPadding2d({ padding: 1 }),
        layers.zeroPadding2d({
          padding: [
            [0, 0],
            [0, 2],
          ],
          dataFormat: 'channelsFirst',
        }),
        conv(),
      ),
  ],
  [
    'Cropping2D',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.cropping2D({
          cropping: [
            [1, 0],
            [0, 2],
          ],
        }),
      ),
  ],
  ['UpSampling2D', () => chain(IMAGE, layers.upSampling2d({ size: [2, 3] }), conv())],
  [
    'UpSampling2D, bilinear',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear' } as never),
      ),
  ],
  ['Flatten', () => chain(IMAGE, conv(), layers.flatten())],
  [
    'Flatten and Dense',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.flatten(),
        layers.dropout({ rate: 0.5 }),
        layers.reLU(),
        layers.dense({ units: 3 }),
      ),
  ],
  [
    'Flatten, channels first',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.flatten({ dataFormat: 'channelsFirst' }),
        layers.dense({ units: 3 }),
      ),
  ],
  [
    'Permute and Flatten',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.permute({ dims: [2, 1, 3] }),
        layers.flatten(),
        layers.dense({ units: 3 }),
      ),
  ],
  [
    'Permute and Conv2D',
    () => chain(IMAGE, conv(), layers.permute({ dims: [3, 1, 2] }), conv({ kernelSize: 2 })),
  ],
  [
    'Permute behind zeros',
    () =>
      chain(
        IMAGE,
        layers.zeroPadding2d({
          padding: [
            [1, 0],
            [2, 0],
          ],
        }),
        layers.permute({ dims: [2, 1, 3] }),
        conv(),
      ),
  ],
  [
    'Reshape',
    () =>
      chain(IMAGE, conv(), layers.reshape({ targetShape: [-1, 6] }), layers.dense({ units: 2 })),
  ],
  [
    'Reshape to a row and back',
    () =>
      chain(
        IMAGE,
        conv(),
        layers.reshape({ targetShape: [60] }),
        layers.reLU(),
        layers.reshape({ targetShape: [5, 4, 3] }),
        conv(),
      ),
  ],
  [
    'Reshape of a row to a pixel',
    () => chain([6], layers.reshape({ targetShape: [1, 1, 6] }), conv({ kernelSize: 1 })),
  ],
  ['Rescaling', () => chain(IMAGE, layers.rescaling({ scale: 0.5, offset: -1 }), conv())],
  [
    'what only training does',
    () =>
      chain(
        IMAGE,
        layers.gaussianNoise({ stddev: 1 }),
        layers.dropout({ rate: 0.5 }),
        layers.gaussianDropout({ rate: 0.5 }),
        layers.alphaDropout({ rate: 0.5 }),
        conv(),
      ),
  ],
  ['nothing but Dropout', () => chain(IMAGE, layers.dropout({ rate: 0.5 }))],
  [
    'adaptive pooling that no size divides',
    () =>
      chain(
        [7, 5, 4],
        conv({ padding: 'same' }),
        { apply: adaptiveAveragePool(3, 'pool') } as unknown as Layer,
        layers.flatten(),
        layers.dense({ units: 2 }),
      ),
  ],
];

describe(`ONNX Runtime${ortAbsent && ` (skipped: ${ortAbsent})`}`, () => {
  it.skipIf(ortAbsent).each(NETS)('computes %s', async (_, make) => {
    const net = make();
    fillAll(net);
    await expectSame(net);
    net.dispose();
  });

  it.skipIf(ortAbsent)(
    'computes BatchNormalization along the rows, where backends for CPUs take the last axis',
    async () => {
      const permute = () => layers.permute({ dims: [3, 2, 1] });
      const net = chain(IMAGE, layers.batchNormalization({ axis: 1 }));
      const like = chain(IMAGE, permute(), layers.batchNormalization(), permute());
      fillAll(net);
      like.setWeights(net.getWeights());
      await expectSame(net, { like });
    },
  );
});

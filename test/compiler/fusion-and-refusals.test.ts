import { compile } from '@deepend/compiler';
import { book, createModel } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

const lines = (text: string) => text.split('\n').map((line) => line.split('  ')[0]);

describe('describe', () => {
  it('shows what was fused', async () => {
    await use('cpu-js');
    const plan = compile(book.resnet8({ inputShape: [28, 28, 1] }));
    const residual = [
      'conv2d + normalized',
      'batchNorm + scale + center + relu',
      'conv2d + normalized',
      'batchNorm + scale + center + relu + residual',
    ];
    expect(lines(plan.describe())).toEqual([
      ...['conv2d + normalized', 'batchNorm + scale + center + relu', 'maxPool'],
      ...residual,
      ...residual.slice(0, 3),
      ...['conv2d', residual[3]],
      ...residual.slice(0, 3),
      ...['conv2d', residual[3]],
      ...['globalAveragePool', 'dense'],
    ]);
    expect(plan.numClasses).toBe(10);
    expect(plan.inputShape).toEqual([28, 28, 1]);
  });

  it('shows ReLU6 in the normalization before it', async () => {
    await use('cpu-js');
    const plan = compile(createModel('mobilenet_v2', { inputShape: [32, 32, 3], numClasses: 10 }));
    const shown = lines(plan.describe());
    expect(shown).toContain('batchNorm + scale + center + relu + ceiling 6');
    expect(shown.filter((line) => line?.startsWith('activation'))).toEqual([]);
  });
});

const image = () => tfl.input({ shape: [4, 4, 1] });
const sequence = (...layers: tfl.layers.Layer[]) => tfl.sequential({ layers });
const regularized = tfl.regularizers.l2({ l2: 0.1 });

const REFUSED: [why: string, net: () => tfl.LayersModel, message: RegExp][] = [
  [
    'two inputs',
    () => {
      const [a, b] = [image(), image()];
      return tfl.model({
        inputs: [a, b],
        outputs: tfl.layers.add().apply([a, b]) as tfl.SymbolicTensor,
      });
    },
    /expected one input and one output, got 2 and 1/,
  ],
  [
    'no logits',
    () => sequence(tfl.layers.conv2d({ inputShape: [4, 4, 1], filters: 1, kernelSize: 2 })),
    /expected logits \[batch, numClasses\]/,
  ],
  [
    'a regularizer',
    () =>
      sequence(
        tfl.layers.flatten({ inputShape: [4, 4, 1] }),
        tfl.layers.dense({ units: 2, kernelRegularizer: regularized }),
      ),
    /a compiled plan has no kernelRegularizer; leave it out/,
  ],
  [
    'a dilation that the layer ignores',
    () =>
      sequence(
        tfl.layers.depthwiseConv2d({ inputShape: [9, 9, 1], kernelSize: 2, dilationRate: 2 }),
        tfl.layers.flatten(),
        tfl.layers.dense({ units: 2 }),
      ),
    /layer '.*' \(DepthwiseConv2D\): TensorFlow.js's own layer ignores dilationRate \[2, 2\]/,
  ],
  [
    'dropout that is neither per number nor per sample',
    () =>
      sequence(
        tfl.layers.flatten({ inputShape: [4, 4, 1] }),
        tfl.layers.dropout({ rate: 0.5, noiseShape: [1, 16] }),
        tfl.layers.dense({ units: 2 }),
      ),
    /layer '.*' \(Dropout\): expected noiseShape \[null, 1, 1, 1\], for one draw per sample, got \[1, 16\]/,
  ],
  [
    'noise that cannot be drawn twice',
    () =>
      sequence(
        tfl.layers.flatten({ inputShape: [4, 4, 1] }),
        tfl.layers.gaussianNoise({ stddev: 1 }),
        tfl.layers.dense({ units: 2 }),
      ),
    /cannot be drawn again for the gradient; use Dropout/,
  ],
  [
    'masks of Masking',
    () =>
      sequence(
        tfl.layers.masking({ inputShape: [5, 2] }),
        tfl.layers.lstm({ units: 2, recurrentInitializer: 'zeros' }),
      ),
    /layer '.*' \(Masking\): a compiled plan passes no masks .*; train\(\) computes such a model on the tape/,
  ],
  [
    'masks of Embedding',
    () =>
      sequence(
        tfl.layers.embedding({ inputDim: 9, outputDim: 2, maskZero: true, inputLength: 5 }),
        tfl.layers.gru({ units: 2, recurrentInitializer: 'zeros' }),
      ),
    /layer '.*' \(Embedding\): maskZero: a compiled plan passes no masks/,
  ],
  [
    'dropout of an LSTM',
    () =>
      sequence(
        tfl.layers.lstm({
          units: 2,
          recurrentInitializer: 'zeros',
          inputShape: [5, 2],
          recurrentDropout: 0.5,
        }),
      ),
    /\(LSTM\): recurrentDropout: its random numbers cannot be drawn again/,
  ],
  [
    'dropout inside a wrapper',
    () =>
      sequence(
        tfl.layers.timeDistributed({
          layer: tfl.layers.dropout({ rate: 0.5 }),
          inputShape: [5, 2],
        } as Parameters<typeof tfl.layers.timeDistributed>[0]),
        tfl.layers.flatten(),
      ),
    /\(TimeDistributed\): Dropout inside, its random numbers cannot be drawn again/,
  ],
  [
    "dropout of an RNN's second cell",
    () =>
      sequence(
        tfl.layers.rnn({
          cell: [
            tfl.layers.lstmCell({ units: 2, recurrentInitializer: 'zeros' }),
            tfl.layers.gruCell({
              units: 2,
              recurrentInitializer: 'zeros',
              dropout: 0.5,
            }),
          ] as never,
          inputShape: [5, 2],
        }) as tfl.layers.Layer,
      ),
    /\(RNN\): GRUCell inside, dropout: its random numbers cannot be drawn again/,
  ],
  [
    'a regularizer inside a wrapper',
    () =>
      sequence(
        tfl.layers.bidirectional({
          layer: tfl.layers.lstm({
            units: 2,
            recurrentInitializer: 'zeros',
            recurrentRegularizer: regularized,
          }),
          inputShape: [5, 2],
        } as Parameters<typeof tfl.layers.bidirectional>[0]),
      ),
    /\(Bidirectional\): LSTM inside, a compiled plan has no recurrentRegularizer/,
  ],
  [
    'an RNN that keeps its state',
    () =>
      sequence(
        tfl.layers.gru({
          units: 2,
          recurrentInitializer: 'zeros',
          batchInputShape: [4, 5, 2],
          stateful: true,
        }),
      ),
    /\(GRU\): stateful: a compiled plan computes the layer a second time/,
  ],
  [
    'an initial state',
    () => {
      const x = tfl.input({ shape: [5, 2] });
      const state = tfl.layers
        .simpleRNN({ units: 3, recurrentInitializer: 'zeros' })
        .apply(x) as tfl.SymbolicTensor;
      const rnn = tfl.layers.simpleRNN({ units: 3, recurrentInitializer: 'zeros' });
      return tfl.model({
        inputs: x,
        outputs: rnn.apply(x, { initialState: [state] }) as tfl.SymbolicTensor,
      });
    },
    /\(SimpleRNN\): a compiled plan passes no initial state/,
  ],
];

describe('a model that cannot be compiled', () => {
  it.each(REFUSED)('%s', (_, net, message) => {
    expect(() => compile(net())).toThrow(message);
  });
});

it('takes the output that was asked for of a model inside a model', async () => {
  await use('cpu-js');
  const x = tfl.input({ shape: [4] });
  const both = ['ones', 'zeros'].map(
    (kernelInitializer) =>
      tfl.layers
        .dense({ units: 2, kernelInitializer: kernelInitializer as 'ones' })
        .apply(x) as tfl.SymbolicTensor,
  );
  const inner = tfl.model({ inputs: x, outputs: both });
  const image = tfl.input({ shape: [4] });
  const [, second] = inner.apply(image) as tfl.SymbolicTensor[];
  const net = tfl.model({ inputs: image, outputs: second as tfl.SymbolicTensor });
  const output = compile(net).predict(tf.ones([1, 4]));
  expect([...output.dataSync()]).toEqual([0, 0]);
});

/** Nets of thousands of layers, as ResNet-1001 is. */
import { compile } from '@deepend/compiler';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { isFull } from '../helpers/full';

const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) =>
  layer.apply(x) as tfl.SymbolicTensor;
const conv = (x: tfl.SymbolicTensor) =>
  apply(tfl.layers.conv2d({ filters: 2, kernelSize: 1, useBias: false }), x);
const bn = (x: tfl.SymbolicTensor) => apply(tfl.layers.batchNormalization(), x);
const relu = (x: tfl.SymbolicTensor) => apply(tfl.layers.reLU(), x);
const block = (x: tfl.SymbolicTensor) =>
  relu(apply(tfl.layers.add(), [bn(conv(relu(bn(conv(x))))), x]));

function residualNet(blocks: number): tfl.LayersModel {
  const image = tfl.input({ shape: [2, 2, 2] });
  let x: tfl.SymbolicTensor = image;
  for (let i = 0; i < blocks; i++) x = block(x);
  return tfl.model({ inputs: image, outputs: apply(tfl.layers.globalAveragePooling2d({}), x) });
}

describe('a plan of a deep net', () => {
  it('has every block as a plan of one block has it, and trains', async () => {
    await use('cpu-js');
    const kinds = (net: tfl.LayersModel) =>
      compile(net)
        .describe()
        .split('\n')
        .map((line) => line.split('  ')[0]);
    const one = kinds(residualNet(1)).slice(0, -1);
    expect(one).toEqual([
      ...[
        'conv2d',
        'batchNorm + scale + center + relu',
        'conv2d',
        'batchNorm + scale + center + relu + residual',
      ],
    ]);
    const blocks = isFull ? 429 : 143; // 7 layers each: 3,005 or 1,003 with the input and the head
    const net = residualNet(blocks);
    expect(net.layers.length).toBe(7 * blocks + 2);
    expect(kinds(net)).toEqual([...new Array(blocks).fill(one).flat(), 'globalAveragePool']);
    const { loss, gradients } = compile(net).forwardBackward(
      tf.ones([1, 2, 2, 2]),
      tf.tensor1d([0], 'int32'),
      { loss: softmaxCrossEntropy },
    );
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    expect(gradients.length).toBe(net.trainableWeights.length);
  });
});

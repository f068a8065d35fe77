/** The summary of an `nn.Module`: rows, shapes, parameters and multiply-accumulates. */
import { summarize, summary } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('simd'));

class Tagger extends nn.Module {
  readonly embed = new nn.Embedding(28, 16);
  readonly body = new nn.Sequential(new nn.Linear(16, 32), new nn.ReLU(), new nn.Linear(32, 8));
  readonly scale = nn.parameter([8], { init: 'ones' });

  forward(ids: tf.Tensor) {
    const hidden = this.body.forward(this.embed.forward(ids));
    return tf.matMul(tf.mul(hidden, this.scale), tf.ones([2, 8, 5]));
  }
}

describe('summary of a module', () => {
  const net = new Tagger();
  const inputs = tf.zeros([2, 7], 'int32');

  it('has a row for each module directly inside, and one for what forward does itself', () => {
    const before = tf.memory().numTensors;
    const rows = summarize(net, { inputs });
    expect(tf.memory().numTensors).toBe(before);
    const macs = 7 * (16 * 32 + 32 * 8);
    expect(
      rows.map(({ name, outputShape, parameters, macs }) => [name, outputShape, parameters, macs]),
    ).toEqual([
      ['Tagger', [2, 7, 5], 8, 7 * 8 * 5],
      ['embed', [2, 7, 16], 28 * 16, 0],
      ['body', [2, 7, 8], 16 * 32 + 32 + 32 * 8 + 8, macs],
    ]);
  });

  it('can have a row for each module that holds no other', () => {
    const rows = summarize(net, { inputs, rows: 'layers' });
    expect(rows.map(({ name }) => name)).toEqual(['Tagger', 'embed', 'body.0', 'body.1', 'body.2']);
    expect(rows.map(({ macs }) => macs)).toEqual([280, 0, 7 * 16 * 32, 0, 7 * 32 * 8]);
  });

  it('counts a shared parameter once, and says what is frozen', () => {
    class Tied extends nn.Module {
      readonly a = new nn.Linear(4, 4, { bias: false });
      readonly b = new nn.Linear(4, 4, { bias: false });
      constructor() {
        super();
        this.b.weight = this.a.weight;
        this.a.weight.trainable = false;
      }
      forward(x: tf.Tensor) {
        return this.b.forward(this.a.forward(x));
      }
    }
    const text = summary(new Tied(), { inputs: tf.zeros([1, 4]) });
    expect(text).toMatch(/total +16 +32/);
    expect(text).toMatch(/trainable 0 of 16 \(16 frozen\)/);
  });

  class Encoder extends nn.Module {
    readonly embed = new nn.Embedding(28, 16);
    readonly encoder = new nn.TransformerEncoder(
      () => new nn.TransformerEncoderLayer(16, 2, { dimFeedforward: 32, batchFirst: true }),
      2,
    );
    readonly out = new nn.Linear(16, 28);
    forward(ids: tf.Tensor) {
      return this.out.forward(this.encoder.forward(this.embed.forward(ids) as tf.Tensor3D));
    }
  }
  class Recurrent extends nn.Module {
    readonly gru = new nn.GRU(28, 32, { numLayers: 2 });
    readonly out = new nn.Linear(32, 28);
    forward(x: tf.Tensor3D) {
      return this.out.forward(this.gru.forward(x)[0]);
    }
  }
  const nested: [string, () => nn.Module, tf.Tensor][] = [
    ['a Transformer', () => new Encoder(), tf.zeros([1, 10], 'int32')],
    ['a recurrent network', () => new Recurrent(), tf.zeros([35, 1, 28])],
  ];
  it.each(nested)('counts each parameter and multiplication of %s once', (_, make, example) => {
    const model = make();
    const size = model.parameters().reduce((sum, variable) => sum + variable.size, 0);
    const macs = (['blocks', 'layers', 'tree'] as const).map((rows) => {
      const found = summarize(model, { inputs: example, rows });
      expect(found.reduce((sum, row) => sum + row.parameters, 0)).toBe(size);
      return found.reduce((sum, row) => sum + row.macs, 0);
    });
    expect(macs[0]).toBeGreaterThan(size / 2);
    expect(macs).toEqual([macs[0], macs[0], macs[0]]);
    model.dispose();
  });

  it('prints all modules as a tree, with their classes', () => {
    const text = summary(new Encoder(), { inputs: tf.zeros([1, 10], 'int32'), rows: 'tree' });
    expect(text).toMatch(/^module +type +output shape +parameters +MACs +activations\n/);
    expect(text).toMatch(/^Encoder +Encoder +\[1, 10, 28\] +0 /m);
    expect(text).toMatch(/^ {2}encoder +TransformerEncoder +\[1, 10, 16\] +0 /m);
    expect(text).toMatch(/^ {4}layers\.0 +TransformerEncoderLayer +\[1, 10, 16\] +0 /m);
    expect(text).toMatch(/^ {6}linear1 +Linear +\[1, 10, 32\] +544 +5,120 /m);
    const { dense } = tfl.layers;
    const layers = tfl.sequential({ layers: [dense({ units: 2, inputShape: [3] })] });
    expect(() => summary(layers, { rows: 'tree' })).toThrow(/rows 'tree' is for an nn.Module/);
  });

  it('needs inputs that forward takes', () => {
    expect(() => summarize(net)).toThrow(/expected the option "inputs"/);
    expect(() => summarize(net, { inputs: tf.zeros([2, 7]), explain: true })).toThrow(/neither/);
    const wrong = tf.fill([2, 7], 99, 'int32');
    expect(() => summarize(net, { inputs: wrong })).toThrow(
      /cannot compute the example inputs \[2, 7\]/,
    );
    expect(Object.hasOwn(net.embed, 'forward')).toBe(false);
  });
});

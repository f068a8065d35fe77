import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, saveModel } from '../../packages/models/src/files';
import {
  GroupedConv2D,
  type GroupedConv2DConfig,
  groupedConv2d,
} from '../../packages/nn/src/grouped-conv';
import { backends, use } from '../helpers/backends';
import { fillNet, goldenBatch } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

const CONFIG: GroupedConv2DConfig = {
  filters: 6,
  kernelSize: [3, 2],
  groups: 2,
  strides: [2, 1],
  name: 'layer1.0.conv2',
};

function net(config: Partial<GroupedConv2DConfig> = {}): tfl.LayersModel {
  const made = tfl.sequential({
    layers: [
      tfl.layers.zeroPadding2d({ padding: 1, inputShape: [9, 7, 4] }),
      groupedConv2d({ ...CONFIG, ...config }),
    ],
  });
  fillNet(made);
  return made;
}

const output = (of: tfl.LayersModel) =>
  (of.predict(goldenBatch([2, 9, 7, 4], 'grouped').features) as tf.Tensor).dataSync();

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

describe('GroupedConv2D', () => {
  it('has the weights, names and shapes of a convolution over the channels of one group', () => {
    const made = net();
    expect(made.weights.map(({ originalName, shape }) => [originalName, shape])).toEqual([
      ['layer1.0.conv2/kernel', [3, 2, 2, 6]],
      ['layer1.0.conv2/bias', [6]],
    ]);
    expect(made.outputShape).toEqual([null, 5, 8, 6]);
    expect(groupedConv2d(CONFIG).computeOutputShape([null, null, 7, 4])).toEqual([
      null,
      null,
      6,
      6,
    ]);
  });

  it('begins as its initializer says, by the fans of one group', () => {
    const kernelInitializer = tfl.initializers.glorotUniform({ seed: 1 });
    const layer = groupedConv2d({ filters: 64, kernelSize: 3, groups: 4, kernelInitializer });
    layer.build([null, 8, 8, 64]);
    const [kernel, bias] = layer.getWeights() as [tf.Tensor, tf.Tensor];
    const limit = Math.sqrt(6 / (9 * 16 + 9 * 64));
    const largest = tf.max(tf.abs(kernel)).dataSync()[0] as number;
    expect(largest).toBeLessThanOrEqual(limit);
    expect(largest).toBeGreaterThan(0.99 * limit);
    expect(new Set(bias.dataSync())).toEqual(new Set([0]));
  });

  it('is made again from its configuration, whatever its initializer', () => {
    const kernelInitializer = tfl.initializers.randomNormal({ mean: 0, stddev: 0.5, seed: 7 });
    const layer = groupedConv2d({ ...CONFIG, useBias: false, kernelInitializer, trainable: false });
    const again = GroupedConv2D.fromConfig(
      GroupedConv2D,
      JSON.parse(JSON.stringify(layer.getConfig())),
    ) as GroupedConv2D;
    expect(again.getConfig()).toEqual(layer.getConfig());
    expect([again.name, again.trainable]).toEqual(['layer1.0.conv2', false]);
    for (const made of [layer, again]) made.build([null, 9, 7, 4]);
    expect(again.getWeights()[0]?.dataSync()).toEqual(layer.getWeights()[0]?.dataSync());
  });

  it('comes back from a file with the same numbers', async () => {
    const made = net({ useBias: false });
    await saveModel(made, path.join(dir, 'net'));
    const loaded = await loadModel(path.join(dir, 'net'));
    expect(loaded.layers[1]).toBeInstanceOf(GroupedConv2D);
    expect(output(loaded)).toEqual(output(made));
    const { modelTopology } = await fs.readJson(path.join(dir, 'net', 'model.json'));
    expect(JSON.stringify(modelTopology)).toContain('"class_name":"deepend>GroupedConv2D"');
  });

  it('has a name that tensors may have, where it is given none', () => {
    const layers = [1, 2].map(() =>
      groupedConv2d({ filters: 2, kernelSize: 1, groups: 1, name: undefined }),
    );
    for (const layer of layers) layer.build([null, 1, 1, 1]);
    expect(layers[0]?.name).not.toBe(layers[1]?.name);
  });

  it('says which layer has channels that do not fit its groups', () => {
    const image = tfl.input({ shape: [9, 7, 5] });
    const where = /^\[nn\] layer 'layer1\.0\.conv2' \(GroupedConv2D\): /;
    const refused: [make: () => unknown, message: RegExp][] = [
      [
        () => groupedConv2d({ ...CONFIG, filters: 5 }),
        /expected filters that 2 groups divide, got 5/,
      ],
      [
        () => groupedConv2d(CONFIG).apply(image),
        /expected input channels that 2 groups divide, got 5/,
      ],
      [
        () => groupedConv2d(CONFIG).apply(tfl.input({ shape: [4] })),
        /expected images \[batch, height, width, channels\], got \[null, 4\]/,
      ],
      [
        () => groupedConv2d({ ...CONFIG, groups: 0 }),
        /option "groups" must be an integer of at least 1, got 0/,
      ],
      [
        () => groupedConv2d({ ...CONFIG, padding: 'same' as 'valid' }),
        /option "padding" must be one of 'valid', got 'same'/,
      ],
      [
        () => groupedConv2d({ ...CONFIG, strides: [1, 2, 3] as never }),
        /option "strides" must be an integer of at least 1, or two/,
      ],
      [
        () => groupedConv2d({ ...CONFIG, dilationRate: 2 } as never),
        /there is no option "dilationRate"/,
      ],
      [
        () => groupedConv2d({ ...CONFIG, kernelInitializer: 'best' }),
        /"kernelInitializer" must be the name of an initializer .*, got 'best'/,
      ],
    ];
    for (const [make, message] of refused) {
      expect(make).toThrow(message);
      expect(make).toThrow(where);
    }
  });
});

for (const { name: backend, title, absent } of backends.filter(({ name }) => name !== 'cpu-js')) {
  describe.skipIf(absent)(`GroupedConv2D on ${title}`, () => {
    it('predicts as on cpu-js, and leaves no tensor behind', async () => {
      const made = net();
      await use('cpu-js');
      const expected = output(made);
      await use(backend);
      const actual = output(made);
      for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 5);
      const { features } = goldenBatch([2, 9, 7, 4], 'grouped');
      await expectNoLeak(() => tf.dispose(made.predict(features)));
      await use('cpu-js');
    });
  });
}

/** Weights from PyTorch and back: the same logits on both sides. */
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadWeights, saveWeights } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GroupedConv2D } from '../../packages/nn/src/grouped-conv';
import golden from '../golden/safetensors.json' with { type: 'json' };
import { backends, use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { pythonAbsent } from '../helpers/python';

const NET = path.join('test', 'golden', 'safetensors-net.safetensors');
const SCRIPT = path.join('test', 'golden', 'make-safetensors-golden.py');
const [, height = 0, width = 0, channels = 0] = golden.images;

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/**
 * The net of make-safetensors-golden.py, of layers by its modules' names. `seed` begins its
 * kernels.
 */
function goldenNet({ seed = 0 } = {}): tfl.LayersModel {
  const begin = () => tfl.initializers.randomUniform({ minval: -0.2, maxval: 0.2, seed: seed++ });
  const norm = { epsilon: 1e-5, movingMeanInitializer: begin(), betaInitializer: begin() };
  const stack = [
    tfl.layers.zeroPadding2d({
      padding: 1,
      name: 'conv1_pad',
      inputShape: [height, width, channels],
    }),
    tfl.layers.conv2d({
      filters: 8,
      kernelSize: 3,
      useBias: false,
      kernelInitializer: begin(),
      name: 'conv1',
    }),
    tfl.layers.batchNormalization({ ...norm, name: 'bn1' }),
    tfl.layers.reLU(),
    new GroupedConv2D({
      filters: 12,
      kernelSize: 3,
      groups: 4,
      kernelInitializer: begin(),
      name: 'conv2',
    }),
    tfl.layers.reLU(),
    tfl.layers.zeroPadding2d({ padding: 1, name: 'conv3_pad' }),
    tfl.layers.depthwiseConv2d({
      kernelSize: 3,
      depthMultiplier: 2,
      depthwiseInitializer: begin(),
      biasInitializer: begin(),
      name: 'conv3',
    }),
    tfl.layers.maxPooling2d({ poolSize: 2 }),
    tfl.layers.flatten(),
    tfl.layers.dropout({ rate: 0.5 }),
    tfl.layers.batchNormalization({ ...norm, name: 'bn2' }),
    tfl.layers.reLU(),
    tfl.layers.dense({
      units: 20,
      kernelInitializer: begin(),
      biasInitializer: begin(),
      name: 'classifier.0',
    }),
    tfl.layers.reLU(),
    tfl.layers.dense({ units: 7, kernelInitializer: begin(), name: 'classifier.2' }),
  ];
  return tfl.sequential({ layers: stack, name: 'golden' });
}

async function logits(net: tfl.LayersModel): Promise<number[]> {
  const images = tf.tensor(mix(tf.util.sizeFromShape(golden.images), 'safetensors'), golden.images);
  const output = net.predict(images) as tf.Tensor;
  const values = await output.data();
  tf.dispose([images, output]);
  return [...values];
}

const bytes = async (net: tfl.LayersModel) =>
  Promise.all(net.weights.map(async (weight) => [...(await weight.read().data())]));

function expectClose(got: readonly number[], expected: readonly number[]): void {
  expect(got).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  got.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] as number)) / largest, `logit ${i}`).toBeLessThan(1e-5);
  });
}

describe.each(backends)("PyTorch's weights on $title", ({ name, absent }) => {
  it.skipIf(absent)("give PyTorch's logits", async () => {
    await use(name);
    try {
      const net = goldenNet();
      const { loaded, ...rest } = await loadWeights(net, NET);
      expect(loaded.sort()).toEqual(
        Object.keys(golden.layers)
          .filter((key) => !key.endsWith('num_batches_tracked'))
          .sort(),
      );
      expect(rest).toEqual({ missing: [], leftOver: [], skipped: [] });
      expectClose(await logits(net), golden.logits);
      await saveWeights(net, at(`from-${name}`));
      expect(await bytes(await loadedFrom(at(`from-${name}`)))).toEqual(await bytes(net));
      net.dispose();
    } finally {
      await use('cpu-js');
    }
  });
});

async function loadedFrom(file: string): Promise<tfl.LayersModel> {
  const net = goldenNet({ seed: 50 });
  await loadWeights(net, file);
  return net;
}

/** Why Python cannot be asked here. */
const absent = pythonAbsent(['torch', 'safetensors'], 'pip install torch safetensors');

describe(`PyTorch and Python's safetensors${absent ? ` (skipped: ${absent})` : ''}`, () => {
  it.skipIf(absent)('take what saveWeights wrote, strictly, and give the same logits', async () => {
    const net = goldenNet({ seed: 100 });
    await saveWeights(net, at('to-torch.safetensors'));
    const answer = JSON.parse(
      execFileSync('python3', [SCRIPT, '--check', at('to-torch.safetensors')], {
        encoding: 'utf8',
      }),
    );
    expect(answer.metadata).toEqual({ format: 'pt' });
    expect(answer.names.sort()).toEqual(
      Object.keys(golden.layers)
        .filter((key) => !key.endsWith('num_batches_tracked'))
        .sort(),
    );
    expectClose(answer.logits, await logits(net));
  });
});

describe('saveWeights', () => {
  it('writes the same bytes as Python does for the same weights, but for the counters', async () => {
    const net = await loadedFrom(NET);
    await saveWeights(net, at('again'));
    const [ours, theirs] = await Promise.all([at('again'), NET].map((file) => fs.readFile(file)));
    const floats = tf.util.sizeFromShape([net.countParams()]) * 4;
    expect(ours?.subarray(-floats).equals(theirs?.subarray(-floats) as Buffer)).toBe(true);
  });

  it('makes the folder, and replaces an older file', async () => {
    await saveWeights(goldenNet(), at('new/folder/net'));
    const net = goldenNet({ seed: 7 });
    await saveWeights(net, at('new/folder/net'));
    expect(await fs.readdir(at('new/folder'))).toEqual(['net']);
    expect(await bytes(await loadedFrom(at('new/folder/net')))).toEqual(await bytes(net));
  });

  it('leaves out layers that compute a constant', async () => {
    const net = tfl.sequential({
      layers: [
        tfl.layers.dense({ units: 3, inputShape: [2], name: 'pool.rows_fixed', trainable: false }),
        tfl.layers.dense({ units: 2, name: 'fc' }),
      ],
    });
    await saveWeights(net, at('fixed'));
    const { loaded } = await loadWeights(net, at('fixed'));
    expect(loaded).toEqual(['fc.weight', 'fc.bias']);
  });
});

it('saving and loading leave no tensor behind', async () => {
  const net = goldenNet();
  await expectNoLeak(async () => {
    await saveWeights(net, at('leak'));
    await loadWeights(net, at('leak'));
    await loadWeights(net, NET, { skipHead: true });
    await expect(loadWeights(net, at('none'))).rejects.toThrow();
  });
});

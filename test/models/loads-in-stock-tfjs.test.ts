// Full run only: each model is loaded in a process.
// Zero weights: every weight gets its golden value.
/** Saved nets in a process that knows nothing of deepend. */
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compile } from '@deepend/compiler';
import { type AnyModelOptions, createModel, saveModel } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { fillNet } from '../helpers/fill';
import { rowsOf } from '../helpers/full';

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const EVERYTHING = {
  blockOrder: 'full-pre-activation',
  shortcut: 'A',
  stem: 'cifar',
  stochasticDepth: 0.3,
  squeezeRatio: 4,
} as const;

/** A net of each family, with all that its layers may be. */
const NETS: [string, AnyModelOptions][] = [
  ['book/bn_lenet', { inputShape: [28, 28, 1] }],
  ['book/nin', { inputShape: [67, 67, 1] }],
  ['book/densenet', { inputShape: [32, 32, 1] }],
  ['book/googlenet', { inputShape: [32, 32, 1] }],
  ['cifar/resnet20', { inputShape: [20, 20, 3], ...EVERYTHING }],
  ['vgg11_bn', { inputShape: [40, 33, 3], widthDivisor: 32 }], // its adaptive pool makes 7×7 of 1×1
  ['googlenet', { inputShape: [40, 40, 3], transformInput: true }],
  ['mobilenet_v2', { inputShape: [33, 33, 3] }],
  ['convnext_tiny', { inputShape: [33, 33, 3] }],
  ['efficientnet_b0', { inputShape: [33, 33, 3] }], // stochastic depth
];

async function predictElsewhere(
  id: string,
  options: AnyModelOptions,
): Promise<{ here: number[]; there: number[] | string }> {
  const net = createModel(id, { ...options, numClasses: 5, init: 'xavier-uniform' });
  fillNet(net);
  const folder = path.join(dir, id.replace('/', '-'));
  await saveModel(net, folder);
  const image = tf.randomUniform(
    [2, ...(options.inputShape as readonly number[])],
    0,
    1,
    'float32',
    3,
  );
  const logits = compile(net).logits(image);
  const here = [...logits.dataSync()];
  const input = JSON.stringify({ shape: image.shape, values: [...image.dataSync()] });
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['test/models/load-in-stock-tfjs.mjs', folder],
    {
      input,
      encoding: 'utf8',
    },
  );
  tf.dispose([image, logits]);
  net.dispose();
  expect(stderr).not.toMatch(/Error/);
  return { here, there: JSON.parse(stdout.trim().split('\n').at(-1) as string) };
}

/** Their layers are in the others, too. */
const MORE = ['book/nin', 'book/densenet', 'book/googlenet'];

it.each(rowsOf(NETS, ([id]) => !MORE.includes(id)))(
  'stock TensorFlow.js loads %s and predicts the same',
  async (id, options) => {
    const { here, there } = await predictElsewhere(id, options);
    const largest = Math.max(...here.map(Math.abs));
    expect(there).toHaveLength(here.length);
    here.forEach((value, i) => {
      expect(Math.abs(value - (there[i] as number)) / largest).toBeLessThan(1e-4);
    });
  },
);

it('stock TensorFlow.js says which layer of deepend it lacks', async () => {
  const { there } = await predictElsewhere('book/regnetx32', { inputShape: [32, 32, 1] });
  expect(there).toMatch(/Unknown layer: deepend>GroupedConv2D/);
});

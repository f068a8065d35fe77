// Zero weights: every weight gets its golden value.
/** Every net of the zoo as an ONNX file, read back by ONNX Runtime. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportOnnx } from '@deepend/export';
import { createModel, listModels } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildModel } from '../../packages/export/src/onnx/build';
import { use } from '../helpers/backends';
import { goldenBatch, weightValues } from '../helpers/fill';
import { ortAbsent, runOnnx } from '../helpers/onnxruntime';

const NUM_CLASSES = 7;

/**
 * The image of each net where 32×32×3 is too small, or not what it is for; the first row that fits.
 * Higher than wide, so that nothing turns unseen.
 */
const IMAGES: [RegExp, [number, number, number]][] = [
  [/^book\/(lenet|bn_lenet|mlp|softmax_regression|resnet8)$/, [30, 28, 1]],
  [/alexnet|nin$/, [83, 67, 1]],
  [/^googlenet|^book\/googlenet|densenet/, [52, 48, 3]],
  [/vgg/, [64, 32, 3]],
];
const imageOf = (id: string) => IMAGES.find(([pattern]) => pattern.test(id))?.[1] ?? [36, 32, 3];

/**
 * VGGs at a sixteenth of their width: the blocks are what differs. All others at their full size.
 */
const optionsOf = (id: string) => (/vgg/.test(id) ? { widthDivisor: 16 } : {});

/** Every weight gets its golden value. */
function fill(net: LayersModel): void {
  for (const weight of net.weights.filter(
    ({ originalName }) => !originalName.includes('_fixed/'),
  )) {
    const shape = weight.shape.map((size) => size ?? 1);
    tf.tidy(() => {
      weight.write(tf.tensor(weightValues(weight.originalName, shape), shape));
    });
  }
}

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const distance = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  const largest = Math.max(...Array.from(a, Math.abs));
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - (b[i] as number)))) / largest;
};

/**
 * Nets of 40 million weights and more, whose smaller siblings come from the same builder with the
 * same blocks: half of all time would be theirs.
 * They are run where DEEPEND_HUGE_NETS is set.
 */
const HUGE = /^(resnet101|resnet152|resnext101.*|wide_resnet.*)$/;
const runsNot = (id: string) =>
  ortAbsent || (HUGE.test(id) && !process.env.DEEPEND_HUGE_NETS && 'DEEPEND_HUGE_NETS=1 runs it');
// Other test files register models in this process.
const ids = listModels().filter((id) => !id.startsWith('golden/'));
const rows = ids.map((id) => ({
  id,
  why: runsNot(id),
  title: runsNot(id) ? `${id} (skipped: ${runsNot(id)})` : id,
}));

const make = (id: string) => {
  const options = {
    inputShape: imageOf(id),
    numClasses: NUM_CLASSES,
    init: 'xavier-uniform' as const,
    ...optionsOf(id),
  };
  return createModel(id, options);
};

describe('ONNX Runtime has the logits of', () => {
  for (const { id, why, title } of rows) {
    it.skipIf(why)(
      title,
      async () => {
        const before = tf.memory().numTensors;
        const net = make(id);
        fill(net);
        const { features, labels } = goldenBatch([2, ...imageOf(id)], 'onnx');
        const logits = tf.tidy(() => (net.predict(features) as tf.Tensor).dataSync());
        const file = path.join(dir, 'net.onnx');
        await exportOnnx(net, file);
        const { outputs } = await runOnnx(file, [
          { data: features.dataSync() as Float32Array, dims: features.shape },
        ]);
        expect(outputs[0]?.dims).toEqual([2, NUM_CLASSES]);
        expect(logits.some((value) => value !== 0)).toBe(true);
        expect(distance(logits, outputs[0]?.data as Float32Array)).toBeLessThan(1e-4);

        // Runtimes are fast in their own layout: only layer normalization, whose channels are last,
        // turns images, there and back as in PyTorch's own file; and the one thing that pads is the
        // shortcut without weights.
        const { nodes } = buildModel(net, { where: '', layout: 'nchw', fuse: false, metadata: {} });
        const count = (type: string) => nodes.filter(({ op }) => op === type).length;
        expect(count('Transpose')).toBeLessThanOrEqual(2 * count('LayerNormalization'));
        const pads = nodes.filter(({ op }) => op === 'Pad').map(({ inputs }) => inputs[0]);
        expect(pads).toEqual(
          /^cifar\/resnet(20|32|44|56|110)$/.test(id) ? ['layer2.0.thin', 'layer3.0.thin'] : [],
        );
        tf.dispose([features, labels]);
        net.dispose();
        expect(tf.memory().numTensors).toBe(before);
      },
      300_000,
    );
  }
});

/** Which layers have a counterpart in PyTorch, and the order of their numbers there. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadWeights, saveWeights } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reverseAxes } from '../../packages/models/src/weights/weight-layouts';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

describe('layouts', () => {
  it('reverseAxes is a transposition, and its own inverse', () => {
    // Vitest compares long arrays slowly.
    const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) =>
      Buffer.from(buffer, byteOffset, byteLength);
    const size = fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 14, max: 40 }));
    fc.assert(
      fc.property(size, size, size, (a, b, c) => {
        const values = Float32Array.from({ length: a * b * c }, (_, i) => i);
        const reversed = reverseAxes(values, [a, b, c]);
        const transposed = tf.tidy(() =>
          tf.transpose(tf.tensor3d(values, [a, b, c]), [2, 1, 0]).dataSync(),
        );
        expect(bytesOf(reversed).equals(bytesOf(transposed))).toBe(true);
        expect(bytesOf(reverseAxes(reversed, [c, b, a])).equals(bytesOf(values))).toBe(true);
      }),
    );
  });

  /** The rows of a linear layer behind an image in channels-last order, in PyTorch's order. */
  const flattens: [string, tfl.layers.Layer[]][] = [
    ['Flatten', [tfl.layers.flatten()]],
    ['Reshape', [tfl.layers.reshape({ targetShape: [24] })]],
    [
      'Flatten, ReLU and Dropout',
      [tfl.layers.flatten(), tfl.layers.reLU(), tfl.layers.dropout({ rate: 0.1 })],
    ],
    [
      'Permute there and back, and Flatten',
      [
        tfl.layers.permute({ dims: [3, 2, 1] }),
        tfl.layers.permute({ dims: [3, 2, 1] }),
        tfl.layers.flatten(),
      ],
    ],
    [
      'Permute to channels first, and Flatten',
      [tfl.layers.permute({ dims: [3, 1, 2] }), tfl.layers.flatten()],
    ],
  ];
  it.each(flattens)("behind %s a linear layer has PyTorch's order", async (_, between) => {
    const [h, w, c] = [2, 3, 4];
    const layers = [
      tfl.layers.activation({ activation: 'linear', inputShape: [h, w, c] }),
      ...between,
      tfl.layers.dense({ units: 5, name: 'fc' }),
    ];
    const net = tfl.sequential({ layers });
    await saveWeights(net, at('order'));
    const same = tfl.sequential({
      // PyTorch's net: the image with its channels first, flattened, and the rows as the file has
      // them.
      layers: [
        tfl.layers.permute({ dims: [3, 1, 2], inputShape: [h, w, c] }),
        tfl.layers.flatten(),
        tfl.layers.dense({ units: 5, name: 'fc' }),
      ],
    });
    await loadWeights(same, at('order'));
    const image = tf.tensor(mix(2 * h * w * c, 'order'), [2, h, w, c]);
    const [ours, theirs] = [net, same].map((one) =>
      (one.predict(image) as tf.Tensor).dataSync(),
    ) as [Float32Array, Float32Array];
    theirs.forEach((value, i) => {
      expect(value, `output ${i}`).toBeCloseTo(ours[i] as number, 5);
    });
  });
});

const image = () => tfl.input({ shape: [2, 3, 4] });
const flatten = (x: tfl.SymbolicTensor) => tfl.layers.flatten().apply(x) as tfl.SymbolicTensor;
const head = (x: tfl.SymbolicTensor) =>
  tfl.layers.dense({ units: 2, name: 'fc' }).apply(x) as tfl.SymbolicTensor;
const chain = (...layers: tfl.layers.Layer[]) => tfl.sequential({ layers });
const joined = (join: tfl.layers.Layer) => {
  const x = image();
  return tfl.model({
    inputs: x,
    outputs: head(join.apply([flatten(x), flatten(x)]) as tfl.SymbolicTensor),
  });
};

const UNKNOWN: [string, () => tfl.LayersModel, RegExp][] = [
  [
    'a PReLU',
    () => chain(tfl.layers.prelu({ inputShape: [3], name: 'act' })),
    /layer 'act' \(PReLU\): expected weights of Conv2D, .*, got act\/alpha; keep such a model with saveModel/,
  ],
  [
    'a transposed convolution',
    () =>
      chain(
        tfl.layers.conv2dTranspose({
          filters: 2,
          kernelSize: 2,
          inputShape: [4, 4, 1],
          name: 'up',
        }),
      ),
    /layer 'up' \(Conv2DTranspose\)/,
  ],
  [
    'a net inside the net',
    () =>
      chain(chain(tfl.layers.dense({ units: 2, inputShape: [3] })) as unknown as tfl.layers.Layer),
    /layer '.*' \(Sequential\): expected weights of/,
  ],
  [
    'a batch norm with one of scale and center',
    () => chain(tfl.layers.batchNormalization({ scale: false, inputShape: [3], name: 'bn' })),
    /layer 'bn' \(BatchNormalization\): expected scale and center, or neither/,
  ],
  [
    'two flattened images side by side',
    () => joined(tfl.layers.concatenate()),
    /layer 'fc' \(Dense\): expected rows that one Flatten made of an image/,
  ],
  [
    'the sum of two flattened images',
    () => joined(tfl.layers.add()),
    /layer 'fc' \(Dense\): expected rows that one Flatten/,
  ],
  [
    'an image turned on its side',
    () =>
      chain(
        tfl.layers.permute({ dims: [2, 1, 3], inputShape: [2, 3, 4] }),
        tfl.layers.flatten(),
        tfl.layers.dense({ units: 2, name: 'fc' }),
      ),
    /layer 'fc' \(Dense\): expected rows/,
  ],
  [
    'a row made into an image',
    () =>
      chain(
        tfl.layers.dense({ units: 8, inputShape: [3] }),
        tfl.layers.reshape({ targetShape: [2, 2, 2], name: 'fold' }),
      ),
    /layer 'fold' \(Reshape\): expected rows/,
  ],
  [
    'one linear layer for two images',
    () => {
      const shared = tfl.layers.dense({ units: 2, name: 'fc' });
      const xs = [image(), image()];
      return tfl.model({
        inputs: xs,
        outputs: xs.map((x) => shared.apply(flatten(x)) as tfl.SymbolicTensor),
      });
    },
    /layer 'fc' \(Dense\): expected rows/,
  ],
];

describe('layers', () => {
  it.each(UNKNOWN)('refuses %s, and writes nothing', async (_, build, message) => {
    const net = build();
    await expect(saveWeights(net, at('refused'))).rejects.toThrow(message);
    await expect(loadWeights(net, at('plain'))).rejects.toThrow(message);
    expect((await fs.readdir(dir)).filter((name) => name.includes('refused'))).toEqual([]);
  });

  it.each<[string, () => tfl.LayersModel]>([
    [
      'a batch norm without scale and center',
      () =>
        chain(
          tfl.layers.batchNormalization({
            scale: false,
            center: false,
            inputShape: [3],
            name: 'bn',
          }),
        ),
    ],
    [
      'a row made into one pixel',
      () =>
        chain(
          tfl.layers.dense({ units: 8, inputShape: [3] }),
          tfl.layers.reshape({ targetShape: [1, 1, 8] }),
        ),
    ],
    [
      'flattened pixels of one channel',
      () => chain(tfl.layers.flatten({ inputShape: [4, 4, 1] }), tfl.layers.dense({ units: 2 })),
    ],
  ])('takes %s', async (_, build) => {
    const net = build();
    await saveWeights(net, at('taken'));
    expect((await loadWeights(net, at('taken'))).loaded.length).toBe(net.weights.length);
  });
});

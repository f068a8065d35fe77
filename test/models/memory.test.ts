import { compile } from '@deepend/compiler';
import {
  type AnyModelOptions,
  createModel,
  estimateMemory,
  freeze,
  unfreeze,
} from '@deepend/models';
import { softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { rowsOf } from '../helpers/full';
import { batchOf, heldBytes, peakOf } from '../helpers/heap';

// Names and sizes do not depend on the initial weights, and drawing those takes most of the time.
vi.mock('../../packages/nn/src/random', async (importOriginal) => {
  const zeros = (size: number) => new Float32Array(size);
  return { ...(await importOriginal<object>()), uniform: zeros, normal: zeros };
});

beforeAll(async () => {
  await import('@deepend/backend-simd');
  await tf.setBackend('simd');
});

/**
 * A row: a net and a batch. Between them they hold every operation of the zoo, wide kernels and
 * wide images.
 */
const NETS: [id: string, options: AnyModelOptions, batch: number][] = [
  ['book/resnet18', { inputShape: [64, 64, 1] }, 32],
  ['book/resnet18', { inputShape: [96, 96, 1] }, 32],
  ['book/resnet18', { inputShape: [96, 96, 1] }, 2], // Winograd's transforms are as large as all activations
  ['book/vgg11', { inputShape: [64, 64, 1], widthDivisor: 4 }, 32],
  ['book/vgg11', { inputShape: [32, 32, 1], widthDivisor: 4 }, 160], // a linear layer's kernel is copied for so many rows
  ['book/lenet', { inputShape: [28, 28, 1] }, 256],
  ['book/densenet', { inputShape: [96, 96, 1] }, 16], // concatenations
  ['book/googlenet', { inputShape: [96, 96, 1] }, 16],
  ['book/nin', { inputShape: [96, 96, 1] }, 16],
  ['book/regnetx32', { inputShape: [96, 96, 1] }, 16], // grouped
  ['mobilenet_v2', { inputShape: [64, 64, 3], numClasses: 10 }, 16], // depthwise
  ['cifar/resnet20', { inputShape: [32, 32, 3] }, 32],
];

/** The smallest with each kind of layer, and one whose batch is most of what it holds. */
const isRepresentative = ([id, { inputShape }, batch]: (typeof NETS)[number]) =>
  /densenet|regnet|mobilenet|lenet/.test(id) ||
  (id === 'book/resnet18' && inputShape?.[0] === 64 && batch === 32);

describe('estimateMemory', () => {
  it.each(rowsOf(NETS, isRepresentative))(
    'is what simd takes, to a quarter: %s of %o, batch %i',
    (id, options, batch) => {
      const start = heldBytes();
      const net = createModel(id, options);
      const shape = net.inputs[0]?.shape.slice(1) as number[];
      const plan = compile(net);
      const estimate = estimateMemory(net, batch);
      const image = tf.zeros([1, ...shape]);
      tf.dispose([image, plan.logits(image)]); // by now the backend has all weights
      for (const part of ['inference', 'training'] as const) {
        const { features, labels } = batchOf(batch, shape);
        const peak = peakOf(() => {
          if (part === 'inference') plan.logits(features).dispose();
          else {
            const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
              loss: softmaxCrossEntropy,
            });
            tf.dispose([loss, correct, ...gradients.map(({ gradient }) => gradient)]);
          }
        });
        const ratio = (peak - start) / estimate[part];
        expect(ratio, part).toBeGreaterThan(0.75);
        expect(ratio, part).toBeLessThan(1.25);
        tf.dispose([features, labels]);
      }
      net.dispose();
    },
  );

  const resnet = () => createModel('book/resnet8', { inputShape: [28, 28, 1] });

  it("counts the optimizer's slots for what learns, and the weights with their statistics", () => {
    const net = resnet();
    const [plain, momentum, adam] = ([0, 1, 2] as const).map((slots) =>
      estimateMemory(net, 4, { slots }),
    );
    expect(estimateMemory(net, 4)).toEqual(plain);
    expect(plain?.weights).toBe(4 * (78_538 + 480));
    expect(
      [momentum, adam].map((estimate) => (estimate?.training ?? 0) - (plain?.training ?? 0)),
    ).toEqual([4 * 78_538, 8 * 78_538]);
    expect([momentum, adam].map((estimate) => estimate?.inference)).toEqual([
      plain?.inference,
      plain?.inference,
    ]);
    net.dispose();
  });

  it('grows with the batch, and is less where most is frozen', () => {
    const net = resnet();
    const [one, two] = [estimateMemory(net, 64), estimateMemory(net, 128)];
    expect(two.training - two.weights).toBeGreaterThan(1.5 * (one.training - one.weights));
    freeze(net);
    unfreeze(net, 'head');
    expect(estimateMemory(net, 64).training).toBeLessThan(0.6 * one.training);
    net.dispose();
  });

  it('computes nothing', () => {
    const net = resnet();
    const before = [tf.memory().numTensors, heldBytes()];
    estimateMemory(net, 1_000_000);
    expect([tf.memory().numTensors, heldBytes()]).toEqual(before);
    net.dispose();
  });

  const REFUSED: [string, (net: ReturnType<typeof resnet>) => unknown, RegExp][] = [
    [
      'no images',
      (net) => estimateMemory(net, 0),
      /\[models\] estimateMemory: option "batchSize" must be an integer of at least 1, got 0/,
    ],
    [
      'three slots',
      (net) => estimateMemory(net, 1, { slots: 3 as never }),
      /option "slots" must be 0, 1 or 2, got 3/,
    ],
    [
      'an option that does not exist',
      (net) => estimateMemory(net, 1, { slot: 1 } as object),
      /there is no option "slot"; did you mean "slots"\?/,
    ],
  ];
  it.each(REFUSED)('refuses %s', (_, act, message) => {
    const net = resnet();
    expect(() => act(net)).toThrow(message);
    net.dispose();
  });
});

/** TinySSD: the book's outputs, loss and gradients, and detections of a net. */
import {
  detectObjects,
  evaluateDetector,
  ssdLoss,
  TinySSD,
  targetLoader,
  truthsOf,
  type VisionLoader,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/detection.json';
import { use } from '../helpers/backends';
import { mix, weightValues } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';

const { tinySsd } = golden;
let net: TinySSD;
let images: tf.Tensor4D;
let labels: tf.Tensor3D;

/** Norm, product with sin(1, 2, …), and the first values. */
function digest(values: ArrayLike<number>): number[] {
  const list = Array.from(values);
  const norm = Math.sqrt(list.reduce((sum, value) => sum + value * value, 0));
  const product = list.reduce((sum, value, i) => sum + value * Math.sin(i + 1), 0);
  return [norm, product, ...list.slice(0, 6)];
}

function expectDigest(values: ArrayLike<number>, expected: readonly number[], tolerance = 2e-4) {
  const norm = expected[0] as number;
  digest(values).forEach((value, i) => {
    expect(Math.abs(value - (expected[i] as number))).toBeLessThan(
      tolerance * Math.max(norm, 1e-3),
    );
  });
}

beforeAll(async () => {
  await use('simd');
  net = new TinySSD({ inputShape: [64, 64, 3], numClasses: 2 });
  const own = net.stateDict();
  const state = Object.fromEntries(
    net.namedParameters().map(([name]) => {
      const { shape } = own[name] as tf.Tensor;
      const one = name.endsWith('weight') ? 'gamma' : 'bias';
      const kind = shape.length > 1 ? 'kernel' : one;
      return [name, tf.tensor(weightValues(`${name}/${kind}`, shape), shape)];
    }),
  );
  net.loadStateDict(state, { strict: false });
  tf.dispose([own, state]);
  images = tf.tidy(() => {
    const planes = tf.tensor4d(mix(2 * 3 * 64 * 64, 'image'), [2, 3, 64, 64]);
    return tf.transpose(planes, [0, 2, 3, 1]) as tf.Tensor4D;
  });
  labels = tf.tensor3d(tinySsd.labels, [2, 2, 5]);
});
afterAll(() => {
  net.dispose();
  tf.dispose([images, labels]);
});

describe('TinySSD', () => {
  it("has the book's anchors", () => {
    expect(net.anchors).toHaveLength(344 * 4);
    expectDigest(net.anchors, tinySsd.anchors, 1e-5);
  });

  it("has the book's outputs, loss and gradients in training, then its outputs in evaluation", () => {
    const outputs = net.forward(images);
    expect(outputs.classes.shape).toEqual([2, 344, 3]);
    expect(outputs.offsets.shape).toEqual([2, 1376]);
    expectDigest(outputs.classes.dataSync(), tinySsd.classes);
    expectDigest(outputs.offsets.dataSync(), tinySsd.offsets);
    tf.dispose({ ...outputs });
    resetStatistics();
    const loss = ssdLoss(net);
    const { value, grads } = tf.variableGrads(
      () => loss(net.forward(images), labels),
      net.parameters(),
    );
    expect(value.dataSync()[0]).toBeCloseTo(tinySsd.loss, 4);
    for (const [name, variable] of net.namedParameters()) {
      const expected = (tinySsd.gradients as Record<string, number[]>)[name] as number[];
      const gradient = grads[variable.name] as tf.Tensor;
      // In PyTorch's layout [outputs, inputs, height, width].
      const turned = gradient.rank === 4 ? tf.transpose(gradient, [3, 2, 0, 1]) : gradient;
      expectDigest(turned.dataSync(), expected, 1e-2); // the last maps normalize over few values
      if (turned !== gradient) turned.dispose();
    }
    tf.dispose([value, grads]);
    net.eval();
    const evaluated = net.forward(images);
    expectDigest(evaluated.classes.dataSync(), tinySsd.evalClasses);
    expectDigest(evaluated.offsets.dataSync(), tinySsd.evalOffsets);
    tf.dispose({ ...evaluated });
    net.train();
  });

  it('keeps no tensor, in training or in detection', async () => {
    const loss = ssdLoss(net);
    await expectNoLeak(() => {
      tf.dispose(tf.variableGrads(() => loss(net.forward(images), labels), net.parameters()));
      detectObjects(net, images);
      expect(net.training).toBe(true);
    });
  });

  it('finds objects in a loader, and its mAP', async () => {
    async function* loader() {
      yield { features: images.clone(), labels: labels.clone() };
    }
    await expectNoLeak(async () => {
      const { map50, perClass } = await evaluateDetector(net, loader());
      expect(map50).toBeGreaterThanOrEqual(0);
      expect(perClass).toHaveLength(2);
    });
    expect(truthsOf(labels)[0]).toEqual({
      labels: [0, 1],
      boxes: [0, 1].map((i) =>
        tinySsd.labels.slice(5 * i + 1, 5 * i + 5).map((value) => Math.fround(value)),
      ),
    });
  });

  it('has the same loss with the labels of targetLoader, whose images and state are those of its loader', async () => {
    const state = { epoch: 1, batch: 0 };
    const about = { numSamples: 2, numBatches: 1, batchSize: 2, classNames: ['a', 'b'] };
    const loader: VisionLoader = {
      ...{ ...about, numClasses: 2, inputShape: [64, 64, 3] },
      ...{ state: () => state, restore: () => {}, config: () => ({ seed: 1 }) },
      async *[Symbol.asyncIterator]() {
        yield { features: images.clone(), labels: labels.clone() };
      },
    };
    const targets = targetLoader(loader, net, { iouThreshold: 0.5 });
    expect(targets.config()).toEqual({ seed: 1, target: 'anchors', iouThreshold: 0.5 });
    expect(targets).toMatchObject({ ...about, state: expect.any(Function) });
    expect(() => targetLoader({ ...loader, numClasses: 3 }, net)).toThrow(
      'expected a detector of at least 3 classes for this loader, got one of 2',
    );
    const loss = ssdLoss(net);
    expect(() => ssdLoss(net, { iouThreshhold: 0.4 } as never)).toThrow('"iouThreshold"?');
    for await (const { features, labels: target } of targets) {
      const outputs = net.forward(features);
      const other = ssdLoss(net, { iouThreshold: 0.4 });
      expect(() => other(outputs, target)).toThrow('give it to targetLoader');
      tf.dispose([features, { ...target }, { ...outputs }]);
    }
    const third = tf.tensor3d([[[2, 0, 0, 1, 1]], [[0, 0, 0, 1, 1]]]);
    expect(() => loss(net.forward(images), third)).toThrow('classes from 0 to 1');
    third.dispose();
    await expectNoLeak(async () => {
      for await (const { features, labels: target } of targets) {
        const outputs = net.forward(features);
        const values = [loss(outputs, labels), loss(outputs, target)];
        expect(values[0]?.dataSync()).toEqual(values[1]?.dataSync());
        tf.dispose([features, { ...target }, { ...outputs }, values]);
      }
    });
  });

  it('refuses other numbers of sizes than of maps, and images that are too small', () => {
    const small = { inputShape: [64, 64, 3] as const, numClasses: 2 };
    expect(() => new TinySSD({ ...small, sizes: [[0.2]] })).toThrow(
      'a list for each of the 5 feature maps, got 1',
    );
    expect(() => new TinySSD({ ...small, inputShape: [32, 32, 3] })).toThrow('at least 64 pixels');
    expect(() => new TinySSD({ ...small, classes: 3 } as never)).toThrow('"numClasses"');
    const net = new TinySSD({
      inputShape: [16, 32, 1],
      numClasses: 1,
      baseFilters: [4],
      filters: [],
      sizes: [[0.5], [0.9]],
    });
    expect(net.anchors).toHaveLength(4 * 3 * (8 * 16 + 1));
    net.dispose();
  });
});

/** Brings the running statistics back to their start. */
function resetStatistics(): void {
  for (const [name, variable] of net.namedBuffers())
    if (name.endsWith('running_mean')) variable.assign(tf.zerosLike(variable));
    else if (name.endsWith('running_var')) variable.assign(tf.onesLike(variable));
}

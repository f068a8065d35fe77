// Own process: it measures what the backend holds.
/** What a step holds, and what happens when it is more than there is. */
import { compile } from '@deepend/compiler';
import { book } from '@deepend/models';
import { createOptimizer, sgdStep, softmaxCrossEntropy } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { batchOf, heldBytes, peakOf } from '../helpers/heap';

process.env.DEEPEND_MEMORY_MIB = '160'; // read when the backend starts, which is below

const net = () => book.resnet8({ inputShape: [64, 64, 1], numClasses: 10 });
const batch = (count: number) => batchOf(count, [64, 64, 1]);

describe('memory of a step on simd', () => {
  beforeAll(async () => {
    await import('@deepend/backend-simd');
    await tf.setBackend('simd');
  });

  it.each([
    [128, true],
    [256, true],
    [256, false],
  ])('is what the lifetimes say, to a quarter: batch %i, training %s', async (count, training) => {
    const plan = compile(net());
    const image = tf.zeros([1, 64, 64, 1]);
    tf.dispose([image, plan.logits(image)]); // by now the backend has all weights
    const { features, labels } = batch(count);
    const before = heldBytes();
    const peak = peakOf(() => {
      if (training) {
        const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
          loss: softmaxCrossEntropy,
        });
        tf.dispose([loss, correct, ...gradients.map(({ gradient }) => gradient)]);
      } else plan.logits(features).dispose();
    });
    const ratio = (peak - before) / plan.peakBytes(count, { training });
    expect(ratio).toBeGreaterThan(0.75);
    expect(ratio).toBeLessThan(1.25);
    tf.dispose([features, labels]);
  });

  it('says which batch would fit, frees what it held, and trains that batch', () => {
    const plan = compile(net());
    const large = batch(1024);
    const before = tf.memory();
    let advice = '';
    try {
      plan.forwardBackward(large.features, large.labels, { loss: softmaxCrossEntropy });
    } catch (error) {
      advice = (error as Error).message;
    }
    expect(advice).toMatch(
      /out of memory: .* MiB asked for, .* MiB in use.* A batch of 1024 does not fit; one of \d+ would$/,
    );
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    tf.dispose([large.features, large.labels]);

    const count = Number(/one of (\d+) would/.exec(advice)?.[1]);
    expect(count).toBeGreaterThan(16);
    const fitting = batch(count);
    const { loss, correct, gradients } = plan.forwardBackward(fitting.features, fitting.labels, {
      loss: softmaxCrossEntropy,
    });
    sgdStep(gradients, { lr: 0.1 });
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
  });

  it("advises a smaller batch where other tensors, such as an optimizer's, take room", () => {
    const plan = compile(net());
    const { features, labels } = batch(1024);
    const advised = () => {
      try {
        plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy });
        return undefined;
      } catch (error) {
        return (error as { fits?: number }).fits ?? Number.NaN;
      }
    };
    const alone = advised() ?? Number.NaN;
    const others = tf.tidy(() => tf.relu(tf.zeros([40 << 18]))); // 40 MiB on the backend
    const beside = advised() ?? Number.NaN;
    expect(beside).toBeLessThan(0.8 * alone);
    const [some, theirs] = [tf.slice(features, 0, beside), tf.slice(labels, 0, beside)];
    features.dispose();
    const { loss, correct, gradients } = plan.forwardBackward(some, theirs, {
      loss: softmaxCrossEntropy,
    });
    expect(Number.isFinite(loss.dataSync()[0])).toBe(true);
    tf.dispose([
      labels,
      others,
      some,
      theirs,
      loss,
      correct,
      gradients.map(({ gradient }) => gradient),
    ]);
  });

  it("holds an optimizer's slots beside the step, not in it", () => {
    const plan = compile(net());
    const optimizer = createOptimizer({ name: 'adam' });
    const { features, labels } = batch(16);
    const peak = plan.peakBytes(16);
    const stepOnce = () => {
      const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
        loss: softmaxCrossEntropy,
      });
      optimizer.step(gradients, { lr: 1e-3 });
      tf.dispose([loss, correct, gradients.map(({ gradient }) => gradient)]);
    };
    const first = plan.forwardBackward(features, labels, { loss: softmaxCrossEntropy }); // by now the backend has all weights
    sgdStep(first.gradients, { lr: 0 }); // each in numbers of its own
    tf.dispose([first.loss, first.correct, first.gradients.map(({ gradient }) => gradient)]);
    const before = heldBytes();
    stepOnce();
    const learning = plan.parameters.reduce((sum, { variable }) => sum + variable.size, 0);
    const slots = heldBytes() - before;
    expect(slots / (2 * 4 * learning)).toBeGreaterThan(0.99); // two slots for each number
    expect(slots / (2 * 4 * learning)).toBeLessThan(1.1); // and what blocks lose
    expect(plan.peakBytes(16)).toBe(peak);
    stepOnce();
    expect(heldBytes() - before).toBe(slots);
    optimizer.dispose();
    expect(heldBytes()).toBe(before);
    tf.dispose([features, labels]);
  });
});

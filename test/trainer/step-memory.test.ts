/** Plans on the tape: measured memory, the advised batch size, and where weights must live. */
import { EagerPlan, planOf, TapePlan } from '@deepend/compiler';
import { OutOfMemoryError } from '@deepend/core';
import { estimateMemory } from '@deepend/models';
import * as nn from '@deepend/nn';
import { meanSquaredError } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeEach, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const WIDTH = 64;
const KIBIBYTE = 1024;

/** A linear layer, and room for what `forward` does besides. */
class Wide extends nn.Module {
  readonly linear = new nn.Linear(WIDTH, WIDTH, { seed: 1 });
  /** Samples above which the memory is said to be used up. */
  largest = Number.POSITIVE_INFINITY;
  calls: number[] = [];

  override forward(x: tf.Tensor): tf.Tensor {
    const [batch = 0] = x.shape;
    this.calls.push(batch);
    if (batch > this.largest) {
      const inUse = tf.memory().numBytes;
      const limit = (tf.memory().numBytes + bytesAt(this.largest)) / 0.85;
      throw new OutOfMemoryError('[simd] too large', { asked: 1, inUse, limit });
    }
    return tf.tidy(() => tf.square(tf.relu(this.linear.forward(x))));
  }
}

let bytesAt: (batch: number) => number = () => 0;

const batchOf = (size: number) => ({
  features: tf.ones([size, WIDTH]),
  labels: tf.zeros([size, WIDTH]),
});
const loss = meanSquaredError();

function step(plan: ReturnType<typeof planOf>, size: number): void {
  tf.tidy(() => {
    const { features, labels } = batchOf(size);
    plan.forwardBackward(features, labels, { loss });
  });
}

const masked = () =>
  tfl.sequential({
    layers: [
      tfl.layers.masking({ inputShape: [5, 3] }),
      tfl.layers.simpleRNN({ units: 4, recurrentInitializer: 'glorotUniform' }),
      tfl.layers.dense({ units: 2 }),
    ],
  });

beforeEach(() => use('cpu-js'));

describe('peakBytes', () => {
  it('is measured in the first step of a batch size, and grows with the batch', () => {
    const plan = planOf(new Wide());
    expect(() => plan.peakBytes(8)).toThrow(
      /\[compiler\] module 'Wide': expected a training step before peakBytes: .* forwardBackward/,
    );
    step(plan, 8);
    const [eight] = [plan.peakBytes(8)];
    // Batch, labels, three outputs and the weight's gradient at least.
    expect(eight).toBeGreaterThan(5 * 8 * WIDTH * 4 + WIDTH * WIDTH * 4);
    expect(plan.peakBytes(16)).toBe(2 * eight); // in proportion, as long as one size is known
    step(plan, 32);
    const slope = (plan.peakBytes(32) - eight) / 24;
    expect(plan.peakBytes(16)).toBeCloseTo(eight + 8 * slope, 3);
    expect(plan.peakBytes(16)).toBeLessThan(2 * eight); // weights' gradients do not grow
    step(plan, 16);
    expect(plan.peakBytes(16)).toBeGreaterThan(eight);
  });

  it('is measured for models of layers on the tape, too', () => {
    const plan = planOf(masked());
    expect(plan).toBeInstanceOf(TapePlan);
    expect(() => plan.peakBytes(2)).toThrow(/\[compiler\] model 'sequential_\d+': expected a/);
    tf.tidy(() => {
      plan.forwardBackward(tf.ones([2, 5, 3]), tf.zeros([2, 2]), { loss });
    });
    expect(plan.peakBytes(2)).toBeGreaterThan(2 * 5 * 3 * 4);
  });

  it('is estimated for models of layers only', () => {
    expect(() => estimateMemory(new Wide() as never, 8)).toThrow(
      /expected a tf.LayersModel, got the nn.Module 'Wide', .* planOf\(module\).peakBytes/,
    );
  });
});

describe('a batch that does not fit', () => {
  it('is answered by a size that does, from trial steps that change nothing', () => {
    const measured = planOf(new Wide());
    for (const size of [2, 4]) step(measured, size);
    bytesAt = (size) => measured.peakBytes(size) - 2 * size * WIDTH * 4;
    const module = new Wide();
    module.largest = 20;
    const plan = planOf(module);
    let thrown: OutOfMemoryError | undefined;
    try {
      step(plan, 64);
    } catch (error) {
      thrown = error as OutOfMemoryError;
    }
    expect(module.calls).toEqual([64, 2, 4]);
    expect(thrown?.message).toMatch(/A batch of 64 does not fit; one of \d+ would$/);
    expect(thrown?.fits).toBeGreaterThan(4);
    expect(thrown?.fits).toBeLessThan(64);
  });

  it('is left without advice where a part of a batch fails as well', () => {
    const module = new Wide();
    module.largest = 0;
    bytesAt = () => 10 * KIBIBYTE;
    expect(() => step(planOf(module), 64)).toThrow(/too large$/);
  });

  it('leaves no tensor behind', () =>
    expectNoLeak(() => {
      const module = new Wide();
      module.largest = 8;
      bytesAt = () => 10 * KIBIBYTE;
      expect(() => step(planOf(module), 64)).toThrow(/too large/);
      module.dispose();
    }));
});

describe('weights on another backend', () => {
  it.each<[string, () => ReturnType<typeof planOf>, number[]]>([
    ['of a module', () => new EagerPlan(new Wide()), [2, WIDTH]],
    ['of a compiled module', () => planOf(nn.compile(new Wide(), tf.ones([2, WIDTH]))), [2, WIDTH]],
    ['of layers on the tape', () => planOf(masked()), [2, 5, 3]],
  ])('%s are refused', async (_, make, shape) => {
    await use('wasm');
    const plan = make();
    await use('cpu-js');
    const x = tf.ones(shape);
    expect(() => plan.logits(x)).toThrow(
      /lives on wasm \(its weight .* does\), and cpu-js computes/,
    );
    expect(() => plan.forwardBackward(x, tf.zeros([2, 2]), { loss })).toThrow(/lives on wasm/);
  });
});

/**
 * Batch normalization over several processes, whose sums a function adds up here: parts of the
 * kernels give what the whole ones do, and other processes' samples count as one's own.
 */
import { type NormSync, normSync, planOf, withNormSync } from '@deepend/compiler';
import * as nn from '@deepend/nn';
import { crossEntropy, softmaxCrossEntropy, toLoss } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { NORMALIZED_NETS, type NormalizedNet } from '../helpers/normalized-nets';

const SHAPE = [8, 8, 1];
const loss = toLoss('test', crossEntropy());

/** As if each of `size` processes had computed the same. */
const likeOthers = (size: number, mass = 1, seen: Float64Array[] = []): NormSync => ({
  size,
  mass,
  layerOf: (id) => id,
  sum: (values) => {
    seen.push(values.slice());
    values.forEach((value, i) => {
      values[i] = size * value;
    });
  },
});

function batchOf(count: number, times = 1) {
  const images = tf.tensor(mix(count * 64, 'images'), [count, ...SHAPE]);
  const labels = tf.tensor1d(
    Int32Array.from({ length: count * times }, (_, i) => (i % count) % 3),
    'int32',
  );
  const features = tf.tile(images, [times, 1, 1, 1]);
  images.dispose();
  return { features, labels };
}

interface Stepped {
  readonly loss: number;
  /** By name. */
  readonly gradients: Record<string, Float32Array>;
  readonly statistics: Record<string, Float32Array>;
}

/** Two steps from the same weights, since a compiled module replays from the third on. */
function stepped(name: NormalizedNet, times: number, sync?: NormSync, steps = 2): Stepped {
  const net = NORMALIZED_NETS[name]();
  const plan = planOf(net);
  const { features, labels } = batchOf(5, times);
  let result: Stepped | undefined;
  for (let i = 0; i < steps; i++) {
    const step = withNormSync(sync, () => plan.forwardBackward(features, labels, { loss }));
    const named = step.gradients.map(({ parameter, gradient }, i) => [
      `${i} ${parameter.name.replace(/\d+/g, '')}`,
      gradient.dataSync().slice() as Float32Array,
    ]);
    const statistics = plan.statistics.map(({ variable }, i) => [
      String(i),
      variable.dataSync().slice() as Float32Array,
    ]);
    result = {
      loss: step.loss.dataSync()[0] as number,
      gradients: Object.fromEntries(named),
      statistics: Object.fromEntries(statistics),
    };
    tf.dispose([step.loss, step.correct as tf.Tensor]);
    tf.dispose(step.gradients.map(({ gradient }) => gradient));
  }
  tf.dispose([features, labels]);
  (net as { dispose(): unknown }).dispose();
  return result as Stepped;
}

function expectClose(got: Stepped, expected: Stepped): void {
  expect(got.loss).toBeCloseTo(expected.loss, 5);
  for (const part of ['gradients', 'statistics'] as const) {
    expect(Object.keys(got[part])).toEqual(Object.keys(expected[part]));
    for (const [name, wanted] of Object.entries(expected[part])) {
      const values = got[part][name] as Float32Array;
      const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0.5);
      wanted.forEach((value, i) => {
        expect(Math.abs((values[i] as number) - value) / scale, name).toBeLessThan(1e-5);
      });
    }
  }
}

describe.each(backends)('on $title', ({ name: backend, absent }) => {
  // The stock gradients of wasm are few.
  const names = (Object.keys(NORMALIZED_NETS) as NormalizedNet[]).filter(
    (name) => backend !== 'wasm' || name === 'compiled layers',
  );

  it.skipIf(absent).each(names)('%s: parts are the whole', async (name) => {
    await use(backend);
    expectClose(stepped(name, 1, likeOthers(1)), stepped(name, 1));
  });

  it.skipIf(absent).each(names)("%s: others' samples count, whatever the mass", async (name) => {
    await use(backend);
    const whole = stepped(name, 2);
    expectClose(stepped(name, 1, likeOthers(2)), whole);
    expectClose(stepped(name, 1, likeOthers(2, 7)), whole);
  });
});

describe('a process', () => {
  it('that follows adds nothing, and comes to the same sums', async () => {
    await use('simd');
    for (const name of Object.keys(NORMALIZED_NETS) as NormalizedNet[]) {
      const own: Float64Array[] = [];
      const followed: Float64Array[] = [];
      stepped(name, 1, likeOthers(2, 1, own), 4);
      const counting = likeOthers(1, 0, followed);
      const sum = (values: Float64Array) => {
        counting.sum(values);
        values[1] = 4; // rows of another process
      };
      stepped(name, 1, { ...counting, sum }, 4);
      expect(followed.map(({ length }) => length)).toEqual(own.map(({ length }) => length));
      expect(own).toHaveLength(4 * 2 * 3);
      for (const [layer, ...others] of followed) {
        expect(layer).toBeGreaterThan(0);
        expect(others.every((value) => value === 0)).toBe(true);
      }
    }
  });

  it('finds that another one is at another layer', async () => {
    await use('simd');
    const other = { ...likeOthers(2), sum: (values: Float64Array) => values.fill(1) };
    expect(() => stepped('a module', 1, other as NormSync)).toThrow(
      /expected the same layer on every process/,
    );
    expect(normSync()).toBeUndefined();
  });

  it('refuses one value for each feature on all processes together', async () => {
    await use('simd');
    class Net extends nn.Module {
      readonly norm = new nn.BatchNorm1d(3);
      override forward(x: tf.Tensor): tf.Tensor {
        return this.norm.forward(x);
      }
    }
    const net = new Net();
    const plan = planOf(net);
    const [x, y] = [tf.tensor2d([[1, 2, 3]]), tf.tensor1d([0], 'int32')];
    const step = (size: number) =>
      withNormSync(likeOthers(size), () =>
        plan.forwardBackward(x, y, { loss: softmaxCrossEntropy }),
      );
    expect(() => step(1)).toThrow(
      /BatchNorm1d: expected more than one value .* got one on all processes together/,
    );
    const { loss, correct, gradients } = step(2);
    tf.dispose([loss, correct as tf.Tensor, ...gradients.map(({ gradient }) => gradient)]);
    tf.dispose([x, y]);
    net.dispose();
  });

  it('keeps the digits of a small deviation from a large mean', async () => {
    await use('simd');
    const plan = planOf(NORMALIZED_NETS['compiled layers']());
    const moments: number[][] = [];
    for (const sync of [undefined, likeOthers(1)]) {
      const features = tf.add(batchOf(6).features, 1000) as tf.Tensor;
      const step = withNormSync(sync, () =>
        plan.forwardBackward(features, batchOf(6).labels, { loss }),
      );
      moments.push([...(step.loss.dataSync() as Float32Array)]);
    }
    expect(moments[1]?.[0]).toBeCloseTo(moments[0]?.[0] as number, 3);
  });

  it('leaves no tensor', async () => {
    await use('simd');
    for (const name of Object.keys(NORMALIZED_NETS) as NormalizedNet[])
      await expectNoLeak(() => stepped(name, 1, likeOthers(2), 3));
  });
});

/** The Vision Transformer against plain PyTorch: test/golden/make-vit-golden.py writes the values. */
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gradientsOf } from '@deepend/compiler';
import { loadWeights, saveWeights } from '@deepend/models';
import type { Module } from '@deepend/nn';
import { VisionTransformer, type ViTName } from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/vit.json';
import { backends, use } from '../helpers/backends';
import { goldenBatch, weightValues } from '../helpers/fill';
import { isFull } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';

const SMALL = { imageSize: 32, numClasses: 10 };

/** By the names of the state dict and its layouts. */
function fill<T extends Module>(net: T): T {
  const own = net.stateDict();
  const state = Object.entries(own).map(([name, { shape }]) => {
    const kind = /norm.*weight$/.test(name) ? 'gamma' : 'bias';
    return [name, tf.tensor(weightValues(`${name}/${kind}`, shape), shape)] as const;
  });
  net.loadStateDict(Object.fromEntries(state));
  tf.dispose([own, Object.fromEntries(state)]);
  return net;
}

function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - (actual[i] as number))));
  expect(worst / largest).toBeLessThan(1e-4);
}

/** The norm of each parameter's gradient of sum(logits · sin(1, 2, ...)). */
function gradientNorms(net: VisionTransformer, images: tf.Tensor): Map<string, number> {
  const named = net.namedParameters();
  const loss = () => {
    const logits = net.forward(images);
    const waves = tf.reshape(tf.sin(tf.range(1, 1 + logits.size)), logits.shape);
    return tf.sum(tf.mul(logits, waves)) as tf.Scalar;
  };
  const { value, gradients } = gradientsOf(
    loss,
    named.map(([, variable]) => variable),
  );
  const norms = named.map(
    ([name], i) => [name, tf.norm(gradients[i] as tf.Tensor).dataSync()[0] as number] as const,
  );
  tf.dispose([value, gradients]);
  return new Map(norms);
}

const present = backends.filter(({ absent }) => !absent);

describe.each(present)("PyTorch's numbers on $title", ({ name }) => {
  beforeAll(() => use(name));

  it('logits and gradients of a small one', () => {
    expectNoLeak(() =>
      tf.tidy(() => {
        const net = fill(new VisionTransformer(golden.small.spec, SMALL));
        const { features } = goldenBatch([2, 32, 32, 3], 'vit');
        expectClose(net.forward(features).dataSync(), golden.small.logits.flat());
        const norms = gradientNorms(net, features);
        expect([...norms.keys()].sort()).toEqual(Object.keys(golden.small.gradients).sort());
        for (const [parameter, norm] of Object.entries(golden.small.gradients)) {
          const error = Math.abs((norms.get(parameter) as number) - norm);
          expect(error / (norm + 1e-2), parameter).toBeLessThan(1e-3);
        }
        net.dispose();
      }),
    );
  });
});

describe('ViT-S/16', () => {
  beforeAll(() => use('simd'));

  it.skipIf(!isFull)("has timm's parameters and PyTorch's logits", () => {
    tf.tidy(() => {
      const net = fill(new VisionTransformer('vit_s_16'));
      const sizes = net.parameters().map(({ size }) => size);
      expect(sizes.reduce((a, b) => a + b, 0)).toBe(golden.vit_s_16.parameters);
      const names = net.namedParameters().map(([name]) => name);
      const hash = createHash('sha256').update(names.sort().join('\n')).digest('hex');
      expect(hash).toBe(golden.vit_s_16.names);
      const { features } = goldenBatch([1, 224, 224, 3], 'vit_s_16');
      const logits = net.forward(features).dataSync();
      const picked = logits.filter((_, i) => i % golden.pick === 0);
      expectClose(picked, golden.vit_s_16.logits);
      net.dispose();
    });
  });

  it('saves and loads weights by name', async () => {
    const folder = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    const file = path.join(folder, 'vit.safetensors');
    const [net, other] = [1, 2].map(
      (seed) => new VisionTransformer(golden.small.spec, { ...SMALL, seed }),
    ) as [VisionTransformer, VisionTransformer];
    const { features } = goldenBatch([2, 32, 32, 3], 'vit');
    await saveWeights(net, file);
    const logits = () =>
      [net, other].map((one) => [...tf.tidy(() => one.forward(features)).dataSync()]);
    const [expected, before] = logits();
    expect(before).not.toEqual(expected);
    await loadWeights(other, file);
    expect(logits()[1]).toEqual(expected);
    await fs.remove(folder);
    tf.dispose(features);
    net.dispose();
    other.dispose();
  });

  it('refuses sizes that do not fit', () => {
    const { spec } = golden.small;
    expect(() => new VisionTransformer('vit_x' as ViTName)).toThrow(/one of vit_s_16, vit_b_16/);
    expect(() => new VisionTransformer('vit_s_16', { imageSize: 30 })).toThrow(/take 32/);
    expect(() => new VisionTransformer({ ...spec, heads: 5 }, SMALL)).toThrow(/divides hidden 24/);
    expect(() => new VisionTransformer(spec, { size: 1 } as object)).toThrow(/size/);
  });
});

/**
 * Random numbers that depend only on a seed and their own index. They are the same on any number of
 * threads, and can be drawn again instead of kept.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import { BLOCK } from './strides';
import { type FusedKernel, size } from './types';

/** Hashes a seed to two 32-bit keys: the bits of its double, through MurmurHash3's finalizer. */
function hashSeed(name: string, seed: unknown): [number, number] {
  if (typeof seed !== 'number' || !Number.isFinite(seed)) {
    throw new TypeError(
      `[backend-simd] ${name}: expected a finite number as seed, got ${String(seed)}`,
    );
  }
  const [low = 0, high = 0] = new Int32Array(Float64Array.of(seed).buffer);
  const first = mix(low ^ mix(high));
  return [first, mix(first + high)];
}

function mix(h: number): number {
  let bits = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

export const randomKernels: readonly FusedKernel[] = [
  {
    // {} + shape, seed → float32 in [0, 1)
    name: 'deepend.randomUniform',
    run({ attrs: { shape, seed }, backend }) {
      const [key0, key1] = hashSeed('randomUniform', seed);
      const out = backend.output([...shape]);
      const count = size(shape);
      backend.launch(
        Task.RandomUniform,
        {
          x: 0,
          out: backend.pointer(out),
          count,
          block: BLOCK,
          key0,
          key1,
          rate: 0,
          scale: 0,
        },
        Math.ceil(count / BLOCK),
      );
      return out;
    },
  },
  {
    // {x} + rate, seed → y: each value becomes 0 if its uniform number is below `rate`, and else is
    // multiplied by 1 / (1 - rate). The gradient is the same operation on dy.
    name: 'deepend.dropout',
    run({ inputs, attrs: { rate, seed }, backend }) {
      const x = inputs.x as TensorInfo;
      const [key0, key1] = hashSeed('dropout', seed);
      const out = backend.output(x.shape);
      const count = size(x.shape);
      backend.launch(
        Task.Dropout,
        {
          x: backend.pointer(x),
          out: backend.pointer(out),
          count,
          block: BLOCK,
          key0,
          key1,
          rate,
          scale: 1 / (1 - rate),
        },
        Math.ceil(count / BLOCK),
      );
      return out;
    },
  },
];

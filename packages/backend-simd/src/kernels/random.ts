/**
 * Random numbers that depend on a seed and their own index alone: on any number of threads the
 * same, and drawn again, the same.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/task';
import { float } from '../runtime';
import { BLOCK } from './strides';
import { type Kernel, size } from './types';

/**
 * Two well-mixed 32-bit keys from any number: its bits as a double, through the finalizer of
 * MurmurHash3.
 */
function keysOf(name: string, seed: unknown): [number, number] {
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

export const randomKernels: readonly Kernel[] = [
  {
    // {} + shape, seed → float32 in [0, 1)
    name: 'deepend.randomUniform',
    run({ attrs: { shape, seed }, backend }) {
      const keys = keysOf('randomUniform', seed);
      const out = backend.output([...shape]);
      const count = size(shape);
      backend.launch(
        Task.RandomUniform,
        [0, backend.pointer(out), count, BLOCK, ...keys, 0, 0],
        Math.ceil(count / BLOCK),
      );
      return out;
    },
  },
  {
    // {x} + rate, seed → y: numbers whose uniform one is below the rate become 0, the others grow
    // by 1 / (1 - rate). The gradient: the same of dy
    name: 'deepend.dropout',
    run({ inputs, attrs: { rate, seed }, backend }) {
      const x = inputs.x as TensorInfo;
      const keys = keysOf('dropout', seed);
      const out = backend.output(x.shape);
      const count = size(x.shape);
      const words = [
        backend.pointer(x),
        backend.pointer(out),
        count,
        BLOCK,
        ...keys,
        float(rate),
        float(1 / (1 - rate)),
      ];
      backend.launch(Task.Dropout, words, Math.ceil(count / BLOCK));
      return out;
    },
  },
];

/** What every kernel that gives its numbers unchanged must pass. */
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Task } from '../../packages/backend-simd/assembly/ops';
import { runsOf } from '../helpers/full';
import {
  booleans,
  expectLikeStock,
  integers,
  type Numbers,
  type Operation,
  oddNumbers,
  seeds,
  shapes,
  tasksOf,
} from './operations';

type Make = (shape: number[], seed: number) => Numbers;
export const makers = fc.constantFrom<Make>(oddNumbers, oddNumbers, integers, booleans);

/** Rows: random calls of a kernel, larger ones, and what a small float32 one launches. */
export interface Move {
  readonly kernel: string;
  readonly calls: fc.Arbitrary<Omit<Operation, 'kernel'>>;
  readonly large?: readonly Omit<Operation, 'kernel'>[];
  readonly small: Omit<Operation, 'kernel'>;
  readonly tasks: readonly Task[];
}

export const calls = <T>(
  options: Parameters<typeof shapes>[0],
  more: (shape: number[]) => fc.Arbitrary<T>,
  call: (x: Numbers, more: T) => object,
) =>
  fc
    .tuple(shapes(options), seeds, makers)
    .chain(([shape, seed, make]) =>
      more(shape).map((rest) => call(make(shape, seed), rest) as Omit<Operation, 'kernel'>),
    );

export function describeMoves(moves: readonly Move[]): void {
  beforeAll(() => tf.setBackend('simd'));

  describe.each(moves)('$kernel', ({ kernel, calls: arbitrary, large = [], small, tasks }) => {
    it("equals stock cpu's", async () => {
      await fc.assert(
        fc.asyncProperty(arbitrary, (call) => expectLikeStock({ kernel, ...call })),
        { numRuns: runsOf(80) },
      );
    });

    it("equals stock cpu's in many tiles", async () => {
      for (const call of large) await expectLikeStock({ kernel, ...call });
    });

    it('runs in WebAssembly', () => {
      expect(tasksOf({ kernel, ...small })).toEqual(tasks);
    });
  });
}

/** Recurrent kernels against their definition in core ops on cpu: every build, any threads. */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-layers'; // registers the gradients
import { hasFusedKernel } from '@deepend/compiler';
import { functional } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { expectAlike } from './alike';

interface Row {
  cell: functional.RecurrentCell;
  time: number;
  batch: number;
  size: number;
  hidden: number;
  lengths?: number[];
  reverse?: boolean;
}

const ROWS: Row[] = [
  { cell: 'gru', time: 5, batch: 9, size: 3, hidden: 37 },
  { cell: 'gru', time: 3, batch: 130, size: 4, hidden: 64, reverse: true }, // several row blocks
  { cell: 'gru', time: 4, batch: 3, size: 2, hidden: 18, lengths: [1, 4, 2], reverse: true },
  { cell: 'lstm', time: 4, batch: 33, size: 5, hidden: 40 },
  { cell: 'lstm', time: 4, batch: 3, size: 2, hidden: 1, lengths: [3, 1, 4] },
  { cell: 'lstm', time: 1, batch: 1, size: 1, hidden: 150, reverse: true },
  { cell: 'tanh', time: 6, batch: 2, size: 3, hidden: 21, lengths: [6, 2] },
  { cell: 'relu', time: 3, batch: 7, size: 3, hidden: 16 },
];
const GATES = { tanh: 1, relu: 1, gru: 3, lstm: 4 };

/** Outputs, and gradients of a weighted sum of them, as plain numbers. */
function compute(row: Row, poisoned: boolean): Float32Array[] {
  const { cell, time, batch, size, hidden, lengths, reverse } = row;
  const wide = GATES[cell] * hidden;
  const shapes: Record<string, number[]> = {
    x: [time, batch, size],
    h0: [batch, hidden],
    weightIh: [wide, size],
    weightHh: [wide, hidden],
    biasIh: [wide],
    biasHh: [wide],
    ...(cell === 'lstm' && { c0: [batch, hidden] }),
  };
  return tf.tidy(() => {
    const names = Object.keys(shapes);
    const tensors = Object.entries(shapes).map(([name, shape]) => {
      const values = mix(tf.util.sizeFromShape(shape), name).map((v) => v - 0.5);
      if (poisoned && name === 'x') values[size] = Number.NaN; // the second sample's first step
      return tf.tensor(values, shape);
    });
    const outputs: tf.Tensor[] = [];
    const gradients = tf.grads((...wrt: tf.Tensor[]) => {
      const named = Object.fromEntries(names.map((name, i) => [name, wrt[i]]));
      const found = functional.recurrent(cell, {
        ...(named as unknown as functional.RecurrentInputs),
        reverse,
        ...(lengths && { lengths: tf.tensor1d(lengths, 'int32') }),
      });
      outputs.push(...[found.output, found.h, ...(found.c ? [found.c] : [])].map(tf.keep));
      const flat = tf.concat(outputs.map((output) => tf.reshape(output, [-1])));
      return tf.sum(tf.mul(flat, tf.tensor1d(mix(flat.size, 'dy').map((v) => v - 0.5))));
    })(tensors);
    const values = [...outputs, ...gradients].map((x) => x.dataSync().slice() as Float32Array);
    tf.dispose(outputs);
    return values;
  });
}

const { build: usualBuild, numThreads } = runtime();
afterEach(() => {
  runtime().setBuild(usualBuild);
  runtime().setThreads(numThreads);
});

describe.each(runtime().builds)('%s', (build) => {
  it.each(ROWS)('$cell: $time steps of $batch × $hidden', async (row) => {
    for (const poisoned of [false, true]) {
      await tf.setBackend('cpu');
      const expected = compute(row, poisoned);
      await tf.setBackend('simd');
      runtime().setBuild(build);
      expect(hasFusedKernel('deepend.recurrent')).toBe(true);
      runtime().setThreads(1);
      const one = compute(row, poisoned);
      expectAlike(one, expected, { tolerance: 1e-4 });
      runtime().setThreads(3);
      expect(compute(row, poisoned)).toEqual(one);
    }
    await expectNoLeak(() => compute(row, false));
  });
});

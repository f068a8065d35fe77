/** The tape has the gradients of core's operations, whichever package of deepend is imported. */
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { buildProgram } from '../helpers/program';

const PROGRAM = (name: string) => `
  import * as tf from '@tensorflow/tfjs-core';
  import '@tensorflow/tfjs-backend-cpu';
  import * as imported from '${name}';
  await tf.setBackend('cpu');
  const x = tf.tensor1d([1, 2]);
  const slope = tf.grad((x) => tf.mean(tf.relu(tf.mul(x, x))))(x);
  console.log(Object.keys(imported).length > 0, [...slope.dataSync()].join());
`;

it.each(['@deepend/compiler', '@deepend/optim', '@deepend/nn'])(
  '%s and core are enough, in a process of its own',
  async (name) => {
    const program = await buildProgram({ source: PROGRAM(name) });
    try {
      const printed = execFileSync(process.execPath, [program.file], { encoding: 'utf8' });
      expect(printed.trim().split('\n').at(-1)).toBe('true 1,2');
    } finally {
      await program.remove();
    }
  },
);

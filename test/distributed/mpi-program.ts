/**
 * What each rank does in the tests of collectives: prints a line of JSON, `{ name, rank, result }` or
 * `{ name, rank, error }`, for each case that its arguments name.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  allGather,
  allReduce,
  barrier,
  broadcast,
  localRank,
  rank,
  worldSize,
} from '@deepend/distributed';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';

const read = async (x: tf.Tensor) => ({
  shape: x.shape,
  dtype: x.dtype,
  values: [...(await x.data())],
});

/** A thread that compiles scripts for 700 ms, and says when it has begun. */
const ALLOCATE = `
  const { Script } = require('node:vm');
  require('node:worker_threads').parentPort.postMessage('begun');
  const end = Date.now() + 700;
  for (let i = 0; Date.now() < end; i++) new Script('() => "' + 'x'.repeat(i % 3000) + '"');
`;

const CASES: Record<string, () => Promise<unknown>> = {
  ranks: async () => [rank(), worldSize(), localRank()],
  sum: async () => [...(await allReduce(Float32Array.of(1, rank(), 0.5)))],
  'sum of doubles': async () => [...(await allReduce(Float64Array.of(2 ** -40, rank())))],
  'sum of integers': async () => [...(await allReduce(Int32Array.of(2 ** 24 + 1, rank())))],
  'sum of bytes': async () => [...(await allReduce(Uint8Array.of(1, rank())))],
  mean: async () => [...(await allReduce(Float32Array.of(rank(), 8), { op: 'mean' }))],
  max: async () => [...(await allReduce(Float32Array.of(rank(), -rank()), { op: 'max' }))],
  min: async () => [...(await allReduce(Int32Array.of(rank(), -rank()), { op: 'min' }))],
  'mean of integers': async () => [...(await allReduce(Int32Array.of(1), { op: 'mean' }))],
  tensor: async () =>
    read(
      await allReduce(
        tf.tensor2d([
          [1, 2],
          [3, rank()],
        ]),
      ),
    ),
  scalar: async () => read(await allReduce(tf.scalar(rank() + 1, 'int32'))),
  unchanged: async () => {
    const x = Float32Array.of(rank());
    await allReduce(x);
    return [...x];
  },
  broadcast: async () => [...(await broadcast(Int32Array.of(rank(), 7 * rank()), { root: 1 }))],
  'no such root': async () => broadcast(Int32Array.of(1), { root: 9 }),
  gather: async () => read(await allGather(tf.fill([rank() + 1, 2], rank()))),
  'gather of nothing': async () => [
    ...(await allGather(new Float32Array(rank() === 0 ? 0 : 1).fill(rank()))),
  ],
  'other lengths': async () => allReduce(new Float32Array(rank() + 1)),
  'other types': async () => allReduce(rank() === 1 ? new Float64Array(1) : new Float32Array(1)),
  'other rows': async () => allGather(tf.ones([1, rank() + 1])),
  'busy threads': async () => {
    const threads = Array.from({ length: 3 }, () => new Worker(ALLOCATE, { eval: true }));
    const ended = threads.map((thread) => once(thread, 'exit'));
    await Promise.all(threads.map((thread) => once(thread, 'message')));
    await barrier(); // the first operation starts MPI
    // Memory that was taken away shows when the compiler asks for more.
    for (let i = 0; i < 3000; i++) new Function(`return () => [${Array(i % 300).fill(i)}]`)();
    await Promise.all(ended);
    return process.env.UCX_MEM_EVENTS;
  },
  'at once': async () => {
    const sums = await Promise.all([1, 2, 3].map((i) => allReduce(Float32Array.of(i))));
    await barrier();
    return sums.map(([sum]) => sum);
  },
  large: async () => {
    const memory = new WebAssembly.Memory({ initial: 800, maximum: 800, shared: true });
    const x = new Float32Array(memory.buffer, 1024, 11_000_000).fill(rank() + 1);
    const sum = await allReduce(x);
    return [sum.length, sum[0], sum.at(-1)];
  },
  throws: async () => {
    if (rank() === 1)
      setTimeout(() => {
        throw new Error('of rank 1');
      });
    await barrier();
    await new Promise(() => setTimeout(() => undefined, 60_000));
  },
};

for (const name of process.argv.slice(2)) {
  const run = CASES[name] as () => Promise<unknown>;
  const said = await run().then(
    (result) => ({ result }),
    (error: Error) => ({ error: `${error.name}: ${error.message}` }),
  );
  process.stdout.write(`${JSON.stringify({ name, rank: rank(), ...said })}\n`);
}

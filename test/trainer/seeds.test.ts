/** Any safe integer is as good a seed as 0: each dropout layer draws other numbers in each step. */
import { meanSquaredError } from '@deepend/optim';
import { train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describe, expect, it } from 'vitest';
import { allBackends } from '../helpers/all-backends';
import { use } from '../helpers/backends';
import { rowsOf } from '../helpers/full';

const ALL = [
  0,
  1,
  2 ** 31 - 1,
  1_764_446_400_123, // Date.now()
  1_764_446_400, // Unix seconds
  400_000,
  Number.MAX_SAFE_INTEGER,
  -5,
];
/** By default one of each kind: of more than 32 bits, the largest, and a negative one. */
const SEEDS = rowsOf(ALL, (seed) => seed > 2 ** 40 || seed < 0);
const WIDTH = 32;
const STEPS = 12;
const BATCH = 2;

/** ones → dense → two dropout layers of one shape, next to each other in the output. */
function twoDropouts(): tfl.LayersModel {
  const input = tfl.input({ shape: [4] });
  const hidden = tfl.layers
    .dense({ units: WIDTH, kernelInitializer: 'ones', biasInitializer: 'ones' })
    .apply(input) as tfl.SymbolicTensor;
  const drop = () => tfl.layers.dropout({ rate: 0.5 }).apply(hidden) as tfl.SymbolicTensor;
  return tfl.model({
    inputs: input,
    outputs: tfl.layers.concatenate().apply([drop(), drop()]) as tfl.SymbolicTensor,
  });
}

const ones = {
  numSamples: STEPS * BATCH,
  batchSize: BATCH,
  numBatches: STEPS,
  async *[Symbol.asyncIterator]() {
    for (let i = 0; i < STEPS; i++)
      yield { features: tf.ones([BATCH, 4]), labels: tf.ones([BATCH, 2 * WIDTH]) };
  },
};

/** The masks of a run of 24 steps, in order: each the zeros of one layer in one row of a step. */
async function masksOf(seed: number, options: { microBatch?: number } = {}): Promise<string[]> {
  const masks: string[] = [];
  const loss = meanSquaredError();
  await train(twoDropouts(), ones, null, {
    numEpochs: 2,
    lr: 1e-6,
    seed,
    progress: false,
    loss: (outputs, labels) => {
      for (const row of (outputs as tf.Tensor2D).arraySync())
        for (const half of [row.slice(0, WIDTH), row.slice(WIDTH)])
          masks.push(half.map((value) => (value === 0 ? '0' : '1')).join(''));
      return loss(outputs, labels);
    },
    ...options,
  });
  return masks;
}

describe.each(allBackends)('dropout on $title', ({ name, absent }) => {
  it.skipIf(absent).each(SEEDS)(
    'has another mask for each layer, sample and step with seed %s',
    async (seed) => {
      await use(name);
      const masks = await masksOf(seed);
      expect(masks).toHaveLength(2 * 2 * STEPS * BATCH);
      expect(new Set(masks).size).toBe(masks.length);
      const kept = masks.join('').replaceAll('0', '').length / (masks.length * WIDTH);
      expect(kept).toBeGreaterThan(0.45);
      expect(kept).toBeLessThan(0.55);
      expect(await masksOf(seed)).toEqual(masks);
    },
  );
});

describe('a batch in parts', () => {
  it.each(SEEDS)('has another mask for each part with seed %s', async (seed) => {
    await use('cpu-js');
    const masks = await masksOf(seed, { microBatch: 1 });
    expect(masks).toHaveLength(2 * 2 * STEPS * BATCH);
    expect(new Set(masks).size).toBe(masks.length);
  });
});

it('gives another run for another seed', async () => {
  await use('cpu-js');
  const runs = await Promise.all(SEEDS.map((seed) => masksOf(seed)));
  expect(new Set(runs.flat()).size).toBe(runs.flat().length);
});

it.each([0.5, Number.NaN, 2 ** 53, '1'])('refuses the seed %s', async (seed) => {
  await expect(masksOf(seed as number)).rejects.toThrow(
    /option "seed" must be a safe integer \(from -9007199254740991 to 9007199254740991\), got/,
  );
});

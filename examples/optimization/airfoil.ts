/**
 * Seven optimizers on the noise of airfoils, chapter 11 (en 12) of Dive into Deep Learning, each
 * from scratch and built in, with the losses of all in two charts:
 * npm run example examples/optimization/airfoil.ts -- --epochs 4
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { d2l, optim, plot, tryGpu } from 'deepend';

const DEFAULTS = {
  root: '', // folder of airfoil_self_noise.dat; empty: the cache, into which it is downloaded
  'batch-size': 10,
  epochs: 2,
  out: 'runs/airfoil',
};
const option = (value: unknown) => ({ type: 'string' as const, default: String(value) });
const options = Object.fromEntries(
  Object.entries(DEFAULTS).map(([name, value]) => [name, option(value)]),
);
const args = parseArgs({ options: { ...options, help: { type: 'boolean' } } });
const values = args.values as Record<string, string | boolean | undefined>;
if (values.help) {
  for (const [name, value] of Object.entries(DEFAULTS)) console.log(`--${name} (${value})`);
  process.exit();
}
const number = (name: keyof typeof DEFAULTS) => Number(values[name]);
const epochs = number('epochs');

// The loss of the built-in ones has no factor 1/2: their gradients are twice as large.
const BUILT_IN = {
  sgd: [optim.sgd, { lr: 0.025 }],
  momentum: [optim.sgd, { lr: 0.0025, momentum: 0.9 }],
  adagrad: [optim.adagrad, { lr: 0.1 }],
  rmsprop: [optim.rmsprop, { lr: 0.01, alpha: 0.9 }],
  adadelta: [optim.adadelta, { lr: 1, rho: 0.9, epsilon: 1e-5 }],
  adam: [optim.adam, { lr: 0.01 }],
  yogi: [optim.yogi, { lr: 0.01 }],
} as const;

await tryGpu();
const files = values.root ? { root: String(values.root) } : {};
const names = Object.keys(BUILT_IN) as (keyof typeof BUILT_IN)[];
const losses: Record<string, number[][]> = { 'from-scratch': [], 'built-in': [] };
for (const name of names) {
  const [dataIter, featureDim] = await d2l.getDataCh11(number('batch-size'), 1500, files);
  const { initStates, update, hyperparams } = d2l.optimizersCh11[name];
  const states = initStates(featureDim);
  console.log(`${name}, from scratch and built in`);
  const loading = [dataIter, featureDim, epochs] as const;
  const scratch = await d2l.trainCh11(update, states, { ...hyperparams }, ...loading);
  const [trainer, settings] = BUILT_IN[name];
  const builtIn = await d2l.trainConciseCh11(trainer, settings, dataIter, epochs);
  losses['from-scratch']?.push(scratch[1]);
  losses['built-in']?.push(builtIn[1]);
  tf.dispose(states);
}

await mkdir(String(values.out), { recursive: true });
await writeFile(`${values.out}/losses.json`, JSON.stringify(losses));
for (const [kind, ys] of Object.entries(losses)) {
  const x = ys[0]?.map((_, i, all) => ((i + 1) / all.length) * epochs) ?? [];
  const axes = { xlabel: 'epoch', ylabel: 'loss', ylim: [0.22, 0.42] as const, legend: names };
  await plot(x, ys, { ...axes, title: kind }).save(`${values.out}/${kind}.png`);
}

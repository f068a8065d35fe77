/** The models of the benchmark are those of its tables, and PyTorch's are the same. */
import { listTensors, planOf } from '@deepend/compiler';
import { activate } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { pythonAbsent } from '../helpers/python';
import { JOBS, MODELS, type ModelJob, matches, targetOf, titleOf } from './jobs';
import { workload } from './models';
import { startPeer } from './peer';

const NAMES = Object.keys(MODELS) as (keyof typeof MODELS)[];
const jobs = JOBS.filter((job): job is ModelJob => job.kind === 'step');

beforeAll(() => activate({ backend: 'simd' }));

describe('models of the benchmark', () => {
  it.each(NAMES)('%s has the parameters of its row, and computes a step', (name) => {
    const { model, features, labels, loss } = workload(name, 1);
    const plan = planOf(model);
    const counts = plan.parameters.map(({ shape }) => tf.util.sizeFromShape([...shape]));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(MODELS[name].parameters);
    const step = plan.forwardBackward(features, labels, { loss });
    expect(step.gradients).toHaveLength(plan.parameters.length);
    // Hardly better or worse than guessing before it has learned.
    const value = step.loss.dataSync()[0] as number;
    expect(value).toBeGreaterThan(1);
    expect(value).toBeLessThan(10);
    const gradients = step.gradients.map(({ gradient }) => gradient);
    tf.dispose([step.loss, step.correct, gradients, labels, listTensors(features)]);
    model.dispose();
  });

  it('have a job each, which its name and words of its title choose', () => {
    expect(jobs.map(({ model }) => model)).toEqual(NAMES);
    for (const job of jobs)
      expect(JOBS.filter((other) => matches(other, titleOf(job).split(' ')))).toContain(job);
    expect(JOBS.filter((job) => matches(job, ['gru_lm']))).toEqual([jobs[0]]);
  });

  it('are to reach two thirds of the ratio on WebAssembly', () => {
    const [gru] = jobs as [ModelJob];
    expect(targetOf(gru, { isNative: true })).toBe(1.3);
    expect(targetOf(gru, { isNative: false })).toBeCloseTo(0.867, 3);
    const [net] = JOBS as [(typeof JOBS)[number]];
    expect(targetOf(net, { isNative: false })).toBe(net.target);
  });
});

const why = pythonAbsent(['torch', 'torchvision']);

describe.skipIf(why)(`PyTorch's models (${why ?? 'here'})`, () => {
  it('have the same numbers of parameters, or are refused', async () => {
    const peer = await startPeer();
    const ask = (model: string, parameters: number) =>
      peer.ask({ kind: 'step', model, batch: 1, parameters, seconds: 0 });
    try {
      for (const name of NAMES)
        expect(await ask(name, MODELS[name].parameters), name).toBeGreaterThan(0);
      await expect(ask('mlp', 1)).rejects.toThrow(/203530 parameters, expected 1/);
    } finally {
      peer.close();
    }
  });
});

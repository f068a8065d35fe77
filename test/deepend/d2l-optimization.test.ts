/** The book's functions for optimization and several devices: chapters 12 and 13. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DATA_HUB } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import { book, cpu, crossEntropy, d2l, loadArray, nn, optim } from 'deepend';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import golden from '../golden/book-optimizers.json';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const printed: string[] = [];
beforeAll(() => use('cpu-js'));
beforeEach(() => {
  printed.length = 0;
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
});
afterEach(() => vi.restoreAllMocks());

describe('train2d', () => {
  const f = (x1: number, x2: number) => 0.1 * x1 ** 2 + 2 * x2 ** 2;
  const fGrad = (x1: number, x2: number) => [0.2 * x1, 4 * x2] as const;

  it("visits the book's points and prints the last", () => {
    const results = d2l.train2d(
      (x1, x2, s1, s2, gradient) => {
        const [g1, g2] = gradient?.(x1, x2) ?? [0, 0];
        return [x1 - 0.4 * g1, x2 - 0.4 * g2, s1, s2];
      },
      { fGrad },
    );
    expect(results).toHaveLength(21);
    expect(results[0]).toEqual([-5, -2]);
    expect(printed).toEqual(['epoch 20, x1: -0.943467, x2: -0.000073']); // printed in section 12.6
    expect(d2l.showTrace2d(f, results).toSvg()).toContain('<svg');
  });

  it('passes the states on', () => {
    const results = d2l.train2d((x1, x2, s1, s2) => [x1 + s1, x2 + s2, s1 + 1, s2 + 2], {
      steps: 3,
    });
    expect(results).toEqual([
      [-5, -2],
      [-5, -2],
      [-4, 0],
      [-2, 6 - 2],
    ]);
  });

  it('refuses options that do not exist, and points that are not finite', () => {
    // @ts-expect-error
    expect(() => d2l.train2d(() => [0, 0, 0, 0], { step: 3 })).toThrow('there is no option "step"');
    expect(() => d2l.train2d(() => [0, 0, 0, 0], { steps: 0 })).toThrow(RangeError);
    expect(() => d2l.train2d((() => [1, 2]) as never)).toThrow('expected [x1, x2, s1, s2] of the');
    expect(() => d2l.train2d((x1, x2) => [x1 * -1e300, x2, 0, 0], { steps: 9 })).toThrow(
      /after step 2, got x1 -Infinity/,
    );
  });
});

describe('the optimizers from scratch', () => {
  const NAMES = Object.keys(golden.after) as d2l.OptimizerNameCh11[];
  it('are those of the chapter', () => expect(Object.keys(d2l.optimizersCh11)).toEqual(NAMES));

  it.each(NAMES)('%s makes the steps of the book', async (name) => {
    await expectNoLeak(() => {
      const { initStates, update, hyperparams } = d2l.optimizersCh11[name];
      const shapes = [[2, 1], [1]];
      const params = golden.weights.map((w, i) =>
        tf.tidy(() => tf.variable(tf.tensor(w, shapes[i]))),
      );
      const states = initStates(2);
      const h = { ...hyperparams };
      for (const step of golden.gradients) {
        const gradients = step.map((g, i) => tf.tensor(g, shapes[i]));
        update(params, gradients, states, h);
        tf.dispose(gradients);
      }
      params.forEach((p, i) => {
        const expected = golden.after[name][i] as number[];
        p.dataSync().forEach((value, j) => {
          expect(value).toBeCloseTo(expected[j] as number, 5);
        });
      });
      if ('t' in hyperparams) expect(h.t).toBe(6);
      for (const variable of [...params, ...states.flat()]) variable.dispose();
    });
  });

  it('name a hyperparameter or a state that is missing', () => {
    const { momentum } = d2l.optimizersCh11;
    const w = tf.variable(tf.zeros([1]));
    expect(() => momentum.update([w], [w], [], { lr: 1 })).toThrow('"momentum" to be a number');
    expect(() => momentum.update([w], [w], [], { lr: 1, momentum: 0 })).toThrow('0 states');
    w.dispose();
  });
});

const shared = path.join(process.env.DEEPEND_DATA ?? '', 'airfoil_self_noise.dat');
const real = process.env.DEEPEND_DATA && existsSync(shared);

describe('linear regression of chapter 12', () => {
  const row = DATA_HUB.airfoil as { sha1: string };
  const { sha1 } = row;
  let root: string;
  beforeAll(async () => {
    root = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    const x = (i: number, j: number) => Math.sin(i * (j + 1.3) + j) * (j + 1);
    const rows = Array.from({ length: 300 }, (_, i) => {
      const features = Array.from({ length: 5 }, (_, j) => x(i, j));
      const label = features.reduce((sum, value, j) => sum + value * (j - 2), 7);
      return [...features, label].join('\t');
    });
    const content = `${rows.join('\r\n')}\r\n`;
    await fs.writeFile(path.join(root, 'airfoil_self_noise.dat'), content);
    row.sha1 = createHash('sha1').update(content).digest('hex');
  });
  afterAll(async () => {
    row.sha1 = sha1;
    await fs.remove(root);
  });
  const files = () => ({ root, download: false, progress: false });

  it('standardizes each column over all rows', async () => {
    const [dataIter, featureDim] = await d2l.getDataCh11(300, 300, files());
    expect(featureDim).toBe(5);
    for await (const { features, labels } of dataIter) {
      expect([features.shape, labels.shape]).toEqual([[300, 5], [300]]);
      const { mean, variance } = tf.moments(features, 0);
      for (const value of mean.dataSync()) expect(value).toBeCloseTo(0, 5);
      for (const value of variance.dataSync()) expect(value).toBeCloseTo(1, 4);
      tf.dispose([features, labels, mean, variance]);
    }
    expect((await d2l.getDataCh11(10, 120, files()))[0].numSamples).toBe(120);
    await expect(d2l.getDataCh11(10, 301, files())).rejects.toThrow('an integer from 1 to 300');
  });

  it('evaluates after each 200 samples and at the end, and leaves no tensor', async () => {
    const [dataIter, featureDim] = await d2l.getDataCh11(10, 300, files());
    const { sgd } = d2l.optimizersCh11;
    await expectNoLeak(async () => {
      const [seconds, losses] = await d2l.trainCh11(
        ...([sgd.update, [], { lr: 0.05 }] as const),
        ...([dataIter, featureDim, 3] as const),
      );
      expect(losses).toHaveLength(5); // at 200, 400, 600, 800 and 900
      expect(seconds.length).toBe(5);
      expect(losses.at(-1)).toBeLessThan(1e-3); // the labels are linear in the features
    });
    expect(printed.at(-1)).toMatch(/^loss: 0\.000, \d+\.\d{3} sec\/epoch$/);
  });

  it('trains as well by built-in optimizers', async () => {
    const [dataIter] = await d2l.getDataCh11(10, 300, files());
    await expectNoLeak(async () => {
      const [, losses] = await d2l.trainConciseCh11(optim.adam, { lr: 0.05 }, dataIter, 2);
      expect(losses.at(-1)).toBeLessThan(0.01);
    });
  });

  it('refuses another number of features, and a loss that is not finite', async () => {
    const [dataIter] = await d2l.getDataCh11(10, 300, files());
    const { update } = d2l.optimizersCh11.sgd;
    await expectNoLeak(async () => {
      await expect(d2l.trainCh11(update, [], { lr: 0.1 }, dataIter, 4)).rejects.toThrow(
        'expected features [batch, 4], got [10, 5]',
      );
      await expect(d2l.trainCh11(update, [], { lr: 1e6 }, dataIter, 5)).rejects.toThrow(
        'lower the learning rate',
      );
    });
  });

  const where = real ? 'real data' : 'skipped: set DEEPEND_DATA to the folder of its file';
  it.skipIf(!real)(`reaches the book's loss on the airfoils (${where})`, async () => {
    row.sha1 = sha1;
    const [dataIter, dim] = await d2l.getDataCh11(10, 1500, {
      ...files(),
      root: process.env.DEEPEND_DATA as string,
    });
    for (const { initStates, update, hyperparams } of Object.values(d2l.optimizersCh11)) {
      const states = initStates(dim);
      const [, losses] = await d2l.trainCh11(update, states, { ...hyperparams }, dataIter, dim);
      expect(losses.at(-1)).toBeLessThan(0.26);
      tf.dispose(states);
    }
  });
});

describe('small things', () => {
  it('Benchmark prints seconds and returns the result', async () => {
    expect(await new d2l.Benchmark('sum').run(async () => 1 + 1)).toBe(2);
    expect(printed).toEqual([expect.stringMatching(/^sum: \d+\.\d{4} sec$/)]);
  });

  it('annotate is an option of plot', () => {
    const note = d2l.annotate('minimum', [1, 0], [1.5, 1]);
    expect(d2l.plot([0, 1, 2], [1, 0, 1], { annotate: [note] }).toSvg()).toContain('minimum');
  });
});

describe('several devices', () => {
  it('splitBatch cuts a batch into even parts', async () => {
    await expectNoLeak(() => {
      const X = tf.ones([5, 4]);
      const y = tf.range(0, 5);
      const [Xs, ys] = d2l.splitBatch(X, y, ['a', 'b']);
      expect(Xs.map(({ shape }) => shape)).toEqual([
        [3, 4],
        [2, 4],
      ]);
      expect(ys.map((part) => [...part.dataSync()])).toEqual([
        [0, 1, 2],
        [3, 4],
      ]);
      expect(() => d2l.splitBatch(X, y, [])).toThrow('0 devices');
      expect(() => d2l.splitBatch(X, Xs[0] as tf.Tensor, [1])).toThrow('3 labels');
      tf.dispose([X, y, Xs, ys]);
    });
  });

  it('allreduce sums, and getParams copies', async () => {
    const here = await cpu();
    await expectNoLeak(async () => {
      const data = [1, 2, 3].map((x) => tf.tidy(() => tf.variable(tf.fill([2], x))));
      d2l.allreduce(data);
      for (const variable of data) expect([...variable.dataSync()]).toEqual([6, 6]);
      const copies = await d2l.getParams(data, here);
      tf.tidy(() => data[0]?.assign(tf.zeros([2])));
      expect([...(copies[0]?.dataSync() ?? [])]).toEqual([6, 6]);
      expect(() => d2l.allreduce([])).toThrow('got none');
      for (const variable of [...data, ...copies]) variable.dispose();
    });
  });

  it('trainCh13 shares each batch between two devices', async () => {
    await use('simd');
    const features = Float32Array.from({ length: 32 * 16 }, (_, i) => Math.abs(Math.sin(i * 7)));
    const labels = Int32Array.from({ length: 32 }, (_, i) => i % 2);
    const shape = [32, 4, 4, 1];
    const lossOf = async (devices: Parameters<typeof d2l.trainCh13>[6]) => {
      const iter = loadArray([{ values: features, shape }, labels], 8, { shuffle: false });
      const net = book.mlp({ inputShape: [4, 4, 1], numClasses: 2, seed: 1 });
      const trainer = { lr: 0.1, progress: false } as const;
      const result = await d2l.trainCh13(net, iter, null, crossEntropy(), trainer, 2, devices);
      net.dispose();
      return result.history.at(-1)?.loss as number;
    };
    const [one, two] = [[await cpu()], [await cpu(), await cpu()]];
    expect(await lossOf(two)).toBeCloseTo(await lossOf(one), 5);
  }, 120_000);

  it('trainBatchCh13 makes a step, and trainCh13 trains', async () => {
    await use('cpu-js');
    const net = new nn.Linear(2, 2, { seed: 1 });
    const features = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i * 7));
    const labels = Int32Array.from({ length: 32 }, (_, i) => Number((features[2 * i] ?? 0) > 0));
    const iter = loadArray([{ values: features, shape: [32, 2] }, labels], 8);
    const trainer = optim.sgd(net, { lr: 0.5 });
    const [X, y] = [tf.tensor(features, [32, 2]), tf.tensor1d(labels, 'int32')];
    const [before, right] = await d2l.trainBatchCh13(net, X, y, crossEntropy(), trainer);
    expect(right).toBeLessThanOrEqual(32);
    const [after] = await d2l.trainBatchCh13(net, X, y, crossEntropy(), trainer);
    expect(after).toBeLessThan(before);
    const { history } = await d2l.trainCh13(net, iter, iter, crossEntropy(), trainer, 5);
    expect(history.at(-1)?.testAcc).toBeGreaterThan(0.9);
    const byOptions = { lr: 0.5, progress: false } as const;
    const result = await d2l.trainCh13(net, iter, null, crossEntropy(), byOptions, 1);
    expect(result.history).toHaveLength(1);
    const two = [await cpu(), await cpu()];
    await expect(d2l.trainCh13(net, iter, iter, crossEntropy(), trainer, 1, two)).rejects.toThrow(
      'expected one device for an updater of your own, got 2',
    );
    tf.dispose([X, y]);
    trainer.dispose();
  });
});

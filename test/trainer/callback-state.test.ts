/** Callbacks' states in checkpoints, and what checkpoints keep and remove. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  bestCheckpoint,
  type Callback,
  checkpoints,
  earlyStopping,
  evaluate,
  newestCheckpoint,
  readCheckpoint,
  type TrainOptions,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { rowsOf } from '../helpers/full';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

let dir: string;
let run: string;
let runs = 0;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
beforeEach(() => {
  run = path.join(dir, `run${runs++}`);
});
afterAll(() => fs.remove(dir));

const weights = (net: LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);
const files = async () => (await fs.readdir(path.join(run, 'checkpoints'))).sort();
/** Good rates for three epochs, then one that drives the weights off. */
const spoiled = (epoch: number) => (epoch <= 3 ? 0.3 : 30);
const start = (net: LayersModel, options: Partial<TrainOptions>) =>
  train(net, fakeLoader(12, 3), fakeLoader(6, 3), {
    numEpochs: 20,
    lr: spoiled,
    progress: false,
    ...options,
  });
const watch = (options = {}) => earlyStopping({ monitor: 'testLoss', patience: 3, ...options });
const breaksIn = (epoch: number): Callback => ({
  onEpochBegin: (record) => {
    if (record.epoch === epoch) throw new Error('pulled the plug');
  },
});
const endsAfter = (epoch: number, resumable = false): Callback => {
  let end = () => {};
  return {
    onTrainBegin: ({ control }) => {
      end = () => control.stop('enough', { resumable });
    },
    onEpochEnd: (record) => {
      if (record.epoch === epoch) end();
    },
  };
};

describe('earlyStopping in a run that resumes', () => {
  const orders = [
    ['first', (...pair: [Callback, Callback]) => pair],
    ['last', (a: Callback, b: Callback) => [b, a]],
  ] as const;
  describe.each([undefined, 0.5])('with emaDecay %s', (emaDecay) => {
    const more = emaDecay === undefined ? {} : { emaDecay };
    it.each(orders)('stops where it would have, with the same weights, %s', async (_, order) => {
      const whole = linearNet();
      const expected = await start(whole, { ...more, callbacks: [watch()] });
      if (!emaDecay) expect(expected.stopped).toMatch(/testLoss did not improve for 3 epochs/);
      for (const epoch of rowsOf([2, 4, 5], (number) => number === 4)) {
        run = path.join(dir, `run${runs++}`);
        const callbacks = [...order(watch(), checkpoints(run)), breaksIn(epoch)];
        await expect(start(linearNet(), { ...more, callbacks })).rejects.toThrow('the plug');
        const net = linearNet();
        const resumed = await start(net, {
          ...more,
          resume: run,
          callbacks: order(watch(), checkpoints(run)) as Callback[],
        });
        expect(resumed.stopped).toBe(expected.stopped);
        expect(resumed.history).toHaveLength(expected.history.length);
        expect(weights(net)).toEqual(weights(whole));
      }
    });

    it('continues from its last weights when a run of fewer epochs is extended', async () => {
      const whole = linearNet();
      const lr = (epoch: number) => (epoch === 3 ? 30 : 0.3); // the third epoch is not the best
      await start(whole, { ...more, lr, numEpochs: 6, callbacks: [watch({ patience: 9 })] });
      for (const first of [{ numEpochs: 3 }, { callbacks: [endsAfter(3, true)] }]) {
        run = path.join(dir, `run${runs++}`);
        await start(linearNet(), {
          ...more,
          lr,
          numEpochs: 6,
          ...first,
          callbacks: [watch({ patience: 9 }), checkpoints(run), ...(first.callbacks ?? [])],
        });
        const net = linearNet();
        const callbacks = [watch({ patience: 9 })];
        await start(net, { ...more, lr, numEpochs: 6, resume: run, callbacks });
        expect(weights(net)).toEqual(weights(whole));
      }
    });
  });

  it('trains no more when it has ended the run, and restores the best weights', async () => {
    const first = linearNet();
    const ended = await start(first, { callbacks: [watch(), checkpoints(run)] });
    const net = linearNet();
    let steps = 0;
    const again = await start(net, {
      resume: run,
      callbacks: [watch(), checkpoints(run), { onStep: () => void steps++ }],
    });
    expect(steps).toBe(0);
    expect(again.stopped).toBe(ended.stopped);
    expect(again.history).toEqual(ended.history);
    expect(weights(net)).toEqual(weights(first));
    const further = await start(linearNet(), {
      resume: run,
      callbacks: [watch({ patience: 4 })],
    });
    expect(further.history.length).toBe(ended.history.length + 1);
  });

  it('refuses to go by another quantity', async () => {
    await start(linearNet(), { numEpochs: 2, callbacks: [watch(), checkpoints(run)] });
    const callbacks = [watch({ monitor: 'loss' })];
    await expect(start(linearNet(), { resume: run, callbacks })).rejects.toThrow(
      '[trainer] earlyStopping: resume: the run watched "testLoss" before, "loss" now; watch the same quantity, or begin another run',
    );
  });

  it('leaves no tensor', async () => {
    await start(linearNet(), { numEpochs: 3, callbacks: [watch(), checkpoints(run)] });
    await expectNoLeak(async () => {
      const net = linearNet();
      await start(net, { resume: run, callbacks: [watch()] });
      net.dispose();
    });
  });
});

describe('checkpoints', () => {
  const plain = { numEpochs: 2, lr: 0.3 };
  const names = ['step-00000004.ckpt', 'step-00000008.ckpt'];

  it('of a loss or weights that are not finite are never written', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const spoil: Callback = {
      onStep({ globalStep }) {
        if (globalStep !== 10) return;
        const [kernel] = net.getWeights();
        const bad = tf.fill(kernel?.shape as number[], Number.NaN);
        net.layers[1]?.setWeights([bad, net.getWeights()[1] as tf.Tensor]);
        bad.dispose();
      },
    };
    const net = linearNet();
    // Between two readings of the loss: only the weights show it.
    await expect(
      train(net, fakeLoader(60, 3), null, {
        numEpochs: 1,
        lr: 0.1,
        progress: false,
        callbacks: [spoil, checkpoints(run, { everySteps: 1, keep: 2 })],
      }),
    ).rejects.toThrow(/the loss became NaN/);
    expect(await files()).toEqual(['step-00000008.ckpt', 'step-00000009.ckpt']);
    expect(warn.mock.calls[0]?.[0]).toMatch(
      /^\[trainer\] checkpoints: step-00000010.ckpt is not written, since model\/.* is not finite/,
    );
    warn.mockRestore();
  });

  it('of a run are not mixed with those of another', async () => {
    await start(linearNet(), { ...plain, numEpochs: 4, callbacks: [checkpoints(run)] });
    const before = await files();
    await expect(start(linearNet(), { ...plain, callbacks: [checkpoints(run)] })).rejects.toThrow(
      /is of another run; resume that run \(option "resume"\), name another folder, or delete/,
    );
    expect(await files()).toEqual(before);
  });

  it('that are valid are never removed because of damaged newer ones', async () => {
    await start(linearNet(), { ...plain, callbacks: [checkpoints(run)] });
    const damaged = [90, 91, 92].map((step) => `step-000000${step}.ckpt`);
    const [, newest] = names;
    const bytes = await fs.readFile(path.join(run, 'checkpoints', newest as string));
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 40) ^ 1, bytes.length - 40);
    for (const name of damaged) await fs.writeFile(path.join(run, 'checkpoints', name), bytes);
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await start(linearNet(), {
      ...plain,
      numEpochs: 3,
      resume: run,
      callbacks: [checkpoints(run)],
    });
    warn.mockRestore();
    expect(await files()).toEqual(['step-00000008.ckpt', 'step-00000012.ckpt', ...damaged]);
  });

  it('are ranked by the values in their headers', async () => {
    // The losses of the epochs differ by less than the file names' four decimals.
    const tiny = (value: number): Callback => ({
      onEpochEnd: (record) => {
        (record as { loss: number }).loss = value / record.epoch;
      },
    });
    const save = () => checkpoints(run, { best: 1, monitor: 'loss' });
    await start(linearNet(), { ...plain, callbacks: [tiny(4e-5), save()] });
    await start(linearNet(), {
      ...plain,
      numEpochs: 4,
      resume: run,
      callbacks: [tiny(4e-5), save()],
    });
    const found = await bestCheckpoint(run);
    expect(found?.isBest).toBe(true);
    expect(found?.checkpoint.best).toEqual({ monitor: 'loss', value: 1e-5 });
    expect((await files()).filter((name) => name.startsWith('best'))).toEqual([
      'best-epoch-0004-loss-0.0000.ckpt',
    ]);
  });

  it('keep the best one when the run was killed right after writing it', async () => {
    const killed: Callback = {
      onEpochEnd: ({ epoch }) => {
        if (epoch === 2) throw new Error('pulled the plug');
      },
    };
    const save = () => checkpoints(run, { best: 1, monitor: 'loss' });
    // The step's checkpoint of epoch 2 was not written.
    await expect(start(linearNet(), { ...plain, callbacks: [save(), killed] })).rejects.toThrow(
      'pulled the plug',
    );
    await fs.remove(path.join(run, 'checkpoints', names[1] as string));
    const best = (await files()).filter((name) => name.startsWith('best'));
    expect(best).toHaveLength(1);
    await start(linearNet(), { ...plain, resume: run, callbacks: [save()] });
    expect((await files()).filter((name) => name.startsWith('best'))).toEqual(best);
    expect((await bestCheckpoint(run))?.checkpoint.progress.epochsDone).toBe(2);
  });

  it('are written before evaluation, after which the run resumes', async () => {
    const whole = linearNet();
    const { history } = await start(whole, { ...plain });
    const broken = Object.assign(fakeLoader(6, 3), {
      // biome-ignore lint/correctness/useYield: it fails before its first batch
      async *[Symbol.asyncIterator]() {
        throw new Error('out of memory');
      },
    });
    const net = linearNet();
    await expect(
      train(net, fakeLoader(12, 3), broken as never, {
        ...plain,
        progress: false,
        callbacks: [checkpoints(run)],
      }),
    ).rejects.toThrow('out of memory');
    const { file = '' } = (await newestCheckpoint(run)) ?? {};
    expect((await readCheckpoint(file)).progress).toMatchObject({
      epochsDone: 0,
      step: 4,
      trained: true,
    });
    const resumed = linearNet();
    const result = await start(resumed, { ...plain, resume: run });
    expect(weights(resumed)).toEqual(weights(whole));
    expect(result.history.map(({ loss, testLoss }) => [loss, testLoss])).toEqual(
      history.map(({ loss, testLoss }) => [loss, testLoss]),
    );
    expect((await evaluate(resumed, fakeLoader(6, 3))).loss).toBe(result.history.at(-1)?.testLoss);
  });
});

/** `steps.jsonl`: where a run stands, for those who watch it from outside. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Callback, saveRun, train } from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { fakeLoader, linearNet } from '../helpers/loaders';

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const quiet = { lr: 0.1, progress: false };
const lines = async (out: string) =>
  (await fs.readFile(path.join(out, 'steps.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const places = async (out: string) => (await lines(out)).map(({ epoch, step }) => [epoch, step]);
/** Stops a run at a step, as Ctrl-C does. */
const stopAt = (globalStep: number): Callback => {
  let stop = () => {};
  return {
    onTrainBegin: ({ control }) => {
      stop = () => control.stop('interrupted', { resumable: true });
    },
    onStep: (record) => {
      if (record.globalStep === globalStep) stop();
    },
  };
};

describe('steps.jsonl', () => {
  it('has a line for each time that figures are read, some five an epoch', async () => {
    const out = path.join(dir, 'run');
    const seen: number[][] = [];
    await train(linearNet(), fakeLoader(61, 3), null, {
      ...quiet,
      numEpochs: 2,
      callbacks: [
        saveRun(out),
        {
          onStep: ({ globalStep, loss, trainAcc }) => void seen.push([globalStep, loss, trainAcc]),
        },
      ],
    });
    const written = await lines(out);
    const fresh = seen.filter(([, loss], i) => loss !== seen[i - 1]?.[1]);
    expect(written.map(({ globalStep, loss, trainAcc }) => [globalStep, loss, trainAcc])).toEqual(
      fresh,
    );
    expect(await places(out)).toEqual(
      [1, 2].flatMap((epoch) => [1, 4, 8, 12, 16, 20, 21].map((step) => [epoch, step])),
    );
    for (const { numBatches, samplesPerSecond, time } of written) {
      expect(numBatches).toBe(21);
      expect(samplesPerSecond).toBeGreaterThan(0);
      expect(new Date(time).toISOString()).toBe(time);
    }
  });

  it('says that a run was interrupted, and takes it back when the run goes on: the lines are as if it had not stopped', async () => {
    const [out, whole] = [path.join(dir, 'stopped'), path.join(dir, 'whole')];
    const options = { ...quiet, numEpochs: 2 };
    await train(linearNet(), fakeLoader(30, 3), null, { ...options, callbacks: [saveRun(whole)] });
    const saving = () => saveRun(out, {}, { onInterrupt: 'stop', checkpoints: { everyEpochs: 1 } });
    const net = linearNet(); // one net: a run goes on with a net of the same name
    await train(net, fakeLoader(30, 3), null, { ...options, callbacks: [saving(), stopAt(15)] });
    expect((await lines(out)).at(-1)).toEqual({ ended: 'interrupted', time: expect.any(String) });
    expect(await fs.pathExists(path.join(out, 'result.json'))).toBe(false);
    // Goes on from the end of the first epoch: what it knows of the second is taken back, and so is
    // half a line.
    const newest = (await fs.readdir(path.join(out, 'checkpoints'))).filter((name) =>
      name.includes('15'),
    );
    await fs.remove(path.join(out, 'checkpoints', newest[0] as string));
    await fs.appendFile(path.join(out, 'steps.jsonl'), '{"epoch":2,"st');
    await train(net, fakeLoader(30, 3), null, { ...options, callbacks: [saving()], resume: out });
    expect(await places(out)).toEqual(await places(whole));
    expect((await lines(out)).map(({ loss }) => loss)).toEqual(
      (await lines(whole)).map(({ loss }) => loss),
    );
  });

  it('says that a run failed and why, and a finished run that goes on is finished no longer', async () => {
    const out = path.join(dir, 'failed');
    const net = linearNet();
    await train(net, fakeLoader(6, 3), null, { ...quiet, numEpochs: 1, callbacks: [saveRun(out)] });
    expect(await fs.pathExists(path.join(out, 'result.json'))).toBe(true);
    const breaks: Callback = {
      onStep: () => {
        throw new Error('the sky fell');
      },
    };
    const again = train(net, fakeLoader(6, 3), null, {
      ...quiet,
      numEpochs: 3,
      callbacks: [saveRun(out), breaks],
      resume: out,
    });
    await expect(again).rejects.toThrow('the sky fell');
    expect(await fs.pathExists(path.join(out, 'result.json'))).toBe(false);
    expect((await lines(out)).at(-1)).toMatchObject({ ended: 'failed', reason: 'the sky fell' });
  });
});

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { StepRecord } from '@deepend/core';
import { tensorBoard } from '@deepend/export';
import { metrics } from '@deepend/optim';
import { type Callback, train } from '@deepend/trainer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c, record } from '../../packages/export/src/tensorboard/event-file';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { pythonAbsent } from '../helpers/python';

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => rm(dir, { recursive: true }));

const quiet = { numEpochs: 2, lr: 0.1, progress: false };

/**
 * The records of a file, by the framing's description: length, its checksum, data, their checksum.
 */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    records.push(file.subarray(at + 12, at + 12 + length));
    at += 16 + length;
    expect(at).toBeLessThanOrEqual(file.length); // no record is cut off
  }
  return records;
}

describe('an event file', () => {
  it('has the checksums of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    const data = Buffer.from('any data');
    expect(recordsOf(Buffer.concat([record(data), record(Buffer.alloc(0))]))).toEqual([
      data,
      Buffer.alloc(0),
    ]);
  });

  it('is whole after every step, and each run has its own', async () => {
    const folder = path.join(dir, 'whole');
    const counts: number[] = [];
    const watcher: Callback = {
      onStep: async () => {
        const [name = ''] = await readdir(folder);
        counts.push(recordsOf(await readFile(path.join(folder, name))).length);
      },
    };
    await train(linearNet(), fakeLoader(8, 2), null, {
      ...quiet,
      callbacks: [tensorBoard(folder, { everySteps: 1 }), watcher],
    });
    expect(counts).toEqual([2, 3, 4, 4, 6, 7, 8, 8]); // the version first; an epoch's last step is written when the epoch ends
    await train(linearNet(), fakeLoader(8, 2), null, {
      ...quiet,
      callbacks: [tensorBoard(folder)],
    });
    expect(await readdir(folder)).toHaveLength(2);
  });

  it('leaves no tensor behind', async () => {
    const net = linearNet();
    await expectNoLeak(() =>
      train(net, fakeLoader(8, 2), null, {
        ...quiet,
        callbacks: [tensorBoard(path.join(dir, 'leak'))],
      }),
    );
  });

  it('that cannot be written ends the run before its first step', async () => {
    await writeFile(path.join(dir, 'file'), '');
    const run = train(linearNet(), fakeLoader(8, 2), null, {
      ...quiet,
      callbacks: [tensorBoard(path.join(dir, 'file', 'x'))],
    });
    await expect(run).rejects.toThrow(
      /\[export\] tensorBoard: cannot write .*; choose another place/,
    );
    expect(() => tensorBoard('')).toThrow("expected the name of a folder, got ''");
    expect(() => tensorBoard(dir, { every: 1 } as never)).toThrow(/there is no option "every"/);
  });
});

/** Why Python's tensorboard cannot read here. */
const why = pythonAbsent(['tensorboard'], 'pip install tensorboard') ?? '';

describe.skipIf(why !== '')(`TensorBoard${why && ` (skipped: ${why})`}`, () => {
  const read = async (folder: string) => {
    const script = path.join(import.meta.dirname, 'tensorboard-read.py');
    const { stdout } = await promisify(execFile)('python3', [script, folder]);
    return JSON.parse(stdout) as Record<string, [number, number][]>;
  };
  const f32 = Math.fround;

  it('reads the scalars of a run', async () => {
    const folder = path.join(dir, 'read');
    const steps: StepRecord[] = [];
    const { history } = await train(linearNet(), fakeLoader(14, 2), fakeLoader(6, 3), {
      ...quiet,
      metrics: [metrics.accuracy(), metrics.confusionMatrix()],
      callbacks: [
        tensorBoard(folder, { everySteps: 3 }),
        { onStep: (step) => void steps.push(step) },
      ],
    });
    const found = await read(folder);
    const ends = (value: (record: (typeof history)[number]) => number) =>
      history.map((one) => [7 * one.epoch, f32(value(one))]);
    expect(Object.keys(found).sort()).toEqual(
      ['lr', 'samples_per_second', 'test/accuracy', 'test/loss', 'train/accuracy', 'train/loss'], // the metric has a name that is there already; a matrix is no scalar
    );
    expect(found['test/accuracy']).toEqual(ends((one) => one.testAcc ?? Number.NaN));
    expect(found['test/loss']).toEqual(ends((one) => one.testLoss ?? Number.NaN));
    expect(found.samples_per_second).toEqual(ends((one) => one.samplesPerSecond));
    const within = steps
      .filter(({ globalStep }) => [3, 6, 9, 12].includes(globalStep))
      .map((one) => [one.globalStep, f32(one.loss)]);
    expect(found['train/loss']).toEqual(
      [...within, ...ends((one) => one.loss)].sort(([a = 0], [b = 0]) => a - b),
    );
  });

  it('takes back what an interrupted run had from where the resumed one goes on', async () => {
    const folder = path.join(dir, 'resumed');
    const step = { epoch: 1, numBatches: 100, lr: 0.1, trainAcc: 0.5 };
    const write = async (resumed: boolean, steps: number[], loss: number) => {
      const callback = tensorBoard(folder, { everySteps: 1 });
      await callback.onTrainBegin?.({ resumed } as never);
      for (const globalStep of steps)
        await callback.onStep?.({ ...step, step: globalStep, globalStep, loss });
    };
    await write(false, [1, 2, 3, 4], 1);
    await write(true, [3, 4, 5], 2);
    expect((await read(folder))['train/loss']).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
      [4, 2],
      [5, 2],
    ]);
  });

  it('reads steps beyond 32 bits', async () => {
    const folder = path.join(dir, 'far');
    const callback = tensorBoard(folder, { everySteps: 1 });
    await callback.onTrainBegin?.({ resumed: false } as never);
    const globalStep = 2 ** 40 + 3;
    await callback.onStep?.({
      epoch: 1,
      step: 1,
      numBatches: 9,
      globalStep,
      lr: 0.1,
      loss: 0.25,
      trainAcc: 1,
    });
    expect((await read(folder))['train/loss']).toEqual([[globalStep, 0.25]]);
  });
});

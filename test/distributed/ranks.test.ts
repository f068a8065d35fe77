/**
 * Training on ranks that `mpirun` starts: it equals training in one process, ends for all when it
 * ends for one, and resumes on another number of ranks.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { EpochRecord } from '@deepend/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowsOf } from '../helpers/full';
import { type Ended, type Launcher, launchers, mpirun } from '../helpers/mpi';
import { NORMALIZED_NETS } from '../helpers/normalized-nets';
import { buildProgram, type Program } from '../helpers/program';

let program: Program;
let folder: string;
beforeAll(async () => {
  program = await buildProgram('test/distributed/ranks-program.ts');
  folder = mkdtempSync(path.join(tmpdir(), 'deepend-ranks-'));
});
afterAll(async () => {
  await program.remove();
  rmSync(folder, { recursive: true });
});

interface Result {
  readonly epochs: (EpochRecord & { metrics: { top3: number } })[];
  readonly stopped?: string;
  /** Sum of the absolute values of each weight. */
  readonly sums: number[];
  /** Of each weight, where the program was asked for a net. */
  readonly values?: number[][];
  /** Of the weights of rank 0. */
  readonly digest: string;
  /** Of the weights of all ranks, joined. */
  readonly digests: string;
  /** Tensors that are left at the end. */
  readonly tensors: number;
}

const [openMpi, mpich] = launchers as [Launcher, Launcher];
const launcher = [openMpi, mpich].find(({ absent }) => !absent);
const skipped = launcher ? '' : ` (skipped: ${openMpi.absent})`;

const onRanks = (ranks: number, asked: object, by = launcher as Launcher): Promise<Ended> =>
  mpirun(by, [program.file, JSON.stringify(asked)], {
    ranks,
    env: { DEEPEND_MPI: ranks === 1 ? '0' : '', DEEPEND_MPI_TIMEOUT: '4' },
  });

async function trained(ranks: number, asked: object, by?: Launcher): Promise<Result> {
  const { code, stdout, stderr } = await onRanks(ranks, asked, by);
  expect(code, stderr + stdout).toBe(0);
  const line = stdout.split('\n').find((text) => text.startsWith('RESULT '));
  return JSON.parse((line as string).slice('RESULT '.length)) as Result;
}

/** 50 samples in batches of 16: the last batch has two, so that the third rank has none of it. */
const RUNS: [what: string, asked: object][] = [
  ['plain gradient descent', { options: { lr: 0.9 } }],
  [
    'momentum, clipping, accumulation and an average',
    {
      options: {
        optimizer: { name: 'sgd', momentum: 0.9, weightDecay: 1e-3 },
        clipNorm: 0.5,
        gradientAccumulationSteps: 3,
        emaDecay: 0.7,
      },
    },
  ],
  ['a sum of losses', { options: { lr: 0.01 }, sum: true }],
  ['micro-batches', { options: { microBatch: 3 } }],
  ['Adam', { options: { optimizer: 'adam', lr: 1e-3 }, batchSize: 11 }],
];

function expectClose(got: Result, one: Result): void {
  got.epochs.forEach((epoch, i) => {
    const { metrics, ...numbers } = one.epochs[i] as Result['epochs'][number];
    expect(epoch.metrics).toEqual(metrics);
    for (const [key, value] of Object.entries(numbers))
      expect(epoch[key as 'loss'], key).toBeCloseTo(value as number, 5);
  });
  got.sums.forEach((sum, i) => {
    const expected = one.sums[i] as number;
    expect(Math.abs(sum - expected)).toBeLessThanOrEqual(1e-5 * Math.max(1, expected));
  });
}

describe(`training on ranks${skipped}`, () => {
  it.skipIf(skipped).each(rowsOf(RUNS, ([what]) => what.startsWith('momentum')))(
    'of %s equals one process',
    async (_, asked) => {
      const one = await trained(1, asked);
      for (const ranks of [2, 3]) {
        const many = await trained(ranks, asked);
        expectClose(many, one);
        expect(many.digests).toBe(many.digest.repeat(ranks));
        expect(many.tensors).toBe(one.tensors);
        if (ranks === 3) expect((await trained(ranks, asked)).digest).toBe(many.digest);
      }
    },
    240_000,
  );

  it.skipIf(skipped)(
    'has the same weights and statistics of batch normalization on every rank',
    async () => {
      const { digest, digests } = await trained(2, { model: 'book/bn_lenet', samples: 20 });
      expect(digests).toBe(digest.repeat(2));
    },
    120_000,
  );

  it.skipIf(skipped)(
    'of a compiled module is that of the module as it is written',
    async () => {
      const eager = await trained(2, { model: 'module', samples: 48 });
      const compiled = await trained(2, { model: 'compiled', samples: 48 });
      expectClose(compiled, eager);
      for (const { digest, digests } of [eager, compiled]) expect(digests).toBe(digest.repeat(2));
    },
    120_000,
  );

  it.skipIf(skipped)(
    'of large gradients is the same with halves, up to rounding',
    async () => {
      const asked = (compression: string) => ({ model: 'wide', options: { compression } });
      const whole = await trained(3, asked('none'));
      const halves = await trained(3, asked('float16'));
      for (const { digest, digests } of [whole, halves]) expect(digests).toBe(digest.repeat(3));
      expect(halves.digest).not.toBe(whole.digest);
      expect(halves.tensors).toBe(whole.tensors);
      halves.epochs.forEach(({ loss }, i) => {
        expect(loss).toBeCloseTo(whole.epochs[i]?.loss as number, 2);
      });
      expect(whole.epochs[1]?.loss).toBeLessThan((whole.epochs[0]?.loss as number) / 2);
      expect((await trained(3, asked('float16'))).digest).toBe(halves.digest);
    },
    240_000,
  );

  it.skipIf(skipped)(
    'resumes from three ranks on two as if it had not stopped',
    async () => {
      const dir = path.join(folder, 'resumed');
      const asked = { options: { resume: dir }, callbacks: { checkpoints: dir } };
      const stopped = await trained(3, { ...asked, stopAt: 6 });
      expect(stopped.stopped).toBe('asked to');
      expect(stopped.digests).toBe(stopped.digest.repeat(3));
      expect(readdirSync(path.join(dir, 'checkpoints'))).toContain('step-00000006.ckpt');
      expectClose(await trained(2, asked), await trained(1, {}));
    },
    240_000,
  );

  it.skipIf(skipped)(
    'stops on every rank with the weights of the best epoch',
    async () => {
      const stopping = { monitor: 'testLoss', patience: 1, minDelta: 100 };
      const asked = { callbacks: { earlyStopping: stopping }, options: { numEpochs: 9 } };
      const { epochs, stopped, digest, digests } = await trained(2, asked);
      expect(stopped).toMatch(/testLoss did not improve/);
      expect(epochs).toHaveLength(2);
      expect(digests).toBe(digest.repeat(2));
    },
    120_000,
  );
});

type Synced = [what: string, asked: { options: object; [more: string]: unknown }, rest?: Grouping];
interface Grouping {
  readonly ranks: readonly number[];
  /** What one process is asked for, so that the same samples are normalized together. */
  readonly inOne?: object;
}

const sync = { lr: 0.1, syncBatchNorm: true };
/** Seven samples: two parts of rank 0, of which the second is normalized by itself, one of others. */
const PARTS: Grouping = {
  ranks: [3],
  inOne: { order: [0, 1, 3, 4, 5, 6, 2], options: { ...sync, microBatch: 6 } },
};
const SYNCED: Synced[] = [
  ...Object.keys(NORMALIZED_NETS).map((net): Synced => [net, { net, options: sync }]),
  [
    'momentum, clipping, accumulation and an average',
    {
      net: 'compiled layers',
      options: {
        ...sync,
        optimizer: { name: 'sgd', momentum: 0.9 },
        ...{ clipNorm: 0.5, gradientAccumulationSteps: 3, emaDecay: 0.7 },
      },
    },
  ],
  ['a sum of losses', { net: 'a module', options: { ...sync, lr: 0.01 }, sum: true }],
  [
    'shares without a label that counts',
    { net: 'compiled layers', options: sync, ignore: true, batchSize: 4, samples: 18 },
    { ranks: [3] },
  ],
  [
    'parts of a batch, of which some rank has more',
    {
      ...{ net: 'compiled layers', batchSize: 7, samples: 14, order: [0, 1, 2, 3, 4, 5, 6] },
      options: { ...sync, microBatch: 2 },
    },
    PARTS,
  ],
];
const SHOWN = ['compiled layers', 'a module', 'parts of a batch, of which some rank has more'];

describe(`batch normalization over all ranks${skipped}`, () => {
  it.skipIf(skipped).each(rowsOf(SYNCED, ([what]) => SHOWN.includes(what)))(
    'equals one process: %s',
    async (what, asked, { ranks = [2, 3], inOne = {} } = {} as Grouping) => {
      const one = await trained(1, { ...asked, ...inOne });
      for (const count of ranks) {
        const many = await trained(count, asked);
        expectClose(many, one);
        many.values?.flat().forEach((value, i) => {
          expect(Math.abs(value - (one.values?.flat()[i] as number))).toBeLessThan(1e-5);
        });
        expect(many.digests).toBe(many.digest.repeat(count));
        // What was recorded stays: one process records other shapes.
        if (what !== 'a compiled module') expect(many.tensors).toBe(one.tensors);
        const again = count === 3 && what === 'compiled layers';
        if (again) expect((await trained(count, asked)).digest).toBe(many.digest);
      }
    },
    300_000,
  );

  it.skipIf(skipped)(
    'refuses what it cannot do with an error that names it',
    async () => {
      const asked = { net: 'a module', options: { ...sync, carryState: true } };
      const { code, stdout, stderr } = await onRanks(2, asked);
      expect(code).not.toBe(0);
      expect(stderr + stdout).toMatch(/expected "carryState" without "syncBatchNorm", got both/);
    },
    120_000,
  );
});

// mpirun takes Ctrl-C likewise, unless the shell that started the tests ignores it.
describe(`SIGTERM to mpirun${openMpi.absent ? ` (skipped: ${openMpi.absent})` : ''}`, () => {
  it.skipIf(openMpi.absent)(
    'finishes the step, saves, and resumes',
    async () => {
      const dir = path.join(folder, 'interrupted');
      const asked = { callbacks: { saveRun: dir }, options: { numEpochs: 100_000 } };
      // Seconds from the signal to SIGTERM, and from there to SIGKILL; Open MPI's default of one
      // would be short on a machine that does much else.
      const patient = ['--mca', 'odls_base_sigkill_timeout', '5', ...openMpi.args];
      const { code } = await mpirun(
        { ...openMpi, args: patient },
        [program.file, JSON.stringify(asked)],
        {
          ranks: 2,
          onOutput: (text, child) => {
            if (text.includes('epoch      2/100000')) child.kill('SIGTERM');
          },
        },
      );
      expect(code).not.toBe(0);
      const steps = readdirSync(path.join(dir, 'checkpoints')).filter((file) =>
        /^step-/.test(file),
      );
      const saved = Number(/\d+/.exec(steps.sort().at(-1) as string));
      const epochs = Math.ceil(saved / 4) + 1;
      const more = { callbacks: asked.callbacks, options: { numEpochs: epochs, resume: dir } };
      expect((await trained(2, more)).epochs).toHaveLength(epochs);
    },
    120_000,
  );
});

/** Between forward and backward pass of a step in which the ranks' normalizations wait. */
function withinStep(inLoss: string) {
  return { net: 'compiled layers', options: sync, onOne: { inLoss } };
}

/** What goes wrong on rank 1, and what is said. */
const FAULTS: [what: string, asked: object, said: RegExp][] = [
  ['another learning rate', { onOne: { lr: 0.2 } }, /settings on every rank, got lr .* on rank 1/],
  ['other data', { onOne: { samples: 49 } }, /got numSamples 50 on rank 0 and 49 on rank 1/],
  ['an error', { onOne: { atBatch: 'throw' } }, /rank 1 of 2 .* failed: Error: the disk of rank 1/],
  ['a loader that ends early', { onOne: { atBatch: 'end' } }, /got none on rank 1: its loader/],
  ['an endless loop', { onOne: { atBatch: 'hang' } }, /s for rank 1, which does not answer/],
  ['a wait', { onOne: { atBatch: 'wait' } }, /s for rank 1, which computes or loads/],
  ['kill -9', { onOne: { atBatch: 'kill' } }, /rank 1 .* signal 9|KILLED BY SIGNAL: 9/],
  ['an error within a step', withinStep('throw'), /rank 1 of 2 .* failed: Error: the loss of/],
  ['an endless loop within a step', withinStep('hang'), /s for rank 1, which does not answer/],
  ['kill -9 within a step', withinStep('kill'), /rank 1 .* signal 9|KILLED BY SIGNAL: 9/],
];

describe(`ends all ranks${skipped}`, () => {
  it.skipIf(skipped).each(FAULTS)(
    'on %s on one of them',
    async (_, asked, said) => {
      const { code, stdout, stderr } = await onRanks(2, asked);
      expect(code).not.toBe(0);
      expect(stderr + stdout).toMatch(said);
      expect(stdout).not.toContain('RESULT');
    },
    120_000,
  );
});

describe(`MPICH${mpich.absent ? ` (skipped: ${mpich.absent})` : ''}`, () => {
  it.skipIf(mpich.absent)(
    'trains to the same weights as Open MPI',
    async () => {
      const asked = RUNS[0]?.[1] as object;
      const { digest, digests } = await trained(2, asked, mpich);
      expect(digests).toBe(digest.repeat(2));
      if (!openMpi.absent) expect(digest).toBe((await trained(2, asked, openMpi)).digest);
    },
    120_000,
  );

  it.skipIf(mpich.absent)(
    'normalizes over all ranks',
    async () => {
      const asked = { net: 'compiled layers', options: sync };
      const one = await trained(1, asked, mpich);
      const many = await trained(3, asked, mpich);
      expectClose(many, one);
      expect(many.digests).toBe(many.digest.repeat(3));
    },
    120_000,
  );
});

/** Operations over real ranks, under every MPI that is installed, and in a world of one. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { allGather, allReduce, barrier, broadcast, rank, worldSize } from '@deepend/distributed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchers, mpirun } from '../helpers/mpi';
import { buildProgram, type Program } from '../helpers/program';

let program: Program;
beforeAll(async () => {
  program = await buildProgram('test/distributed/mpi-program.ts');
});
afterAll(() => program.remove());

type Expected = { result: unknown } | { error: RegExp };
const same = (result: unknown) => () => ({ result });
const tensor = (shape: number[], values: number[], dtype = 'float32') =>
  same({ shape, dtype, values });

/** What each of three ranks gives. */
const ON_THREE: Record<string, (rank: number) => Expected> = {
  ranks: (rank) => ({ result: [rank, 3, rank] }),
  sum: same([3, 3, 1.5]),
  'sum of doubles': same([3 * 2 ** -40, 3]),
  'sum of integers': same([3 * (2 ** 24 + 1), 3]), // which float32 does not hold
  'sum of bytes': same([3, 3]),
  mean: same([1, 8]),
  max: same([2, 0]),
  min: same([0, -2]),
  'mean of integers': () => ({
    error: /^TypeError: .*expected floating point values .* got int32/,
  }),
  tensor: tensor([2, 2], [3, 6, 9, 3]),
  scalar: tensor([], [6], 'int32'),
  unchanged: (rank) => ({ result: [rank] }),
  broadcast: same([1, 7]),
  'no such root': () => ({ error: /^RangeError: .*expected a root below 3 ranks, got 9/ }),
  gather: tensor([6, 2], [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]),
  'gather of nothing': same([1, 2]),
  'other lengths': () => ({ error: /same length on every rank, got 1 on rank 0 and 2 on rank 1/ }),
  'other types': () => ({ error: /same type .* got float32 on rank 0 and float64 on rank 1/ }),
  'other rows': () => ({ error: /same shape of a row on every rank/ }),
  'at once': same([3, 6, 9]),
  large: same([11_000_000, 6, 6]),
};

describe.each(launchers)('$name', (launcher) => {
  it.skipIf(launcher.absent)(
    `computes over three ranks${launcher.absent ? ` (skipped: ${launcher.absent})` : ''}`,
    async () => {
      const names = Object.keys(ON_THREE);
      const { code, stdout, stderr } = await mpirun(launcher, [program.file, ...names], {
        ranks: 3,
      });
      expect(code, stderr).toBe(0);
      const said = stdout
        .split('\n')
        .filter((line) => line.startsWith('{"name"'))
        .map((line) => JSON.parse(line) as { name: string; rank: number; error?: string });
      expect(said).toHaveLength(3 * names.length);
      for (const { name, rank, ...got } of said) {
        const expected = (ON_THREE[name] as (rank: number) => Expected)(rank);
        if ('error' in expected) expect(got.error, name).toMatch(expected.error);
        else expect(got, `${name} on rank ${rank}`).toEqual(expected);
      }
    },
    120_000,
  );

  it.skipIf(launcher.absent)(
    'starts while threads of the process allocate',
    async () => {
      const { code, stdout, stderr } = await mpirun(launcher, [program.file, 'busy threads'], {
        ranks: 2,
      });
      expect(code, stderr).toBe(0);
      expect(stdout.match(/"result":"no"/g), stdout).toHaveLength(2);
    },
    120_000,
  );

  it.skipIf(launcher.absent)(
    `ends all ranks when one throws${launcher.absent ? ` (skipped: ${launcher.absent})` : ''}`,
    async () => {
      const { code, stderr } = await mpirun(launcher, [program.file, 'throws'], { ranks: 3 });
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/rank 1 of 3 on \S+ failed: Error: of rank 1\n/);
    },
    120_000,
  );
});

/** Loaded first: koffi is then not found. */
const WITHOUT_KOFFI = `
  const { Module } = require('node:module');
  const resolve = Module._resolveFilename;
  Module._resolveFilename = function (request, ...rest) {
    if (request !== 'koffi') return resolve.call(this, request, ...rest);
    throw Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' });
  };
`;

describe('without the package koffi', () => {
  const launched = { OMPI_COMM_WORLD_SIZE: '2', OMPI_COMM_WORLD_RANK: '0' };
  const start = (env: NodeJS.ProcessEnv) => {
    const hook = path.join(path.dirname(program.file), 'without-koffi.cjs');
    writeFileSync(hook, WITHOUT_KOFFI);
    const args = ['--require', hook, program.file, 'ranks'];
    const { DEEPEND_MPI: _, ...own } = process.env;
    return spawnSync(process.execPath, args, { env: { ...own, ...env }, encoding: 'utf8' });
  };

  it('several processes are told what to install', () => {
    const { status, stderr } = start(launched);
    expect(status).not.toBe(0);
    expect(stderr).toMatch(
      /Error: \[distributed\] training on several processes needs the package koffi, .*npm install koffi@/,
    );
    expect(stderr).toContain("Cannot find module 'koffi'");
  });

  it('one process needs none', () => {
    const { status, stdout, stderr } = start({});
    expect(status, stderr).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ name: 'ranks', rank: 0, result: [0, 1, 0] });
  });
});

describe('a world of one', () => {
  it('gives back what it was given', async () => {
    await barrier();
    expect([rank(), worldSize()]).toEqual([0, 1]);
    const x = Float32Array.of(1, 2);
    for (const got of [await allReduce(x), await broadcast(x), await allGather(x)]) {
      expect(got).toEqual(x);
      expect(got).not.toBe(x);
    }
  });

  it('refuses what ranks would refuse', async () => {
    await expect(allReduce([1] as never)).rejects.toThrow(/expected a Float32Array, .*got Array/);
    await expect(allReduce(Float32Array.of(1), { op: 'max ' as never })).rejects.toThrow(/"op"/);
    await expect(broadcast(Float32Array.of(1), { root: 1 })).rejects.toThrow(/below 1 ranks/);
  });
});

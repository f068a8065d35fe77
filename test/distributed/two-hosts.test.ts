/** Two network namespaces play two hosts: ranks find each other and exchange values over TCP. */
import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { launchers, mpirun } from '../helpers/mpi';
import { buildProgram, type Program } from '../helpers/program';
import { type Hosts, makeHosts, whyNoHosts } from '../helpers/two-hosts';

const [openMpi] = launchers as [(typeof launchers)[number]];
const absent = openMpi.absent ?? whyNoHosts();

let hosts: Hosts;
const programs: Program[] = [];
beforeAll(() => {
  if (!absent) hosts = makeHosts(openMpi);
});
afterAll(async () => {
  if (!absent) hosts.remove();
  for (const program of programs) await program.remove();
});

async function onHosts(entry: string, ...args: string[]): Promise<string> {
  const program = await buildProgram(entry);
  programs.push(program);
  const { code, stdout, stderr } = await mpirun(hosts.launcher, [program.file, ...args], {
    ranks: 2,
  });
  expect(code, stderr + stdout).toBe(0);
  return stdout;
}

describe(`two hosts${absent ? ` (skipped: ${absent})` : ''}`, () => {
  it.skipIf(absent)(
    'have a rank each, whose values go over the network',
    async () => {
      const before = hosts.bytesSent();
      const stdout = await onHosts('test/distributed/mpi-program.ts', 'ranks', 'sum', 'large');
      const said = stdout
        .split('\n')
        .filter((line) => line.startsWith('{"name"'))
        .map((line) => JSON.parse(line) as { name: string; rank: number; result: unknown });
      for (const rank of [0, 1]) {
        const results = said.filter((line) => line.rank === rank).map(({ result }) => result);
        expect(results).toEqual([
          [rank, 2, 0], // each is the first on its host
          [2, 1, 1],
          [11_000_000, 3, 3],
        ]);
      }
      expect(hosts.bytesSent() - before).toBeGreaterThan(11_000_000 * 4);
    },
    120_000,
  );

  it.skipIf(absent)(
    'train to the weights of one host',
    async () => {
      const asked = { net: 'compiled layers', options: { syncBatchNorm: true } };
      const sent = hosts.bytesSent();
      const many = resultOf(
        await onHosts('test/distributed/ranks-program.ts', JSON.stringify(asked)),
      );
      expect(hosts.bytesSent()).toBeGreaterThan(sent);
      const one = resultOf(
        execFileSync(process.execPath, [programs.at(-1)?.file as string, JSON.stringify(asked)], {
          encoding: 'utf8',
        }),
      );
      expect(many.digests).toBe(many.digest.repeat(2));
      many.values.flat().forEach((value, i) => {
        expect(Math.abs(value - (one.values.flat()[i] as number))).toBeLessThan(1e-5);
      });
    },
    120_000,
  );
});

interface Result {
  readonly values: number[][];
  readonly digest: string;
  readonly digests: string;
}

const resultOf = (stdout: string): Result => {
  const line = stdout.split('\n').find((text) => text.startsWith('RESULT ')) as string;
  return JSON.parse(line.slice('RESULT '.length)) as Result;
};

// Full run only: it starts programs that train, and interrupts them.
/**
 * Ctrl-C: the step ends, the run is saved, the process says how to resume; twice, and it ends at
 * once.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newestCheckpoint } from '@deepend/trainer';
import fs from 'fs-extra';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { rowsOf } from '../helpers/full';
import { buildProgram, type Program } from '../helpers/program';

let dir: string;
let program: Program;
beforeAll(async () => {
  program = await buildProgram('test/deepend/interrupted.ts');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(async () => {
  await program.remove();
  await fs.remove(dir);
});

const start = (...args: string[]) => spawn(process.execPath, [program.file, ...args]);

function watch(child: ChildProcess): {
  output: () => string;
  steps: (count: number) => Promise<void>;
  ended: Promise<number | null>;
} {
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk) => {
      output += chunk;
    });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  const count = () => output.split('\nstep').length - 1;
  const steps = async (least: number) => {
    while (count() < least && child.exitCode === null)
      await new Promise((resolve) => setTimeout(resolve, 5));
  };
  return { output: () => output, steps, ended };
}

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const;

it.each(rowsOf(SIGNALS, ([signal]) => signal !== 'SIGHUP'))(
  'at %s it saves, says how to resume, exits with %d, and resumes',
  async (signal, code) => {
    const run = path.join(dir, signal);
    const child = start(run);
    const { output, steps, ended } = watch(child);
    await steps(90); // in the second epoch of 80 steps
    child.kill(signal);
    expect(await ended, output()).toBe(code);
    expect(output()).toContain(`resume with: npx deepend resume ${run}`);
    const found = await newestCheckpoint(run);
    const { epochsDone, step, globalStep } = found?.checkpoint.progress ?? {};
    expect(globalStep).toBe(80 * (epochsDone ?? 0) + (step ?? 0));
    expect(globalStep).toBeGreaterThanOrEqual(90);
    expect(await fs.pathExists(path.join(run, 'model'))).toBe(false);

    const again = watch(start(run, 'resume'));
    expect(await again.ended, again.output()).toBe(0);
    expect(
      (await fs.readFile(path.join(run, 'history.jsonl'), 'utf8')).trim().split('\n').length,
    ).toBeGreaterThanOrEqual(3);
    expect(await fs.pathExists(path.join(run, 'model', 'model.json'))).toBe(true);
  },
  120_000,
);

it('ends at once when asked twice', async () => {
  const run = path.join(dir, 'twice');
  const child = start(run);
  const { output, steps, ended } = watch(child);
  await steps(3);
  child.kill('SIGINT');
  child.kill('SIGINT');
  expect(await ended, output()).toBe(130);
}, 120_000);

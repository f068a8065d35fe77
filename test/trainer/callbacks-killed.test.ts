// Full run only: it kills processes that train.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { buildProgram, type Program } from '../helpers/program';

let dir: string;
let program: Program;
beforeAll(async () => {
  program = await buildProgram('test/trainer/callbacks-killed.ts');
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(async () => {
  await program.remove();
  await rm(dir, { recursive: true });
});

/** Lets the writer begin, then kills it some milliseconds later. */
const killed = (folder: string, after: number) =>
  new Promise<void>((resolve) => {
    const child = spawn(process.execPath, [program.file, folder]);
    child.stdout.on('data', () => setTimeout(() => child.kill('SIGKILL'), after));
    child.on('close', () => resolve());
  });

it('history and event files are whole when the process is killed at any moment', async () => {
  for (const after of [1, 8, 17, 31]) {
    const folder = path.join(dir, String(after));
    await killed(folder, after);
    const lines = async (name: string) => {
      const text = await readFile(path.join(folder, name), 'utf8');
      expect(text.endsWith('\n')).toBe(true);
      return text.trimEnd().split('\n');
    };
    const records = (await lines('h.jsonl')).map((line) => JSON.parse(line) as { epoch: number });
    expect(records.length).toBeGreaterThanOrEqual(10);
    expect(records.map(({ epoch }) => epoch)).toEqual(records.map((_, i) => i + 1));
    const [head = '', ...rows] = await lines('h.csv');
    for (const row of rows) expect(row.split(',')).toHaveLength(head.split(',').length);
    expect(records.length - rows.length).toBeGreaterThanOrEqual(0); // the CSV comes second
    expect(records.length - rows.length).toBeLessThanOrEqual(1);
    const [name = ''] = await readdir(path.join(folder, 'events'));
    const events = await readFile(path.join(folder, 'events', name));
    let at = 0;
    while (at < events.length) at += 16 + Number(events.readBigUInt64LE(at));
    expect(at).toBe(events.length);
  }
});

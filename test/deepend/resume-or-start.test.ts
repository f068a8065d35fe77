/** `deepend train --resume-or-start`, for jobs that a launcher starts again. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadFashionMnist } from '@deepend/data';
import { main } from 'deepend/cli';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe(`deepend train --resume-or-start (${absent ?? 'real data'})`, () => {
  const said: string[] = [];
  beforeEach(() => {
    said.length = 0;
    for (const method of ['log', 'error'] as const)
      vi.spyOn(console, method).mockImplementation((...words) => said.push(words.join(' ')));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
  });
  const train = (out: string, epochs: number) => {
    const small =
      '--model book/lenet --batch-size 32 --train 64 --test 32 --workers 0 --device simd';
    const flags = `train ${small} --epochs ${epochs} --resume-or-start --out ${out}`;
    return main(['node', 'deepend', ...flags.split(' ')]);
  };
  const epochs = async (out: string) =>
    (await readFile(path.join(out, 'history.jsonl'), 'utf8')).trim().split('\n').length;

  it.skipIf(absent)('starts, continues, and says when there is nothing left', async () => {
    const out = path.join(dir, 'run');
    await train(out, 1);
    expect(await epochs(out)).toBe(1);
    const first = await readFile(path.join(out, 'history.jsonl'), 'utf8');
    await train(out, 2);
    const both = await readFile(path.join(out, 'history.jsonl'), 'utf8');
    expect(both.startsWith(first)).toBe(true);
    expect(await epochs(out)).toBe(2);
    said.length = 0;
    await train(out, 2);
    expect(said.join('\n')).toContain('has finished all 2 epochs');
    expect(process.exitCode ?? 0).toBe(0);
    expect(await readFile(path.join(out, 'history.jsonl'), 'utf8')).toBe(both);
  });

  it.skipIf(absent)('refuses a folder that is not a run’s', async () => {
    const out = await mkdtemp(path.join(dir, 'mine-'));
    await writeFile(path.join(out, 'thesis.txt'), 'mine');
    await train(out, 1);
    expect(said.join('\n')).toMatch(/is not empty, and it is not the folder of a run/);
    expect(said).toHaveLength(1); // before anything was loaded
    expect(process.exitCode).toBe(1);
    expect(await readFile(path.join(out, 'thesis.txt'), 'utf8')).toBe('mine');
  });
});

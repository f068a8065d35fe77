/** `deepend plot`: histories as files are enough, no net is read. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

let dir: string;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  const line = (epoch: number, extra: object) =>
    `${JSON.stringify({ epoch, loss: 1 / epoch, testAcc: 0.5, seconds: 2, ...extra })}\n`;
  for (const name of ['a/run', 'b/run', 'b/other']) {
    const text = [1, 2, 3].map((epoch) => line(epoch, { metrics: { top5: 0.9 } })).join('');
    await fs.outputFile(path.join(dir, name, 'history.jsonl'), text);
  }
});
afterAll(() => fs.remove(dir));

async function deepend(...args: string[]) {
  const [log, error] = [
    vi.spyOn(console, 'log').mockReturnValue(),
    vi.spyOn(console, 'error').mockReturnValue(),
  ];
  process.exitCode = 0;
  await main(['node', 'deepend', ...args]);
  const result = {
    code: process.exitCode,
    said: [...log.mock.calls, ...error.mock.calls].flat().join('\n'),
  };
  vi.restoreAllMocks();
  process.exitCode = 0;
  return result;
}

describe('deepend plot', () => {
  it('compares runs under names that differ', async () => {
    const out = path.join(dir, 'out.svg');
    const folders = ['a/run', 'b/run', 'b/other/'].map((name) => path.join(dir, name));
    expect(await deepend('plot', ...folders, '--out', out)).toEqual({
      code: 0,
      said: `the curves are in ${out}`,
    });
    const svg = await fs.readFile(out, 'utf8');
    for (const name of [folders[0], folders[1], 'other', 'test acc', 'epoch'])
      expect(svg).toContain(`>${name}<`);
  });

  it('draws any column over epochs or seconds', async () => {
    const out = path.join(dir, 'time.html');
    await deepend(
      'plot',
      path.join(dir, 'a/run'),
      '--out',
      out,
      '--what',
      'metrics.top5',
      '--over',
      'time',
    );
    expect(await fs.readFile(out, 'utf8')).toContain('run: 0.9 at seconds 6');
  });

  it('tells the columns that there are, and writes nothing', async () => {
    const out = path.join(dir, 'none.svg');
    const { code, said } = await deepend(
      'plot',
      path.join(dir, 'a/run'),
      '--out',
      out,
      '--what',
      'top1',
    );
    expect(code).not.toBe(0);
    expect(said).toMatch(
      /no run has numbers in "top1" over "epoch"; the columns with numbers are epoch, loss, testAcc, seconds/,
    );
    expect(await fs.pathExists(out)).toBe(false);
  });
});

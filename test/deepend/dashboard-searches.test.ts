/** What the dashboard makes of the files of searches, valid or not. */
import path from 'node:path';
import fc from 'fast-check';
import fs from 'fs-extra';
import { describe, expect, it } from 'vitest';
import { LiveSearch } from '../../packages/deepend/src/dashboard/live-search';
import type { RunSummary, SearchChart } from '../../packages/deepend/src/dashboard/types';
import { ask, fakeRun, type Heard, heard, jsonl } from './dashboard-fixtures';
import { newDashboards } from './dashboard-folders';

const { begin, inDir, start } = newDashboards();

describe('a search', () => {
  const result = (trial: number, more: object = {}) => ({
    ...{ trial, budget: 1, bracket: 0, rung: 0, config: { lr: 0.1 * (trial + 1) } },
    ...{ error: 0.5 / (trial + 1), seconds: 1, ...more },
  });
  const settings = { space: {}, scheduler: { name: 'hyperband' }, seed: 0 };
  const write = async (root: string, lines: readonly object[]) => {
    await fs.outputJson(path.join(root, 'search/search.json'), settings);
    await fs.writeFile(path.join(root, 'search/results.jsonl'), jsonl(lines));
  };
  const chart = async (url: string, kind: string) =>
    (await ask(url, `/search?search=search&kind=${kind}&width=400`)).body;
  const KINDS = ['best', 'curves', 'configurations'];

  it('tells its best configuration, and is drawn as results come', async () => {
    const { root, url } = await begin();
    const results = [result(0), result(1), result(2, { error: null, failure: 'NaN' })];
    await write(root, [...results, result(0, { budget: 3, error: 0.4 })]);
    await fakeRun(path.join(root, 'search/trials/0'), { finished: true });
    const first = await heard(url);
    expect(first.searches).toEqual([
      {
        ...{ id: 'search', name: 'search', scheduler: 'hyperband' },
        ...{ trials: 3, results: 4, failures: 1, cut: false },
        lastResult: (await fs.stat(path.join(root, 'search/results.jsonl'))).mtimeMs,
        best: { error: 0.4, budget: 3, config: 'lr 0.1' }, // 0.25 is of a smaller budget
      },
    ]);
    expect(first.runs.map(({ id }: RunSummary) => id)).toEqual(['search/trials/0']);
    for (const kind of KINDS) expect(await chart(url, kind)).toMatch(/^<figure.*<svg/s);

    const file = path.join(root, 'search/results.jsonl');
    await fs.appendFile(file, `${jsonl([result(1, { budget: 3, error: 0.3 })])}{"trial":`);
    const isRead = ({ searches }: Heard['data']) => searches?.[0].results === 5;
    const [found] = (await heard(url, isRead)).searches;
    expect(found).toMatchObject({ results: 5, best: { error: 0.3, config: 'lr 0.2' } });
  });

  it.each<[string, (root: string) => Promise<unknown>]>([
    ['damaged files', (root) => fs.outputFile(path.join(root, 'search/search.json'), '{"sched')],
    ['only failures', (root) => write(root, [result(0, { error: null })])],
    [
      'lines of something else',
      (root) =>
        write(root, [
          [1],
          { trial: 'x' },
          { config: 3 },
          result(0, { error: 'x' }),
          result(0, { budget: 0 }),
        ]),
    ],
    [
      'a link to results outside',
      async (root) => {
        const outside = inDir('outside.jsonl');
        await fs.writeFile(outside, jsonl([result(0)]));
        await fs.outputJson(path.join(root, 'search/search.json'), settings);
        await fs.symlink(outside, path.join(root, 'search/results.jsonl'));
      },
    ],
  ])('is shown without a chart for %s', async (_, make) => {
    const { root, url } = await begin();
    await make(root);
    expect((await heard(url)).searches).toMatchObject([
      { id: 'search', results: expect.any(Number), best: null },
    ]);
    for (const kind of KINDS) expect(await chart(url, kind)).toBe('');
  });

  it('refuses a chart, a width or a search that does not exist', async () => {
    const { root, url } = await begin();
    await write(root, [result(0)]);
    const status = async (query: string) => (await ask(url, `/search?${query}`)).status;
    expect(await status('search=search&kind=worst')).toBe(400);
    expect(await status('search=search&kind=best&width=9')).toBe(400);
    expect(await status('search=other&kind=best')).toBe(404);
    expect(await status('search=search&kind=best')).toBe(200);
  });

  it('counts only results: a damaged line is none, a null error is a failure', async () => {
    const { root, url } = await begin();
    const { error: _, ...noError } = result(3);
    await write(root, [result(0), noError, result(1, { error: null })]);
    await fs.appendFile(path.join(root, 'search/results.jsonl'), '{"trial": 2, "bud\n');
    const [found] = (await heard(url)).searches;
    expect(found).toMatchObject({ trials: 2, results: 2, failures: 1, best: { error: 0.5 } });
  });

  it('shows integers as they are, and other numbers shortened', async () => {
    const { root, url } = await begin();
    const config = { units: 12_345, lr: 0.123456, nesterov: false, optimizer: 'adam' };
    await write(root, [result(0, { config })]);
    const [{ best }] = (await heard(url)).searches;
    expect(best.config).toBe('units 12345, lr 0.1235, nesterov false, optimizer adam');
  });

  it('is read again when its files were replaced by others of the same length', async () => {
    const { root, url } = await begin();
    await write(root, [result(0, { error: 0.5 })]);
    expect((await heard(url)).searches).toMatchObject([{ best: { error: 0.5 } }]);
    await write(root, [result(0, { error: 0.4 })]);
    const isNew = ({ searches }: Heard['data']) => searches?.[0].best.error === 0.4;
    expect((await heard(url, isNew)).searches).toMatchObject([{ results: 1 }]);
    await fs.remove(path.join(root, 'search/results.jsonl'));
    const isEmpty = ({ searches }: Heard['data']) => searches?.[0].results === 0;
    expect((await heard(url, isEmpty)).searches).toMatchObject([{ best: null, lastResult: null }]);
    await fs.remove(path.join(root, 'search'));
    expect((await heard(url, ({ searches }) => searches?.length === 0)).searches).toEqual([]);
  });

  it('says when there are more results or searches than it shows', async () => {
    const { root, url } = await begin();
    await write(
      root,
      Array.from({ length: 5001 }, (_, trial) => result(trial)),
    );
    for (let i = 0; i < 50; i++) await fs.outputJson(path.join(root, `s${i}`, 'search.json'), {});
    const { searches, cut } = await heard(url);
    expect([searches.length, cut]).toEqual([50, true]);
    const own = path.join(root, 'search');
    const dashboard = await start(own);
    const one = await heard(dashboard.url);
    expect(one).toMatchObject({ cut: false, searches: [{ id: '.', results: 5000, cut: true }] });
  });

  const value = fc.oneof(fc.double(), fc.string(), fc.boolean(), fc.constant(null));
  const line = fc.oneof(
    fc.jsonValue(),
    fc.record(
      {
        ...{ trial: fc.oneof(fc.nat(5), value), budget: fc.oneof(fc.integer({ min: -1 }), value) },
        ...{ error: fc.oneof(fc.double(), value), seconds: value, bracket: value },
        config: fc.oneof(fc.dictionary(fc.constantFrom('lr', '<b>', '__proto__'), value), value),
      },
      { requiredKeys: [] },
    ),
  );
  it('is drawn or shown without a chart, whatever its lines have', {
    timeout: 60_000,
  }, async () => {
    const root = inDir('any');
    const file = path.join(root, 'results.jsonl');
    let drawn = 0;
    const holds = async (lines: unknown[]) => {
      await fs.outputFile(file, jsonl(lines as object[]));
      const search = new LiveSearch(root, { id: '.', name: 'any' });
      await search.refresh();
      const { best, results, failures } = search.summary;
      expect(best === null).toBe(results === failures);
      for (const kind of KINDS) {
        const figure = search.draw(kind as SearchChart, 400);
        expect(figure).not.toMatch(/<b>|NaN|undefined/);
        if (figure !== '') drawn++;
      }
    };
    await fc.assert(fc.asyncProperty(fc.array(line, { maxLength: 8 }), holds), {
      numRuns: 200,
    });
    expect(drawn).toBeGreaterThan(10);
  });
});

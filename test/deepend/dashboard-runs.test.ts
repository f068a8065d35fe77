/** What the dashboard makes of runs' files, valid or not. */
import { open } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import fs from 'fs-extra';
import { describe, expect, it } from 'vitest';
import { realInside } from '../../packages/deepend/src/dashboard/confine';
import { parseGpuLoad } from '../../packages/deepend/src/dashboard/machine';
import { summarize } from '../../packages/deepend/src/dashboard/summary';
import type { RunSummary } from '../../packages/deepend/src/dashboard/types';
import { JsonLines } from '../../packages/deepend/src/run/json-lines';
import { isFull, runsOf } from '../helpers/full';
import { ask, epochLine, fakeRun, heard, jsonl, news, stepLine } from './dashboard-fixtures';
import { newDashboards } from './dashboard-folders';

const MINUTE = 60_000;
const { begin, inDir, start } = newDashboards();

const byId = (runs: RunSummary[]) => Object.fromEntries(runs.map((run) => [run.id, run]));

describe('a run in the list', () => {
  it('tells what it is, where it stands and how it ended', async () => {
    const { root, url } = await begin();
    const at = (name: string) => path.join(root, name);
    await fakeRun(at('finished'), { epochs: 5, finished: true, ago: 600 * MINUTE });
    await fakeRun(at('stopped'), {
      epochs: 3,
      finished: { epochs: 3, stopped: 'no progress for 2 epochs' },
    });
    await fakeRun(at('running'), { epochs: 2, steps: [stepLine(2, 10), stepLine(3, 4)] });
    await fakeRun(at('interrupted'), {
      epochs: 1,
      steps: [stepLine(2, 4), { ended: 'interrupted' }],
      ago: 90 * MINUTE,
    });
    await fakeRun(at('failed'), {
      epochs: 0,
      steps: [stepLine(1, 4), { ended: 'failed', reason: 'the loss became NaN' }],
    });
    await fakeRun(at('sweep/silent'), { epochs: 1, ago: 90 * MINUTE });
    await fakeRun(at('young'), { epochs: 0 });
    const { runs, whole, cut } = await heard(url);
    expect([whole, cut]).toEqual([true, false]);
    const shown = byId(runs);
    expect(Object.keys(shown).sort()).toEqual([
      'failed',
      'finished',
      'interrupted',
      'running',
      'stopped',
      'sweep/silent',
      'young',
    ]);
    expect(shown.finished).toMatchObject({
      name: 'finished',
      state: 'finished',
      model: 'book/lenet',
      data: 'fashion-mnist',
      device: 'cpu',
      epoch: 5,
      numEpochs: 5,
      secondsLeft: null,
      testAcc: epochLine(5).testAcc,
      reason: null,
    });
    expect(shown.stopped).toMatchObject({
      state: 'finished',
      reason: 'no progress for 2 epochs',
      epoch: 3,
    });
    expect(shown.running).toMatchObject({
      state: 'running',
      epoch: 2.4,
      loss: 0.5,
      trainAcc: 0.5,
      testAcc: epochLine(2).testAcc,
      samplesPerSecond: 950,
    });
    expect(shown.running?.secondsLeft).toBeCloseTo(2 * 2.6, 9); // two seconds an epoch
    expect(shown.interrupted).toMatchObject({
      state: 'interrupted',
      epoch: 1.4,
      secondsLeft: null,
    });
    expect(shown.failed).toMatchObject({
      state: 'failed',
      reason: 'the loss became NaN',
      epoch: 0.4,
      testAcc: null,
    });
    expect(shown['sweep/silent']).toMatchObject({ state: 'silent', epoch: 1 });
    expect(shown.young).toMatchObject({
      state: 'running',
      epoch: 0,
      loss: null,
      secondsLeft: null,
    });
  });

  it('is silent after a minute, or after two and a half epochs where those take longer', () => {
    const at = (seconds: number, quiet: number) =>
      summarize(
        { id: 'a', name: 'a' },
        {
          config: {},
          result: undefined,
          history: [{ ...epochLine(1), seconds }],
          steps: [],
          started: 0,
          lastNews: 0,
          now: 1000 * quiet,
        },
      ).state;
    expect([at(1, 60), at(1, 61), at(100, 250), at(100, 251)]).toEqual([
      'running',
      'silent',
      'running',
      'silent',
    ]);
  });

  it('tells the time left by its steps while no epoch is done', () => {
    const steps = [1, 3, 5].map((step) => ({ ...stepLine(1, step), time: 2000 * step }));
    const files = {
      config: { numEpochs: 2 },
      result: undefined,
      history: [],
      steps,
      started: 0,
      lastNews: 0,
      now: 0,
    };
    expect(summarize({ id: 'a', name: 'a' }, files).secondsLeft).toBeCloseTo(1.5 * 10 * 2, 9);
  });

  it('is the folder itself, when that is a run', async () => {
    const { root, url } = await begin();
    await fakeRun(root, { epochs: 1 });
    await fs.writeFile(path.join(root, 'curves.png'), '');
    const { runs } = await heard(url);
    expect(runs).toEqual([
      expect.objectContaining({ id: '.', name: path.basename(root), epoch: 1 }),
    ]);
    const { pictures } = JSON.parse((await ask(url, '/compare?run=.')).body);
    expect(pictures).toEqual([
      [{ name: 'curves.png', url: expect.stringMatching(/^files\/curves\.png\?at=\d+$/) }],
    ]);
    expect((await ask(url, `/${pictures[0][0].url}`)).status).toBe(200);
  });
});

describe('news', () => {
  if (isFull)
    it('follow a run that grows, one that comes and one that is deleted', async () => {
      const { root, url } = await begin();
      await fakeRun(path.join(root, 'old'), { epochs: 1, finished: true });
      const stream = news(url);
      const next = async () => {
        for (;;) {
          const { event, data } = (await stream.next()).value;
          if (event === 'runs') return data;
        }
      };
      expect(byId((await next()).runs)).toMatchObject({ old: { epoch: 1 } });
      await fakeRun(path.join(root, 'new'), { epochs: 0 });
      expect(byId((await next()).runs)).toEqual({ new: expect.objectContaining({ epoch: 0 }) });
      await fs.writeFile(path.join(root, 'new', 'steps.jsonl'), jsonl([stepLine(1, 5)]));
      expect(byId((await next()).runs)).toMatchObject({ new: { epoch: 0.5 } });
      await fs.appendFile(path.join(root, 'new', 'history.jsonl'), jsonl([epochLine(1)]));
      expect(byId((await next()).runs)).toMatchObject({
        new: { epoch: 1, loss: epochLine(1).loss },
      });
      await fs.remove(path.join(root, 'old'));
      expect(await next()).toMatchObject({ runs: [], gone: ['old'], whole: false });
      expect((await ask(url, '/compare?run=old&run=new')).body).toContain('"ids":["new"]');
      expect((await ask(url, '/chart?metric=loss&run=old')).body).toBe('');
      await fakeRun(path.join(root, 'old'), { epochs: 2, finished: true }); // the same name again is another run
      expect(byId((await next()).runs)).toMatchObject({ old: { epoch: 2 } });
      await fs.remove(root);
      expect((await next()).gone.sort()).toEqual(['new', 'old']);
      await stream.return(undefined);
    });

  it('take a line when it is whole, and a finished run that goes on is running again', async () => {
    const { root, url } = await begin();
    const run = path.join(root, 'run');
    await fakeRun(run, { epochs: 1, finished: true, ago: MINUTE / 2 });
    const [line] = [jsonl([epochLine(2)])];
    expect((await heard(url)).runs[0]).toMatchObject({ state: 'finished', epoch: 1 });
    await fs.remove(path.join(run, 'result.json'));
    await fs.appendFile(path.join(run, 'history.jsonl'), line.slice(0, 30));
    expect((await heard(url, ({ runs }) => runs[0]?.state === 'running')).runs[0]).toMatchObject({
      epoch: 1,
    });
    await fs.appendFile(path.join(run, 'history.jsonl'), line.slice(30));
    expect((await heard(url, ({ runs }) => runs[0]?.epoch === 2)).runs[0]).toMatchObject({
      loss: epochLine(2).loss,
    });
  });
});

describe('files that are not what they should be', () => {
  it('nonsense is left out, whatever it is', async () => {
    const { root, url } = await begin();
    const at = (...names: string[]) => path.join(root, ...names);
    const lines = [
      'null',
      '[]',
      '7',
      '"x"',
      '{',
      '{}',
      '{"epoch":"1"}',
      '{"epoch":-1}',
      '{"epoch":1e999}',
      '{"epoch":1,"loss":null,"trainAcc":"high","__proto__":{"x":1}}',
      '\u0000',
      '',
    ];
    await fs.outputFile(at('lines', 'history.jsonl'), `${lines.join('\n')}\n`);
    await fs.outputFile(
      at('lines', 'steps.jsonl'),
      `${lines.join('\n')}\n{"epoch":2,"step":99,"numBatches":3}\n{"ended":5}\n`,
    );
    await fs.outputFile(at('array', 'config.json'), '[1, 2]');
    await fs.outputFile(at('half', 'config.json'), '{"net": "book/le');
    await fs.outputFile(
      at('odd', 'config.json'),
      JSON.stringify({
        model: { a: 1 },
        numEpochs: 'many',
        settings: 7,
        data: ['x'],
        device: 'd'.repeat(5000),
        startedAt: {},
      }),
    );
    await fs.outputFile(at('odd', 'result.json'), '"done"');
    await fs.outputFile(
      at('binary', 'config.json'),
      Buffer.from(Array.from({ length: 2000 }, (_, i) => (i * 97) % 256)),
    );
    await fs.outputFile(at('large', 'config.json'), `{"net":"${'x'.repeat(1024 * 1024)}"}`);
    await fs.ensureDir(at('folders', 'history.jsonl'));
    await fs.outputFile(at('folders', 'config.json'), '{}');
    const shown = byId((await heard(url)).runs);
    expect(shown.lines).toMatchObject({ epoch: 2, loss: null, trainAcc: null, state: 'running' });
    for (const id of ['array', 'half', 'binary', 'large', 'folders'])
      expect(shown[id]).toMatchObject({ model: null, epoch: 0 });
    expect(shown.odd).toMatchObject({ model: null, numEpochs: null, data: null, state: 'running' });
    expect(shown.odd?.device).toHaveLength(200);
    expect(
      (await ask(url, '/compare?run=lines&run=array&run=half&run=odd&run=binary&run=large')).status,
    ).toBe(200);
    expect((await ask(url, '/chart?metric=loss&run=lines')).body).toBe('');
  });

  it('no value of any field ends the server or hides the other runs', async () => {
    const { root, url } = await begin();
    const fields = ['startedAt', 'model', 'data', 'device', 'numEpochs', 'settings', 'training'];
    const values: unknown[] = [
      ...[{ toString: 1 }, { valueOf: 1, toString: null }, { toJSON: 1 }, [], [[]], null, true],
      ...[-1, 1e308, '', 'now', '\u0000', '9'.repeat(400), { __proto__: null, length: -1 }],
    ];
    for (const [i, value] of values.entries()) {
      const config = Object.fromEntries(fields.map((field) => [field, value]));
      await fs.outputJson(path.join(root, `odd-${i}`, 'config.json'), config);
      await fs.outputJson(path.join(root, `odd-${i}`, 'result.json'), { stopped: value });
    }
    const deep = `{"classes":${'['.repeat(400_000)}${']'.repeat(400_000)}}`;
    await fs.outputFile(path.join(root, 'deep', 'config.json'), deep);
    await fakeRun(path.join(root, 'right'), { epochs: 1 });
    const { runs } = await heard(url, (news) => news.runs.length === values.length + 2);
    expect(byId(runs).right).toMatchObject({ epoch: 1, state: 'running' });
    const chosen = runs.map(({ id }: RunSummary) => `run=${id}`).join('&');
    expect((await ask(url, `/compare?${chosen}`)).status).toBe(200);
  });

  it('of a history of a gigabyte the end alone is read', async () => {
    const { root, url } = await begin();
    const file = path.join(root, 'huge', 'history.jsonl');
    await fs.outputFile(file, jsonl([epochLine(1)]));
    await fs.truncate(file, 1024 ** 3); // a hole: zeros that take no disk
    await fs.appendFile(file, `\n${jsonl([epochLine(1000), epochLine(1001)])}`);
    expect((await fs.stat(file)).size).toBeGreaterThan(1024 ** 3);
    expect((await heard(url)).runs).toEqual([expect.objectContaining({ epoch: 1001 })]);
    await fs.appendFile(file, jsonl([epochLine(1002)]));
    await heard(url, ({ runs }) => runs[0]?.epoch === 1002);
    const { body } = await ask(url, '/chart?metric=loss&run=huge');
    expect(body.includes('at epoch 1002')).toBe(true);
  });

  it('five hundred runs, and folders within folders, are found; what runs keep inside is not searched', async () => {
    const { root, url } = await begin();
    for (let i = 0; i < 500; i++)
      await fs.outputFile(
        path.join(root, `sweep ${i % 7}`, `run-${i}`, 'config.json'),
        '{"net":"a"}',
      );
    for (const inside of ['checkpoints', 'model', 'tensorboard', '.hidden', 'node_modules/x'])
      await fs.outputFile(path.join(root, inside, 'config.json'), '{}');
    await fs.outputFile(path.join(root, 'a/b/c/d/config.json'), '{}');
    await fs.outputFile(path.join(root, 'a/b/c/d/e/config.json'), '{}'); // too deep
    await fs.symlink('.', path.join(root, 'again'));
    const { runs } = await heard(url);
    expect(runs).toHaveLength(501);
    expect(runs.map(({ id }: RunSummary) => id)).toContain('a/b/c/d');
    const chosen = runs
      .slice(0, 24)
      .map(({ id }: RunSummary) => `run=${encodeURIComponent(id)}`)
      .join('&');
    expect(JSON.parse((await ask(url, `/compare?${chosen}`)).body).ids).toHaveLength(24);
  });

  const NAMES = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "it's & so on",
    '🐳 Größe 尺寸',
    'a b%2F..%00',
    'a ..., ..',
    '\u202Egnp.exe',
    'new\nline',
    'x'.repeat(200),
    '🐳'.repeat(50),
  ];
  it.skipIf(process.platform === 'win32').each(NAMES)(
    'the name %j is text everywhere',
    async (name) => {
      const { root, url } = await begin();
      await fakeRun(path.join(root, name), {
        epochs: 3,
        config: { model: name, settings: { model: name, [name]: name } },
      });
      await fs.writeFile(
        path.join(root, name, `${name.slice(0, 100).replaceAll('/', '')}.png`),
        'a picture',
      );
      expect((await heard(url)).runs).toMatchObject([{ id: name, name, model: name }]);
      const run = encodeURIComponent(name);
      const { body } = await ask(url, `/chart?metric=loss&run=${run}`);
      expect(body).toMatch(/^<figure /);
      expect(body).not.toMatch(/<script|<img/);
      const { pictures, shared } = JSON.parse((await ask(url, `/compare?run=${run}`)).body);
      expect(shared).toContainEqual({ setting: name, value: name });
      expect((await ask(url, `/${pictures[0][0].url}`)).body).toBe('a picture');
    },
  );

  it('the page names its folder as text', async () => {
    const root = inDir('<script>alert(1)<', 'script>');
    await fs.ensureDir(root);
    const dashboard = await start(root);
    expect((await ask(dashboard.url, '/')).body).not.toContain('<script>alert');
  });
});

describe('comparison', () => {
  it('tells in what runs differ, in which not, and their pictures', async () => {
    const { root, url } = await begin();
    await fakeRun(path.join(root, 'a'), {
      config: {
        settings: { model: 'book/lenet', lr: 0.1, modelOptions: { stem: 'cifar' } },
        versions: { node: 'v20' },
      },
    });
    await fakeRun(path.join(root, 'b'), {
      config: {
        settings: { model: 'book/lenet', lr: 0.2, momentum: 0.9 },
        versions: { node: 'v20' },
      },
    });
    for (const name of ['b.png', 'a.svg', 'a.png', 'notes.txt', '.hidden.svg'])
      await fs.writeFile(path.join(root, 'a', name), '');
    const found = JSON.parse((await ask(url, '/compare?run=b&run=a')).body);
    expect(found.ids).toEqual(['b', 'a']);
    expect(found.differences).toEqual([
      { setting: 'lr', values: ['0.2', '0.1'] },
      { setting: 'momentum', values: ['0.9', null] },
      { setting: 'modelOptions.stem', values: [null, 'cifar'] },
    ]);
    expect(found.shared).toContainEqual({ setting: 'versions.node', value: 'v20' });
    expect(found.pictures.map((all: { name: string }[]) => all.map(({ name }) => name))).toEqual([
      [],
      ['a.svg', 'b.png'],
    ]);
  });

  it('draws the metrics that there are, the present epoch too, of thousands of epochs a part', async () => {
    const { root, url } = await begin();
    await fakeRun(path.join(root, 'a'), { epochs: 2, steps: [stepLine(3, 5)] });
    await fakeRun(path.join(root, 'long'), { epochs: 5000 });
    const { body } = await ask(url, '/chart?metric=loss&run=a');
    expect(body).toContain('a: 0.5 at epoch 2.5');
    expect((await ask(url, '/chart?metric=testAcc&run=a')).body).not.toContain('at epoch 2.5');
    const long = (await ask(url, '/chart?metric=loss&run=long')).body;
    expect(long.match(/at epoch/g)?.length).toBeLessThanOrEqual(1001);
    expect(long.includes('at epoch 5000')).toBe(true); // not the whole text in a failure's message
  });
});

describe('JsonLines', () => {
  const record = fc.record({ a: fc.integer(), text: fc.string({ unit: 'grapheme' }) });

  it('reads the same whatever the pieces in which a file grows', async () => {
    const file = inDir('grows.jsonl');
    await fc.assert(
      fc.asyncProperty(
        fc.array(record),
        fc.array(fc.nat(), { maxLength: 8 }),
        async (records, cuts) => {
          await fs.remove(file);
          const lines = new JsonLines((value) => value);
          const whole = Buffer.from(jsonl(records));
          const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].sort(
            (a, b) => a - b,
          );
          for (const [i, place] of places.entries()) {
            await fs.appendFile(file, whole.subarray(places[i - 1] ?? 0, place)); // cuts characters apart, too
            const handle = await open(file);
            await lines.read(handle).finally(() => handle.close());
          }
          expect(lines.records).toEqual(records);
        },
      ),
      { numRuns: runsOf(60) },
    );
  });

  it('reads a file that was replaced, cut or written over anew', async () => {
    const file = inDir('changes.jsonl');
    const lines = new JsonLines((value) => value);
    const ways = [
      (text: string) => fs.writeFile(file, text),
      async (text: string) => {
        await fs.writeFile(`${file}.part`, text);
        await fs.rename(`${file}.part`, file);
      },
    ];
    const step = fc.tuple(fc.nat({ max: 1 }), fc.array(record, { maxLength: 20 }));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 5 }), async (steps) => {
        for (const [way, records] of steps) {
          await ways[way]?.(jsonl(records));
          const handle = await open(file);
          await lines.read(handle).finally(() => handle.close());
          expect(lines.records).toEqual(records);
        }
      }),
      { numRuns: runsOf(40) },
    );
  });

  it('reads no more than the tail, keeps no more than it should, and skips a line without an end', async () => {
    const file = inDir('tail.jsonl');
    await fs.writeFile(file, jsonl(Array.from({ length: 5000 }, (_, i) => ({ i }))));
    const lines = new JsonLines((value) => (value as { i: number }).i, {
      tail: 1000,
      keep: 10,
      longest: 100,
    });
    let bytes = 0;
    const read = async () => {
      const handle = await open(file);
      const counting = new Proxy(handle, {
        get: (target, key) => {
          if (key !== 'read') return target[key as 'stat'].bind(target);
          return async (...args: Parameters<typeof handle.read>) => {
            const result = await target.read(...args);
            bytes += result.bytesRead;
            return result;
          };
        },
      });
      await lines.read(counting).finally(() => handle.close());
    };
    await read();
    expect(bytes).toBe(1000);
    expect(lines.records).toEqual(Array.from({ length: 10 }, (_, i) => 4990 + i));
    expect(lines.cut).toBe(true);
    await fs.appendFile(file, 'x'.repeat(500));
    await read();
    await fs.appendFile(file, `\n${jsonl([{ i: 1 }])}`);
    await read();
    expect(lines.records.slice(-2)).toEqual([4999, 1]);
    expect(bytes).toBeLessThan(1800);
  });
});

describe('realInside', () => {
  it('leads nowhere but inside, whatever is asked', async () => {
    const root = inDir('inside');
    await fs.outputFile(path.join(root, 'a', 'b.png'), '');
    await fs.symlink(inDir(), path.join(root, 'out'));
    await fs.symlink('a', path.join(root, 'in'));
    const part = fc.oneof(
      fc.constantFrom(
        '..',
        '.',
        'a',
        'b.png',
        'out',
        'in',
        'inside',
        '',
        '/',
        '\0',
        '...',
        '%2e%2e',
        '\\',
      ),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 8 }),
        fc.constantFrom('/', '\\', ''),
        async (parts, by) => {
          const real = await realInside(root, parts.join(by));
          expect(real === undefined || real === root || real.startsWith(root + path.sep)).toBe(
            true,
          );
        },
      ),
      { numRuns: runsOf(2000) },
    );
    expect(await realInside(root, 'a/b.png')).toBe(path.join(root, 'a', 'b.png'));
    expect(await realInside(root, 'in/b.png')).toBe(path.join(root, 'a', 'b.png'));
    expect(await realInside(root, '.')).toBe(root);
    for (const out of [
      'out',
      'out/inside',
      'out/inside/a/b.png',
      '..',
      '../inside/a/b.png',
      '/a/b.png',
      'a//b.png',
      'a/./b.png',
      '',
    ]) {
      const real = await realInside(root, out);
      // A link that leads out and in again ends inside.
      expect(real === undefined || out.startsWith('out/inside')).toBe(true);
    }
  });
});

describe('nvidia-smi', () => {
  it('is read as it writes', () => {
    const text =
      'NVIDIA H100 80GB HBM3, 37, 1024, 81559\nTesla, K80 (old), [N/A], [Not Supported], 11441\n';
    expect(parseGpuLoad(text)).toEqual([
      {
        name: 'NVIDIA H100 80GB HBM3',
        busy: 0.37,
        memoryUsed: 1024 ** 3,
        memoryTotal: 81_559 * 1024 ** 2,
      },
      { name: 'Tesla, K80 (old)', busy: null, memoryUsed: null, memoryTotal: 11_441 * 1024 ** 2 },
    ]);
    expect(parseGpuLoad('')).toEqual([]);
    expect(parseGpuLoad('No devices were found')).toEqual([
      { name: '', busy: null, memoryUsed: null, memoryTotal: null },
    ]);
  });
});

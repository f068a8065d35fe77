import { tmpdir } from 'node:os';
import path from 'node:path';
import { cpu, loadModel, saveRun, showPredictions, train } from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const quiet = { numEpochs: 2, lr: 0.1, progress: false };

describe('saveRun', () => {
  it("fills a run's directory, config first, and replaces an older run but not a person's notes", async () => {
    const out = path.join(dir, 'run');
    await fs.outputFile(path.join(out, 'notes.txt'), 'mine');
    await fs.outputFile(path.join(out, 'history.jsonl'), 'old');
    await fs.outputJson(path.join(out, 'config.json'), { versions: { deepend: '0.0.0' } });
    const seen: string[][] = [];
    const watcher = { onStep: async () => void seen.push(await fs.readdir(out)) };
    const net = linearNet();
    const { history } = await train(net, fakeLoader(6, 3), fakeLoader(6, 3), {
      ...quiet,
      callbacks: [saveRun(out, { resize: 4 }, { overwrite: true }), watcher],
    });
    expect(seen[0]?.sort()).toEqual([
      '.deepend.lock',
      'architecture.json',
      'checkpoints',
      'config.json',
      'notes.txt',
      'steps.jsonl',
    ]);
    expect((await fs.readdir(out)).sort()).toEqual([
      'architecture.json',
      'checkpoints',
      'config.json',
      'curves.png',
      'curves.svg',
      'history.jsonl',
      'model',
      'notes.txt',
      'result.json',
      'steps.jsonl',
    ]);
    expect(await fs.readJson(path.join(out, 'config.json'))).toMatchObject({
      numEpochs: 2,
      lr: 0.1,
      seed: 0,
      resize: 4,
      backend: 'cpu-js',
    });
    const lines = (await fs.readFile(path.join(out, 'history.jsonl'), 'utf8'))
      .trimEnd()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(history);
    const loaded = await loadModel(path.join(out, 'model'));
    expect(loaded.getWeights().map((weight) => [...weight.dataSync()])).toEqual(
      net.getWeights().map((weight) => [...weight.dataSync()]),
    );
  });

  it('ends the run before its first step when the folder cannot be written', async () => {
    await fs.writeFile(path.join(dir, 'file'), '');
    const net = linearNet();
    const before = net.getWeights().map((weight) => [...weight.dataSync()]);
    const run = train(net, fakeLoader(6, 3), null, {
      ...quiet,
      callbacks: [saveRun(path.join(dir, 'file', 'run'))],
    });
    await expect(run).rejects.toThrow(/\[deepend\] saveRun: cannot write .*; name another folder/);
    expect(net.getWeights().map((weight) => [...weight.dataSync()])).toEqual(before);
  });
});

describe('showPredictions', () => {
  it('titles each image with its true and predicted class', async () => {
    const loader = { ...fakeLoader(6, 6), classNames: ['bag', 'coat', 'shirt'] };
    const { svg } = await showPredictions(linearNet(), loader, { count: 4 });
    expect(svg.match(/<image /g)).toHaveLength(4);
    expect(svg).toContain('>bag<');
    expect(svg).toMatch(/>→ (bag|coat|shirt)</);
  });

  it('leaves no tensor behind', async () => {
    const net = linearNet();
    await expectNoLeak(() => showPredictions(net, fakeLoader(6, 3)));
  });

  it('refuses no images', async () => {
    await expect(showPredictions(linearNet(), fakeLoader(6, 3), { count: 0 })).rejects.toThrow(
      /"count" must be an integer of at least 1/,
    );
  });
});

describe('the umbrella', () => {
  it('has what the book has', async () => {
    const deepend: Record<string, unknown> = await import('deepend');
    const names = [
      'book',
      'loadFashionMnist',
      'train',
      'evaluate',
      'predict',
      'tryGpu',
      'tryAllGpus',
      'cpu',
      'device',
      'Animator',
      'showImages',
      'summary',
      'createModel',
      'listModels',
      'saveModel',
      'loadModel',
      'Accumulator',
      'Timer',
      'plot',
    ];
    for (const name of names) expect(deepend[name], name).toBeDefined();
    expect((await cpu()).name).toBe('cpu');
    await use('cpu-js');
  });
});

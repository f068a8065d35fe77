/** Which folders a run may write into, what it removes there, and that two runs share none. */
import { spawn, spawnSync } from 'node:child_process';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { Figure } from '@deepend/plot';
import { saveRun, type TrainOptions, train } from 'deepend';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { isFull } from '../helpers/full';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { buildProgram } from '../helpers/program';

let dir: string;
let out: string;
let count = 0;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
beforeEach(() => {
  out = path.join(dir, `run-${count++}`);
});
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});
afterAll(() => fs.remove(dir));

const at = (...names: string[]) => path.join(out, ...names);
const trainInto = (folder: string, save = {}, options: Partial<TrainOptions> = {}) =>
  train(linearNet(), fakeLoader(6, 3), null, {
    numEpochs: 1,
    lr: 0.1,
    progress: false,
    ...options,
    callbacks: [saveRun(folder, {}, save), ...(options.callbacks ?? [])],
  });
/** Each file of a folder with its content. */
async function read(folder: string): Promise<Record<string, string>> {
  const files = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  const names = files
    .filter((file) => file.isFile())
    .map((file) => `${file.parentPath}/${file.name}`);
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await fs.readFile(name, 'latin1')])),
  );
}

describe('what a killed process was writing', () => {
  const UUID = '0b8f7a52-3c1d-4e5f-8a9b-0123456789ab';
  const staging = (name: string, pid: number, host = hostname()) =>
    `.${name}.${host}.${pid}.${UUID}.part`;

  it.each([
    ['resumed', { resume: true }],
    ['overwritten', { overwrite: true }],
  ])('is removed when the run is %s, and nothing else', async (_, how) => {
    const { pid } = spawnSync(process.execPath, ['--version']); // it has ended
    await trainInto(out);
    const left = [
      staging('model', pid),
      staging('config.json', pid),
      path.join('checkpoints', staging('step-00000009.ckpt', pid)),
      path.join('exports', staging('model.onnx', pid)),
    ];
    const kept = [
      staging('report.html', process.pid), // of a process that runs
      path.join('checkpoints', staging('best-epoch-0001.ckpt', pid, 'another-machine')),
      path.join('exports', `.thesis.${hostname()}.${pid}.part`),
      'notes.part',
    ];
    await fs.outputFile(at(left[0] as string, 'weights.bin'), 'half');
    for (const name of [...left.slice(1), ...kept]) await fs.outputFile(at(name), 'half');
    const { resume, ...save } = { resume: false, ...how };
    await trainInto(out, save, resume ? { numEpochs: 2, resume: out } : {});
    const names = Object.keys(await read(out)).map((name) => path.relative(out, name));
    expect(names.filter((name) => name.endsWith('.part')).sort()).toEqual([...kept].sort());
    expect(await fs.pathExists(at(left[0] as string))).toBe(false);
  });
});

describe('a folder that is no run', () => {
  const OWN = {
    'net/net.ts': 'a program',
    'exports/thesis.txt': 'a thesis',
    'checkpoints/pretrained.pth': 'weights',
    'config.json': '{ "mine": true }',
  };

  it.each([{}, { overwrite: true }])('is refused as it stands: %o', async (save) => {
    for (const [name, text] of Object.entries(OWN)) await fs.outputFile(at(name), text);
    const before = await read(out);
    await expect(trainInto(out, save)).rejects.toThrow(
      /run-\d+ is not empty, and it is not the folder of a run: expected a config.json that deepend wrote, found .*; name another folder, such as .*run, or move these files away/,
    );
    expect(await read(out)).toEqual(before);
  });

  it.each(Object.keys(OWN))('is refused with %s only', async (name) => {
    await fs.outputFile(at(name), 'mine');
    await expect(trainInto(out)).rejects.toThrow(/is not the folder of a run/);
    expect(await fs.readFile(at(name), 'utf8')).toBe('mine');
  });

  it('may be empty, or hold hidden files', async () => {
    await fs.outputFile(at('.gitignore'), '*');
    await trainInto(out);
    expect(await fs.readFile(at('.gitignore'), 'utf8')).toBe('*');
  });

  it('is refused by the command line before data is loaded', async () => {
    await fs.outputFile(at('thesis.txt'), 'mine');
    const err = vi.spyOn(console, 'error').mockImplementation(() => {});
    await main(['node', 'deepend', 'train', '--model', 'book/lenet', '--out', out, '--overwrite']);
    expect(process.exitCode).toBe(1);
    expect(err.mock.calls).toEqual([[expect.stringMatching(/deepend train: .*thesis.txt/)]]);
  });
});

describe('the folder of an earlier run', () => {
  it('is refused with three ways out, and kept', async () => {
    await trainInto(out);
    const before = await read(out);
    const wayOut =
      /already holds a run; there are three ways out: resume it \(.*\), name another folder, or overwrite it \(--overwrite, /;
    await expect(trainInto(out)).rejects.toThrow(wayOut);
    const err = vi.spyOn(console, 'error').mockImplementation(() => {});
    await main(['node', 'deepend', 'train', '--model', 'book/lenet', '--out', out]);
    expect(err.mock.calls).toEqual([[expect.stringMatching(wayOut)]]);
    expect(await read(out)).toEqual(before);
  });

  it('is cleared on request, except for files that deepend did not write', async () => {
    await trainInto(out, {}, { numEpochs: 3 });
    const own = ['notes.txt', 'model/notes.txt', 'exports/thesis.txt', 'checkpoints/best.pth'];
    for (const name of own) await fs.outputFile(at(name), 'mine');
    await fs.outputFile(at('exports', 'model.onnx'), 'old');
    await fs.outputFile(at('report.html'), 'old');
    await trainInto(out, { overwrite: true, checkpoints: false });
    for (const name of own) expect(await fs.readFile(at(name), 'utf8'), name).toBe('mine');
    expect(await fs.readdir(at('checkpoints'))).toEqual(['best.pth']);
    expect(await fs.readdir(at('exports'))).toEqual(['thesis.txt']);
    expect(await fs.pathExists(at('report.html'))).toBe(false);
  });

  it('is used again when that run saved nothing', async () => {
    const fails = { onStep: () => Promise.reject(new Error('the first step failed')) };
    await expect(trainInto(out, {}, { callbacks: [fails] })).rejects.toThrow(/first step/);
    await trainInto(out);
    expect(await fs.pathExists(at('result.json'))).toBe(true);
  });

  it('is resumed without a question', async () => {
    const net = linearNet();
    const options = { numEpochs: 1, lr: 0.1, progress: false };
    const again = { ...options, numEpochs: 2, resume: out };
    await train(net, fakeLoader(6, 3), null, { ...options, callbacks: [saveRun(out)] });
    const callbacks = [saveRun(out)];
    const { history } = await train(net, fakeLoader(6, 3), null, { ...again, callbacks });
    expect(history).toHaveLength(2);
  });
});

describe('the end of a run', () => {
  it('saves model and result although no picture can be drawn', async () => {
    vi.spyOn(Figure.prototype, 'save').mockRejectedValue(new Error('no sharp here'));
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await trainInto(out);
    expect((await fs.readdir(out)).sort()).toEqual([
      'architecture.json',
      'checkpoints',
      'config.json',
      'history.jsonl',
      'model',
      'result.json',
      'steps.jsonl',
    ]);
    expect(warn.mock.calls.flat()).toEqual([
      expect.stringMatching(/the run is saved, but .*curves.svg could not be drawn: no sharp here/),
      expect.stringMatching(/curves.png/),
    ]);
  });
});

describe('two runs in one folder', () => {
  const lock = () => at('.deepend.lock');

  it('in one process: the second is refused, and the first is not disturbed', async () => {
    let second: Promise<unknown> = Promise.resolve();
    const starts = {
      onTrainBegin: async () => {
        second = trainInto(out, { overwrite: true });
        await expect(second).rejects.toThrow(/this process already trains into it/);
      },
    };
    await trainInto(out, {}, { callbacks: [starts] });
    expect(await fs.readFile(at('steps.jsonl'), 'utf8')).not.toContain('failed');
    expect(await fs.pathExists(lock())).toBe(false);
  });

  if (isFull)
    it('in two processes: the second is refused; a crash leaves no lock that blocks', async () => {
      const program = await buildProgram('test/deepend/interrupted.ts');
      const child = spawn(process.execPath, [program.file, out], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.on('close', resolve));
      for await (const chunk of child.stdout
        .setEncoding('utf8')
        .iterator({ destroyOnReturn: false }))
        if (/^step$/m.test(chunk)) break;
      child.stdout.resume();
      const config = await fs.readFile(at('config.json'));
      await expect(trainInto(out, { overwrite: true })).rejects.toThrow(
        new RegExp(
          `process ${child.pid} is training into this folder; wait until it has ended, or`,
        ),
      );
      expect(await fs.readFile(at('config.json'))).toEqual(config);
      child.kill('SIGKILL');
      await ended;
      await program.remove();
      expect(await fs.pathExists(lock())).toBe(true);
      await trainInto(out, { overwrite: true });
      expect(await fs.pathExists(lock())).toBe(false);
    }, 120_000);

  it.each([
    ['of another process with this id, as after the restart of a container', { pid: process.pid }],
    ['of a process that has ended', { pid: 2 ** 22 + 1 }],
    ['that is damaged and old', undefined],
    ['of another machine that crashed', { pid: 1, host: 'elsewhere' }],
  ])('takes over a lock %s', async (_, content) => {
    await fs.outputFile(lock(), 'damaged');
    if (content) {
      const { host, processes } = await ownPlace();
      await fs.writeJson(lock(), { host, processes, started: '1', ...content });
    }
    const old = new Date(Date.now() - 200_000);
    await fs.utimes(lock(), old, old);
    await trainInto(out);
    expect(await fs.pathExists(lock())).toBe(false);
  });

  it('keeps a fresh lock of another machine', async () => {
    await fs.outputJson(lock(), { pid: 7, host: 'elsewhere' });
    await expect(trainInto(out)).rejects.toThrow(/process 7 on elsewhere is training/);
    expect(await fs.readdir(out)).toEqual(['.deepend.lock']);
  });

  /** What a lock of this process says. */
  async function ownPlace(): Promise<{ host: string; processes: string | null }> {
    const folder = path.join(dir, `place-${count++}`);
    let found = { host: '', processes: null };
    const reads = {
      onStep: async () => {
        found = await fs.readJson(path.join(folder, '.deepend.lock'));
      },
    };
    await trainInto(folder, {}, { callbacks: [reads] });
    return found;
  }
});

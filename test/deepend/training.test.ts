/** `deepend train` and what can be done with its runs, from the sources. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { loadFashionMnist } from '@deepend/data';
import { runs } from 'deepend';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collectOutput } from '../helpers/command-output';
import { isFull, rowsOf } from '../helpers/full';
import { buildProgram } from '../helpers/program';

const absent = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
const { out, err } = collectOutput();
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const deepend = (line: string) => main(['node', 'deepend', ...line.split(' ').filter(Boolean)]);
const SMALL = '--model book/lenet --batch-size 32 --train 320 --test 64 --lr 0.1 --device simd';
const history = async (folder: string) =>
  (await fs.readFile(path.join(folder, 'history.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe.skipIf(absent)(`deepend train (${absent ?? 'real data'})`, () => {
  it("fills a run's directory", async () => {
    const run = path.join(dir, 'run');
    await deepend(
      `train ${SMALL} --epochs 2 --optimizer adam --augment flip,crop --tensor-board --out ${run}`,
    );
    expect(err).toEqual([]);
    expect((await fs.readdir(run)).sort()).toEqual([
      'architecture.json',
      'checkpoints',
      'config.json',
      'curves.png',
      'curves.svg',
      'history.jsonl',
      'model',
      'result.json',
      'steps.jsonl',
      'tensorboard',
    ]);
    const config = await fs.readJson(path.join(run, 'config.json'));
    expect(config).toMatchObject({
      model: 'book/lenet',
      backend: 'simd',
      seed: 0,
      batchSize: 32,
      numSamples: 320,
      settings: { optimizer: 'adam', augment: 'flip,crop' },
    });
    expect(config.versions.node).toBe(process.version);
    expect(await history(run)).toHaveLength(2);
    expect(out.at(-1)).toBe(`the run is in ${run}`);
  });

  it('resumes, and says when there is nothing to resume', async () => {
    const [whole, parts] = [path.join(dir, 'whole'), path.join(dir, 'parts')];
    await deepend(`train ${SMALL} --epochs 3 --momentum 0.9 --out ${whole} --json`);
    expect(out.map((line) => JSON.parse(line).epoch)).toEqual([1, 2, 3]);
    await deepend(`train ${SMALL} --epochs 2 --momentum 0.9 --out ${parts}`);
    await deepend(`resume ${parts} --epochs 3`);
    const losses = async (folder: string) =>
      (await history(folder)).map(({ loss, testAcc }) => [loss, testAcc]);
    expect(await losses(parts)).toEqual(await losses(whole));
    const [resumed, uninterrupted] = await Promise.all(
      [parts, whole].map((folder) => fs.readFile(path.join(folder, 'model', 'weights.bin'))),
    );
    expect(resumed?.equals(uninterrupted as Buffer)).toBe(true);
    out.length = 0;
    await deepend(`resume ${whole}`);
    expect(out).toEqual([`${whole} has finished all 3 epochs; use --epochs for more`]);
    expect(process.exitCode ?? 0).toBe(0);
  });

  it('starts from the beginning where there is no checkpoint yet', async () => {
    const run = path.join(dir, 'early');
    await deepend(`train ${SMALL} --epochs 1 --out ${run}`);
    await fs.remove(path.join(run, 'checkpoints'));
    await fs.remove(path.join(run, 'result.json'));
    await deepend(`resume ${run}`);
    expect(err).toEqual([]);
    expect(await history(run)).toHaveLength(1);
  });

  it('takes a recipe, and flags before it', async () => {
    const recipe = path.join(dir, 'recipe.json');
    await fs.writeJson(recipe, {
      model: 'cifar/resnet20',
      modelOptions: { blockOrder: 'full-pre-activation' },
      train: 64,
      test: 32,
      batchSize: 16,
      epochs: 5,
      lr: 0.1,
    });
    const run = path.join(dir, 'recipe');
    await deepend(
      `train --config ${recipe} --epochs 1 --model-option squeezeRatio=4 --device simd --out ${run}`,
    );
    expect(err).toEqual([]);
    const { settings } = await fs.readJson(path.join(run, 'config.json'));
    expect(settings).toMatchObject({ epochs: 1, lr: 0.1, modelOptions: { squeezeRatio: 4 } });
  });

  const MARKED = [
    ['UTF-8', Buffer.from('\uFEFF{ "model": "book/lenet", "epochs": 1 }')],
    ['UTF-16', Buffer.from('\uFEFF{ "model": "book/lenet", "epochs": 1 }', 'utf16le')],
  ] as const;
  it.each(rowsOf(MARKED, ([encoding]) => encoding === 'UTF-16'))(
    'takes a recipe with a byte order mark: %s',
    async (_, bytes) => {
      const recipe = path.join(dir, 'marked.json');
      const run = path.join(dir, 'marked');
      await fs.writeFile(recipe, bytes);
      await deepend(`train --config ${recipe} ${SMALL} --out ${run} --overwrite`);
      expect(err).toEqual([]);
      expect(await history(run)).toHaveLength(1);
    },
  );

  it('stores the folder of the data as an absolute path', async () => {
    const run = path.join(dir, 'rooted');
    const found = '/usr/share/datasets/fashion-mnist';
    const root = (await fs.pathExists(found)) ? path.relative('.', found) : 'data';
    await deepend(`train ${SMALL} --epochs 1 --root ${root} --out ${run}`);
    if (err.length > 0) return; // the data is in another folder here
    const { settings } = await fs.readJson(path.join(run, 'config.json'));
    expect(settings.root).toBe(path.resolve(root));
  });

  if (isFull)
    it('trains to the end when the reader of its output ends', async () => {
      const run = path.join(dir, 'piped');
      const program = await buildProgram('test/deepend/dashboard-run.ts');
      const command = `"${process.execPath}" "${program.file}" train ${SMALL} --epochs 3`;
      const { stdout, stderr } = await promisify(execFile)('sh', [
        '-c',
        `${command} --json --out ${run} | head -1`,
      ]);
      await program.remove();
      expect([stdout.split('\n').length, stderr]).toEqual([2, '']);
      // The shell waits for `head` and for the training.
      expect(await history(run)).toHaveLength(3);
      expect(await fs.pathExists(path.join(run, 'result.json'))).toBe(true);
    });

  it('evaluates, predicts and plots a run', async () => {
    const run = path.join(dir, 'used');
    await deepend(`train ${SMALL} --epochs 1 --out ${run}`);
    out.length = 0;
    await deepend(`evaluate ${run} --json`);
    const evaluation = JSON.parse(out.at(-1) as string);
    expect(evaluation.numSamples).toBe(64);
    expect(evaluation.accuracy).toBeCloseTo((await history(run))[0].testAcc, 6);
    const image = path.join(dir, 'shirt.png');
    await sharp(Buffer.alloc(40 * 30 * 3, 200), { raw: { width: 40, height: 30, channels: 3 } })
      .png()
      .toFile(image);
    await deepend(`predict ${image} --run ${run} --top 2 --json`);
    const { classes } = JSON.parse(out.at(-1) as string);
    expect(classes).toHaveLength(2);
    expect(classes[0].probability).toBeGreaterThanOrEqual(classes[1].probability);
    const picture = path.join(dir, 'compared.svg');
    await deepend(`plot ${run} ${run} --what loss --out ${picture}`);
    expect(await fs.readFile(picture, 'utf8')).toContain('<svg');
    expect(err).toEqual([]);
  });

  it('verifies a set', async () => {
    await deepend('data verify fashion-mnist');
    expect(out.at(-1)).toMatch(
      /^fashion-mnist: valid, 60000 training and 10000 test images of \[28, 28, 1\]/,
    );
  });
});

describe('what is wrong', () => {
  const cases: [string, string, RegExp][] = [
    ['no model', 'train --out x', /name a model: --model book\/resnet18/],
    ['no folder', 'train --model book/lenet', /required option '--out <folder>' not specified/],
    [
      'a flag that does not exist',
      'train --model book/lenet --out x --learning-rate 1',
      /unknown option '--learning-rate'/,
    ],
    [
      'a rate that is none',
      'train --model book/lenet --out x --lr fast',
      /option '--lr <rate>' argument 'fast' is invalid. expected a number above 0$/,
    ],
    ...['--epochs=x', '--epochs=1.5', '--epochs=', '--lr=0', '--momentum=1', '--seed=1e99'].map(
      (flag): [string, string, RegExp] => [
        `no number for its flag: ${flag}`,
        `train --model book/lenet --out x ${flag}`,
        new RegExp(`^deepend: option '${flag.split('=')[0]} .* is invalid. expected an? [^N]*$`),
      ],
    ),
    [
      'no number of epochs to resume for',
      'resume x --epochs many',
      /option '--epochs <number>' argument 'many' is invalid. expected an integer of at least 1$/,
    ],
    ...['train --model book/lenet --out x --device gpu', 'devices cuda'].map(
      (line): [string, string, RegExp] => [
        `a word for a GPU: ${line}`,
        line,
        /got '(gpu|cuda)'; did you mean 'cuda:0', 'webgpu:0' or 'auto'\?$/,
      ],
    ),
    ...['gpu', 'cuda', 'simd,gpu', 'simd,cuda', 'simd,auto,mps'].map(
      (list): [string, string, RegExp] => [
        `a word for a GPU: --devices ${list}`,
        `train --model book/lenet --out x --devices ${list}`,
        list.includes('auto')
          ? /devices: expected one of .*'all', got 'auto'/
          : /got '(gpu|cuda)'; did you mean 'cuda:0', 'webgpu:0' or 'all'\?$/,
      ],
    ),
    [
      'a schedule that does not exist',
      'train --model book/lenet --out x --schedule exp',
      /option "schedule" must be one of 'constant'/,
    ],
    [
      'a recipe that is not there',
      'train --config nowhere.json --out x',
      /nowhere.json: cannot be read/,
    ],
    ...['resume nowhere', 'evaluate nowhere', 'predict x --run nowhere', 'plot nowhere'].map(
      (line): [string, string, RegExp] => [
        `a run that is not there: ${line}`,
        line,
        /: there is no folder nowhere; expected the folder of a run, as deepend train or saveRun/,
      ],
    ),
    ['a folder without a run', 'resume test', /test has no config.json; expected the folder of a/],
    ['a misspelled run', 'resume test/deepemd', /did you mean 'test\/deepend'\?$/],
    [
      'half a model option',
      'train --model book/lenet --out x --model-option stem',
      /expected key=value, got 'stem'/,
    ],
    ...['abc', '0', '1.5', '-1', 'NaN'].map((top): [string, string, RegExp] => [
      `no number of classes: ${top}`,
      `predict x.png --run x --top=${top}`,
      /option '--top <classes>' argument '.*' is invalid. expected an integer of at least 1/,
    ]),
    [
      'no batch size',
      'evaluate x --batch-size abc',
      /option '--batch-size <images>' argument 'abc' is invalid/,
    ],
    [
      'no number of samples',
      'report x --samples abc',
      /option '--samples <number>' argument 'abc' is invalid. expected an integer of at least 0/,
    ],
    ['a set that does not exist', 'data verify fashionmnist', /fashion-mnist/],
  ];
  it.each(cases)('%s', async (_, line, message) => {
    await deepend(line);
    expect(process.exitCode).toBe(1);
    expect(err).toHaveLength(1);
    expect(err[0]).toMatch(message);
    expect(err[0]?.split('\n')).toHaveLength(1);
  });

  it('shows the stack when asked', async () => {
    await deepend('--verbose resume nowhere');
    expect(err).toHaveLength(2);
    expect(err[1]).toMatch(/\n +at /);
  });

  it('a setting of a recipe that does not exist', () => {
    expect(() => runs.settingsFrom('recipe', { model: 'book/lenet', batchsize: 3 })).toThrow(
      /there is no option "batchsize"; did you mean "batchSize"/,
    );
  });
});

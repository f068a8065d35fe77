/**
 * `deepend export`, predictions and histories as files, read back by their consumers. That nets
 * come through whole: test/models/export-*.test.ts.
 */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  book,
  datasets,
  type EpochRecord,
  exportOnnx,
  exportSafetensors,
  exportTensorBoard,
  loadModel,
  predict,
  runs,
  saveModel,
} from 'deepend';
import { main } from 'deepend/cli';
import fc from 'fast-check';
import { unzipSync } from 'fflate';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { pythonAbsent } from '../helpers/python';

const CLASS_NAMES = ['bag, "large"', 'coat\nor so', '上着'];

let dir: string;
const at = (...names: string[]) => path.join(dir, ...names);
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  datasets.registerDataset({
    id: 'tiny-exports',
    load: async () => ({ train: half(50, 'train'), test: half(30, 'test') }),
  });
  const told = [
    '--model',
    'book/mlp',
    '--data',
    'tiny-exports',
    '--epochs',
    '2',
    '--batch-size',
    '8',
    '--device',
    'cpu-js',
    '--workers',
    '0',
  ];
  await deepend('train', ...told, '--json', '--out', at('run'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => fs.remove(dir));

/** 6 × 5 images whose class shows in their brightness, one of them wrong. */
function half(count: number, name: string) {
  const images = Uint8Array.from(
    mix(count * 30, name),
    (value, i) => (200 * ((Math.floor(i / 30) % 3) + value)) / 3,
  );
  const labels = Uint8Array.from({ length: count }, (_, i) => (i === 7 ? 0 : i % 3));
  return datasets.arrayDataset({ images, labels, imageShape: [6, 5, 1], classNames: CLASS_NAMES });
}

async function deepend(
  ...args: string[]
): Promise<{ out: string; err: string; code: number | string | undefined }> {
  const [out, err] = [[], []] as [string[], string[]];
  vi.spyOn(console, 'log').mockImplementation((line) => void out.push(String(line)));
  vi.spyOn(console, 'error').mockImplementation((line) => void err.push(String(line)));
  vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
  await main(['node', 'deepend', ...args]);
  const code = process.exitCode;
  process.exitCode = 0;
  vi.restoreAllMocks();
  return { out: out.join('\n'), err: err.join('\n'), code };
}

const historyOf = async (): Promise<EpochRecord[]> =>
  (await fs.readFile(at('run', 'history.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

async function python(script: string, file: string): Promise<unknown> {
  return JSON.parse(
    (await promisify(execFile)('python3', [path.join(import.meta.dirname, script), file])).stdout,
  );
}

const noCsv = pythonAbsent(['csv']);
const noTensorBoard = pythonAbsent(['tensorboard']);
const title = (name: string, why: string | undefined) => (why ? `${name} (skipped: ${why})` : name);

describe('deepend export', () => {
  it('writes the net in the format asked for, into the folder exports', async () => {
    const { out, err, code } = await deepend('export', at('run'), '--to', 'onnx');
    expect({ out, err, code }).toEqual({
      out: `using the final model (model/)\nthe model for ONNX Runtime: ${at('run', 'exports', 'model.onnx')}`,
      err: '',
      code: 0,
    });
    const net = await loadModel(at('run', 'model'));
    await exportOnnx(net, at('same.onnx'), { classNames: CLASS_NAMES });
    expect(await fs.readFile(at('run', 'exports', 'model.onnx'))).toEqual(
      await fs.readFile(at('same.onnx')),
    );
    await exportSafetensors(net, at('same.safetensors'), { classNames: CLASS_NAMES });
    await deepend(
      'export',
      at('run'),
      '--to',
      'safetensors',
      '--out',
      at('elsewhere', 'mlp.safetensors'),
    );
    expect(await fs.readFile(at('elsewhere', 'mlp.safetensors'))).toEqual(
      await fs.readFile(at('same.safetensors')),
    );
  });

  it('says for machines what it wrote', async () => {
    const { out } = await deepend('export', at('run'), '--to', 'keras', '--json');
    const file = at('run', 'exports', 'model.keras');
    expect(JSON.parse(out)).toEqual({ to: 'keras', out: file, bytes: (await fs.stat(file)).size });
    expect(Object.keys(unzipSync(await fs.readFile(file)))).toContain('model.weights.h5');
    const folder = JSON.parse((await deepend('export', at('run'), '--to', 'tfjs', '--json')).out);
    const sizes = (await fs.readdir(folder.out)).map(
      (name) => fs.statSync(path.join(folder.out, name)).size,
    );
    expect(folder).toEqual({
      to: 'tfjs',
      out: at('run', 'exports', 'tfjs'),
      bytes: sizes.reduce((a, b) => a + b),
    });
    const { format, userDefinedMetadata } = await fs.readJson(path.join(folder.out, 'model.json'));
    expect([format, userDefinedMetadata]).toEqual(['layers-model', { classNames: CLASS_NAMES }]);
    await deepend('export', at('run'), '--to', 'tfjs-graph');
    expect((await fs.readJson(at('run', 'exports', 'tfjs-graph', 'model.json'))).format).toBe(
      'graph-model',
    );
  });

  it('takes the folder of a saved net', async () => {
    const { err } = await deepend(
      'export',
      at('run', 'model'),
      '--to',
      'safetensors',
      '--out',
      at('of-net'),
    );
    expect([err, await fs.pathExists(at('of-net'))]).toEqual(['', true]);
  });

  it('writes the history as JSON lists and lines', async () => {
    const history = await historyOf();
    expect(history).toHaveLength(2);
    await deepend('export', at('run'), '--to', 'json');
    expect(await fs.readJson(at('run', 'exports', 'history.json'))).toEqual(history);
    await deepend('export', at('run'), '--to', 'jsonl', '--out', at('copy.jsonl'));
    expect(await fs.readFile(at('copy.jsonl'), 'utf8')).toBe(
      await fs.readFile(at('run', 'history.jsonl'), 'utf8'),
    );
  });

  it.skipIf(noCsv)(title("writes the history as Python's csv reads it", noCsv), async () => {
    await deepend('export', at('run'), '--to', 'csv');
    const lines = (await python('csv-read.py', at('run', 'exports', 'history.csv'))) as Record<
      string,
      string
    >[];
    const numbers = lines.map((line) =>
      Object.fromEntries(Object.entries(line).map(([key, text]) => [key, Number(text)])),
    );
    expect(numbers).toEqual(await historyOf());
  });

  it.skipIf(noTensorBoard)(
    title('writes the history as TensorBoard reads it', noTensorBoard),
    async () => {
      await deepend('export', at('run'), '--to', 'tensorboard');
      await deepend('export', at('run'), '--to', 'tensorboard'); // takes the first one's place
      const folder = at('run', 'exports', 'tensorboard');
      expect(await fs.readdir(folder)).toHaveLength(1);
      const scalars = (await python('../trainer/tensorboard-read.py', folder)) as Record<
        string,
        [number, number][]
      >;
      const [first, second] = (await historyOf()) as [EpochRecord, EpochRecord];
      const over = (key: 'loss' | 'testAcc') => [
        [7, Math.fround(first[key] as number)],
        [14, Math.fround(second[key] as number)],
      ];
      expect(scalars['train/loss']).toEqual(over('loss')); // 50 samples in batches of 8: 7 steps
      expect(scalars['test/accuracy']).toEqual(over('testAcc'));
    },
  );

  it.skipIf(noCsv)(title("writes predictions as Python's csv reads them", noCsv), async () => {
    await deepend('export', at('run'), '--to', 'predictions', '--probabilities', '--json');
    const lines = (await python('csv-read.py', at('run', 'exports', 'predictions.csv'))) as Record<
      string,
      string
    >[];
    expect(Object.keys(lines[0] ?? {})).toEqual([
      'index',
      'truth',
      'predicted',
      'truthName',
      'predictedName',
      'right',
      'probability',
      'loss',
      'p.0',
      'p.1',
      'p.2',
    ]);
    expect(lines.map(({ index }) => Number(index))).toEqual(
      Array.from({ length: 30 }, (_, i) => i),
    );
    expect(lines.map(({ truth }) => Number(truth))).toEqual(
      Array.from({ length: 30 }, (_, i) => (i === 7 ? 0 : i % 3)),
    );
    for (const line of lines) {
      expect(line.truthName).toBe(CLASS_NAMES[Number(line.truth)]);
      const shares = [0, 1, 2].map((i) => Number(line[`p.${i}`]));
      expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(Number(line.probability)).toBe(Math.max(...shares));
      expect(Number(line.predicted)).toBe(shares.indexOf(Math.max(...shares)));
      expect(Number(line.loss)).toBeCloseTo(-Math.log(shares[Number(line.truth)] as number), 5);
      expect(line.right).toBe(String(line.truth === line.predicted));
    }
    const { accuracy, loss } = JSON.parse((await deepend('evaluate', at('run'), '--json')).out);
    expect(lines.filter(({ right }) => right === 'true').length / 30).toBeCloseTo(accuracy, 6);
    expect(lines.reduce((sum, line) => sum + Number(line.loss), 0) / 30).toBeCloseTo(loss, 5);
  });

  const WRONG: [title: string, args: () => string[], message: RegExp][] = [
    [
      'a format that is none',
      () => [at('run'), '--to', 'onx'],
      /^deepend: --to: there is no format 'onx'; did you mean 'onnx'\?$/,
    ],
    [
      'a folder that is none',
      () => [at('nowhere'), '--to', 'onnx'],
      /nowhere: expected the folder of a run \(config\.json\) or of a saved model \(model\.json\), found neither/,
    ],
    [
      'the history of a net',
      () => [at('run', 'model'), '--to', 'csv'],
      /expected the folder of a run, which has a history and a test set, got a saved model/,
    ],
    [
      'lines in the place of lines',
      () => [at('run'), '--to', 'jsonl'],
      /--to jsonl: the run already has this file, .*history\.jsonl; name another file with --out/,
    ],
    [
      'a run without a model',
      () => [at('begun'), '--to', 'onnx'],
      /begun: the run has saved neither a model nor a checkpoint yet; npx deepend resume/,
    ],
    [
      'a run without an epoch',
      () => [at('begun'), '--to', 'csv'],
      /begun\/history\.jsonl: has no epoch yet; npx deepend resume/,
    ],
    [
      'a net that the format cannot hold',
      () => [at('odd'), '--to', 'keras'],
      /\[export\] exportKeras: layer 'odd' \(Dense\): expected an activation/,
    ],
    ['no format', () => [at('run')], /required option '--to <format>' not specified/],
  ];

  it.each(WRONG)('refuses %s, and writes nothing', async (_, args, message) => {
    await fs.outputJson(at('begun', 'config.json'), { model: 'book/mlp' });
    const odd = tfl.sequential({
      layers: [
        tfl.layers.dense({ units: 2, activation: 'hardSigmoid', name: 'odd', inputShape: [2] }),
      ],
    });
    await saveModel(odd, at('odd'));
    const { out, err, code } = await deepend('export', ...args());
    expect([out, code]).toEqual(['', 1]);
    expect(err).toMatch(message);
    for (const folder of ['begun', 'odd', 'nowhere'])
      expect(await fs.pathExists(at(folder, 'exports'))).toBe(false);
  });
});

describe('predictionsToCsv', () => {
  it('takes soft labels and classes without names, and leaves no tensor behind', async () => {
    const net = linearNet();
    await expectNoLeak(() => runs.predictionsToCsv(net, fakeLoader(7, 3)));
    const [head, ...lines] = (await runs.predictionsToCsv(net, fakeLoader(7, 3, { soft: true })))
      .trimEnd()
      .split('\n');
    expect(head).toBe('index,truth,predicted,right,probability,loss');
    expect(lines).toEqual(
      (await runs.predictionsToCsv(net, fakeLoader(7, 3))).trimEnd().split('\n').slice(1),
    );
  });

  it('calls what predict gives', async () => {
    const net = linearNet();
    const lines = (await runs.predictionsToCsv(net, fakeLoader(6, 6)))
      .trimEnd()
      .split('\n')
      .slice(1);
    for await (const { features, labels } of fakeLoader(6, 6)) {
      const logits = await predict(net, features);
      const classes = tf.argMax(logits, 1);
      expect(lines.map((line) => Number(line.split(',')[2]))).toEqual([...(await classes.data())]);
      tf.dispose([features, labels, logits, classes]);
    }
    await expect(
      runs.predictionsToCsv(net, fakeLoader(6, 6), { probability: true } as never),
    ).rejects.toThrow(/there is no option "probability"; did you mean "probabilities"\?/);
  });
});

describe('histories as text', () => {
  it('have a column for all that any record has', () => {
    const matrix = [
      [1, 2],
      [3, 4],
    ];
    const history = [
      { epoch: 1, metrics: { top5: 0.5, matrix } },
      {
        epoch: 2,
        extra: 'x',
        metrics: { top5: Number.POSITIVE_INFINITY, spread: Float32Array.of(0.5, 2) },
      },
    ];
    expect(runs.toCsv(history)).toBe(
      'epoch,metrics.top5,metrics.matrix,extra,metrics.spread\n1,0.5,"[[1,2],[3,4]]",,\n2,Infinity,,x,"[0.5,2]"\n',
    );
    expect(runs.toCsv([])).toBe('');
    expect(JSON.parse(runs.toJson(history.slice(0, 1)))).toEqual(history.slice(0, 1));
    expect(JSON.parse(runs.toJson([]))).toEqual([]);
    expect(JSON.parse(runs.toJson([{ loss: Number.NaN }]))).toEqual([{ loss: null }]);
  });

  it.skipIf(noCsv)(
    title("come back from Python's csv, whatever texts they hold", noCsv),
    async () => {
      const text = fc
        .string({ unit: 'grapheme', maxLength: 12 })
        .map((value) => `${value}\n",${value}`);
      const records = fc.sample(
        fc.record({ a: fc.oneof(text, fc.string()), b: fc.double({ noNaN: true }) }),
        {
          seed: 5,
          numRuns: 200,
        },
      );
      const given = [...records, { a: ' x\r\n"', b: -0.1 }];
      await fs.writeFile(at('texts.csv'), runs.toCsv(given));
      expect(await python('csv-read.py', at('texts.csv'))).toEqual(
        given.map(({ a, b }) => ({ a, b: String(b) })),
      );
    },
  );
});

describe('exportTensorBoard', () => {
  it('refuses a history without an epoch, and a place that is none', async () => {
    const epoch = {
      epoch: 1,
      loss: 1,
      trainAcc: 1,
      testAcc: null,
      testLoss: null,
      lr: 1,
      seconds: Number.NaN,
      samplesPerSecond: 1,
      samplesPerSecondWithLoading: 1,
    };
    await expect(exportTensorBoard([], at('board'))).rejects.toThrow(
      /expected a history of at least one epoch, got none/,
    );
    await expect(exportTensorBoard([epoch], '')).rejects.toThrow(
      /expected the name of a folder, got ''/,
    );
    await expect(exportTensorBoard([epoch], at('board'), { stepsPerEpoch: 0 })).rejects.toThrow(
      /option "stepsPerEpoch" must be an integer of at least 1/,
    );
    expect(await fs.pathExists(at('board'))).toBe(false);
    const file = await exportTensorBoard([epoch], at('board'), { endedAt: new Date(5000) });
    expect(await fs.readdir(at('board'))).toEqual([path.basename(file)]);
  });
});

it('a net of the book is exported from the umbrella', async () => {
  await exportSafetensors(book.lenet(), at('lenet.safetensors'));
  expect((await fs.stat(at('lenet.safetensors'))).size).toBeGreaterThan(4 * 61_706);
});

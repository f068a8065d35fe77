/**
 * PyTorch loads what exportSafetensors writes into torchvision's own nets, strictly, and gives the
 * same logits.
 */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { exportSafetensors } from '@deepend/export';
import {
  book,
  createModel,
  loadWeights,
  readSafetensorsHeader,
  saveWeights,
} from '@deepend/models';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { type Expected, expectedOf, expectLogits } from '../helpers/export-nets';
import { fillNet } from '../helpers/fill';
import { expectNoLeak } from '../helpers/leaks';
import { pythonAbsent } from '../helpers/python';

const SCRIPT = path.join(import.meta.dirname, 'torchvision-read.py');
const IDS = ['resnet18', 'resnext50_32x4d', 'densenet121', 'mobilenet_v2'];
const numClasses = 5;

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/** Why PyTorch cannot be asked here. */
const absent = pythonAbsent(
  ['torch', 'torchvision', 'safetensors'],
  'pip install torch torchvision safetensors',
);

describe(`torchvision${absent ? ` (skipped: ${absent})` : ''}`, () => {
  const expected = new Map<string, Expected>();
  let answers: Record<string, { logits: number[]; metadata: Record<string, string> }>;

  beforeAll(async () => {
    if (absent) return;
    const cases = [];
    for (const id of IDS) {
      const net = createModel(id, { inputShape: [64, 64, 3], numClasses, init: 'xavier-uniform' });
      fillNet(net);
      const { shape, images, logits } = await expectedOf(net, id);
      expected.set(id, { shape, images, logits });
      await fs.writeFile(at(`${id}.f32`), images);
      await exportSafetensors(net, at(id), { classNames: ['a', 'b', 'c', 'd', 'é'] });
      cases.push({ id, file: at(id), images: at(`${id}.f32`), shape, numClasses });
      net.dispose();
    }
    await fs.writeJson(at('cases.json'), cases);
    answers = JSON.parse((await promisify(execFile)('python3', [SCRIPT, at('cases.json')])).stdout);
  }, 300_000);

  it.skipIf(absent).each(IDS)('gives the logits of %s, and its metadata', (id) => {
    const { logits, metadata } = answers[id] as (typeof answers)[string];
    expectLogits(logits, (expected.get(id) as Expected).logits);
    const about = {
      format: 'pt',
      model: id,
      inputShape: '[64,64,3]',
      classNames: '["a","b","c","d","é"]',
    };
    expect(metadata).toEqual({ ...about, producer: expect.stringMatching(/^deepend \d/) });
  });
});

describe('exportSafetensors', () => {
  const lenet = () => book.lenet({ inputShape: [28, 28, 1], seed: 4 });

  it('writes the weights that saveWeights writes, and loadWeights reads them', async () => {
    const net = lenet();
    await exportSafetensors(net, at('exported'), { metadata: { notes: 'mine' } });
    await saveWeights(net, at('saved'));
    const headers = await Promise.all([at('exported'), at('saved')].map(readSafetensorsHeader));
    expect(headers[0]?.tensors).toEqual(headers[1]?.tensors);
    expect(headers[0]?.metadata).toMatchObject({ notes: 'mine', model: 'book/lenet' });
    const [ours, theirs] = await Promise.all(
      [at('exported'), at('saved')].map((file) => fs.readFile(file)),
    );
    const bytes = 4 * net.countParams();
    expect(ours?.subarray(-bytes).equals(theirs?.subarray(-bytes) as Buffer)).toBe(true);
    expect((await loadWeights(lenet(), at('exported'))).leftOver).toEqual([]);
  });

  it('refuses a layer without a counterpart by its name, and writes nothing', async () => {
    const net = tfl.sequential({
      layers: [
        tfl.layers.separableConv2d({
          filters: 2,
          kernelSize: 1,
          name: 'odd',
          inputShape: [4, 4, 2],
        }),
      ],
    });
    const message =
      /\[export\] exportSafetensors: layer 'odd' \(SeparableConv2D\): expected weights of Conv2D/;
    await expect(exportSafetensors(net, at('no/net'))).rejects.toThrow(message);
    expect(await fs.pathExists(at('no'))).toBe(false);
    const wrong = exportSafetensors(lenet(), at('no/net'), { metadata: { epochs: 3 } as never });
    await expect(wrong).rejects.toThrow(/option "metadata" must be an object of strings/);
  });

  it('leaves no tensor behind', async () => {
    const net = lenet();
    await expectNoLeak(() => exportSafetensors(net, at('leak')));
  });
});

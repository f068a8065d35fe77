/** Keras 3 reads what exportKeras writes, and gives the same logits. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { exportKeras } from '@deepend/export';
import * as tfl from '@tensorflow/tfjs-layers';
import { unzipSync } from 'fflate';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { EXPORT_NETS, expectedOf, expectLogits } from '../helpers/export-nets';
import { expectNoLeak } from '../helpers/leaks';
import { pythonAbsent } from '../helpers/python';

const SCRIPT = path.join(import.meta.dirname, 'keras-read.py');

let dir: string;
const at = (name: string) => path.join(dir, name);
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

/** Why Keras cannot be asked here. */
const absent = pythonAbsent(['keras', 'tensorflow']);

describe(`Keras${absent ? ` (skipped: ${absent})` : ''}`, () => {
  const expected = new Map<string, readonly number[]>();
  let answers: Record<string, number[]>;

  // One process for all files: TensorFlow takes seconds to load.
  beforeAll(async () => {
    if (absent) return;
    const cases = [];
    for (const [i, { name, make }] of EXPORT_NETS.entries()) {
      const net = make();
      const { shape, images, logits } = await expectedOf(net, name);
      expected.set(name, logits);
      await fs.writeFile(at(`${i}.f32`), images);
      await exportKeras(net, at(`${i}.keras`));
      cases.push({ name, file: at(`${i}.keras`), images: at(`${i}.f32`), shape });
      net.dispose();
    }
    await fs.writeJson(at('cases.json'), cases);
    const { stdout } = await promisify(execFile)('python3', [SCRIPT, at('cases.json')], {
      maxBuffer: 2 ** 26,
    });
    answers = JSON.parse(stdout.slice(stdout.lastIndexOf('\n', stdout.length - 2) + 1));
  }, 300_000);

  it.skipIf(absent).each(EXPORT_NETS)('gives the logits of $name', ({ name }) => {
    expectLogits(answers[name] as number[], expected.get(name) as readonly number[]);
  });
});

const input = () => tfl.input({ shape: [4, 4, 2], name: 'image' });
const netOf = (...layers: tfl.layers.Layer[]) => {
  const image = input();
  const outputs = layers.reduce((x, layer) => layer.apply(x) as tfl.SymbolicTensor, image);
  return tfl.model({ inputs: image, outputs, name: 'net' });
};

describe('exportKeras', () => {
  it('writes an archive of JSON, and of HDF5 as it is', async () => {
    await exportKeras(
      netOf(tfl.layers.conv2d({ filters: 3, kernelSize: 1, name: 'a.b' })),
      at('new/folder/net.keras'),
    );
    expect(await fs.readdir(at('new/folder'))).toEqual(['net.keras']);
    const files = unzipSync(await fs.readFile(at('new/folder/net.keras')));
    expect(Object.keys(files)).toEqual(['metadata.json', 'config.json', 'model.weights.h5']);
    const json = (name: string) => JSON.parse(new TextDecoder().decode(files[name]));
    expect(json('metadata.json').keras_version).toMatch(/^3\./);
    const names = json('config.json').config.layers.map(({ name }: { name: string }) => name);
    expect(names).toEqual(['image', 'a_b']); // no dots: Keras on PyTorch takes none
    expect([...(files['model.weights.h5']?.subarray(0, 8) ?? [])]).toEqual([
      0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a,
    ]);
  });

  it('gives two layers of one name two', async () => {
    await exportKeras(
      netOf(tfl.layers.reLU({ name: 'a.b' }), tfl.layers.reLU({ name: 'a/b' })),
      at('names.keras'),
    );
    const { 'config.json': config } = unzipSync(await fs.readFile(at('names.keras')));
    expect(JSON.parse(new TextDecoder().decode(config)).config.output_layers).toEqual([
      'a_b_1',
      0,
      0,
    ]);
  });

  const REFUSED: [title: string, layer: () => tfl.layers.Layer, message: RegExp][] = [
    [
      'a layer that Keras 3 has no more',
      () => tfl.layers.thresholdedReLU({ name: 'odd' }),
      /layer 'odd' \(ThresholdedReLU\): expected a layer of .*Conv2D.*; keep such a model with saveModel/,
    ],
    [
      'an activation that means something else there',
      () => tfl.layers.dense({ units: 2, activation: 'hardSigmoid', name: 'odd' }),
      /layer 'odd' \(Dense\): expected an activation that Keras 3 computes alike, .*, got 'hardSigmoid'/,
    ],
  ];

  it.each(REFUSED)('refuses %s by its name, and writes nothing', async (_, layer, message) => {
    const net = netOf(layer());
    await fs.writeFile(at('before.keras'), 'mine');
    await expect(exportKeras(net, at('before.keras'))).rejects.toThrow(message);
    await expect(exportKeras(net, at('no/folder/net.keras'))).rejects.toThrow(message);
    expect(await fs.readFile(at('before.keras'), 'utf8')).toBe('mine');
    expect(await fs.pathExists(at('no'))).toBe(false);
  });

  it('refuses a name that Keras would not read', async () => {
    const net = netOf(tfl.layers.reLU({}));
    await expect(exportKeras(net, at('net.h5'))).rejects.toThrow(
      /expected a file whose name ends in \.keras/,
    );
    await expect(exportKeras(net, undefined as never)).rejects.toThrow(
      /ends in \.keras, as Keras asks for, got undefined/,
    );
  });

  it('leaves nothing beside a file that it cannot put in its place', async () => {
    await fs.ensureDir(at('taken/net.keras/full'));
    const write = exportKeras(netOf(tfl.layers.reLU({})), at('taken/net.keras'));
    await expect(write).rejects.toThrow(
      /\[export\] exportKeras: cannot write .*net\.keras: .*choose another place/,
    );
    expect(await fs.readdir(at('taken'))).toEqual(['net.keras']);
  });

  it('leaves no tensor behind', async () => {
    const net = netOf(
      tfl.layers.conv2d({ filters: 3, kernelSize: 1 }),
      tfl.layers.batchNormalization({}),
    );
    await expectNoLeak(() => exportKeras(net, at('leak.keras')));
  });
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { book, loadModel, saveModel } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { fillNet, goldenBatch } from '../helpers/fill';

let dir: string;
const at = (...names: string[]) => path.join(dir, ...names);
const net = () => {
  const made = book.resnet8({ inputShape: [28, 28, 1], seed: 3 });
  fillNet(made);
  return made;
};
const logits = (of: tfl.LayersModel) => {
  const { features } = goldenBatch([3, 28, 28, 1], 'saved');
  return (of.predict(features) as tf.Tensor).dataSync();
};

beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

describe('saveModel and loadModel', () => {
  it('give the same net back', async () => {
    const made = net();
    await saveModel(made, at('new', 'net'));
    expect((await fs.readdir(at('new', 'net'))).sort()).toEqual(['model.json', 'weights.bin']);
    expect(await fs.readdir(at('new'))).toEqual(['net']);
    const loaded = await loadModel(at('new', 'net'));
    expect(logits(loaded)).toEqual(logits(made));
    expect(loaded.weights.map(({ originalName }) => originalName)).toEqual(
      made.weights.map(({ originalName }) => originalName),
    );
  });

  it('replace an older net and nothing else in the folder', async () => {
    await fs.outputFile(at('old', 'notes.txt'), 'mine');
    await saveModel(book.resnet8({ inputShape: [28, 28, 1] }), at('old'));
    const made = net();
    await saveModel(made, at('old'));
    expect((await fs.readdir(at('old'))).sort()).toEqual([
      'model.json',
      'notes.txt',
      'weights.bin',
    ]);
    expect(logits(await loadModel(at('old')))).toEqual(logits(made));
  });

  it('leave no tensor behind', async () => {
    const made = net();
    const before = tf.memory().numTensors;
    await saveModel(made, at('leak'));
    (await loadModel(at('leak'))).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('write what stock TensorFlow.js loads without deepend', async () => {
    const made = net();
    await saveModel(made, at('served'));
    const server = await serve(at('served'));
    try {
      const { port } = server.address() as AddressInfo;
      const loaded = await tfl.loadLayersModel(`http://127.0.0.1:${port}/model.json`);
      expect(logits(loaded)).toEqual(logits(made));
    } finally {
      server.close();
    }
  });
});

function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    fs.createReadStream(path.join(folder, path.basename(request.url ?? ''))).pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe('a folder that holds no sound net', () => {
  const broken: [string, (folder: string) => Promise<void>, RegExp][] = [
    [
      'nothing there',
      (folder) => fs.remove(folder),
      /model\.json: cannot be read \(ENOENT.*expected a folder that saveModel wrote/,
    ],
    [
      'not JSON',
      (folder) => fs.writeFile(path.join(folder, 'model.json'), '<html>'),
      /model\.json: expected a model in the layers format/,
    ],
    [
      'JSON of something else',
      (folder) => fs.writeJson(path.join(folder, 'model.json'), { a: 1 }),
      /model\.json: expected a model in the layers format/,
    ],
    [
      'JSON null',
      (folder) => fs.writeFile(path.join(folder, 'model.json'), 'null'),
      /model\.json: expected a model in the layers format/,
    ],
    [
      'no weights',
      (folder) => fs.remove(path.join(folder, 'weights.bin')),
      /weights\.bin: cannot be read/,
    ],
    [
      'weights cut off',
      (folder) => fs.truncate(path.join(folder, 'weights.bin'), 1000),
      /weights\.bin: expected \d+ bytes of weights, got 1000; save the model again/,
    ],
  ];
  it.each(broken)('%s', async (name, spoil, message) => {
    const folder = at(`broken ${name}`);
    await saveModel(net(), folder);
    await spoil(folder);
    await expect(loadModel(folder)).rejects.toThrow(message);
  });

  it('a place where no folder can be', async () => {
    await fs.writeFile(at('file'), '');
    await expect(saveModel(net(), at('file', 'net'))).rejects.toThrow(
      /cannot write .*net: .*; choose another place/,
    );
    expect((await fs.readdir(dir)).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

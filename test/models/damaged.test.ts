/** Saved models that are damaged or hostile: each is refused with an error that names the place. */
import { execFile, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { book, loadModel, saveModel } from '@deepend/models';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { isFull } from '../helpers/full';
import { buildProgram } from '../helpers/program';

let dir: string;
let valid: string;
const at = (...names: string[]) => path.join(dir, ...names);
let count = 0;

beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  valid = at('valid');
  await saveModel(book.resnet8({ inputShape: [12, 12, 1], numClasses: 3, seed: 1 }), valid);
});
afterAll(() => fs.remove(dir));

// biome-ignore lint/suspicious/noExplicitAny: any part of the JSON may be changed
type Json = any;

/** A copy of the valid model with a changed model.json. */
async function changed(change: (json: Json) => void): Promise<string> {
  const folder = at(`changed-${count++}`);
  await fs.copy(valid, folder);
  const json = await fs.readJson(path.join(folder, 'model.json'));
  change(json);
  await fs.writeJson(path.join(folder, 'model.json'), json);
  return folder;
}

const layersOf = (json: Json): Json[] => json.modelTopology.config.layers;
const layer = (json: Json, name: string) => layersOf(json).find((one) => one.name === name);

describe('a damaged topology', () => {
  const cases: [string, (json: Json) => void, RegExp][] = [
    [
      'one wrong letter in inbound_nodes',
      (json) => {
        layer(json, 'stem.relu').inbound_nodes[0][0][0] = 'stem.bm';
      },
      /model\.json: layer 'stem\.relu': expected a layer of the model as input, got 'stem\.bm' \(is it 'stem\.bn'\?\); the file is damaged, save the model again/,
    ],
    [
      'a name of JavaScript in inbound_nodes',
      (json) => {
        layer(json, 'stem.relu').inbound_nodes[0][0][0] = 'constructor';
      },
      /layer 'stem\.relu': expected a layer of the model as input, got 'constructor'/,
    ],
    [
      'a node that does not exist',
      (json) => {
        layer(json, 'stem.relu').inbound_nodes[0][0][1] = 1;
      },
      /layer 'stem\.relu': expected an output of 'stem\.bn' below number 1, got 1/,
    ],
    [
      'a cycle',
      (json) => {
        layer(json, 'stem.conv').inbound_nodes[0][0][0] = 'stem.relu';
      },
      /layer 'stem\.\w+': expected inputs that come before it, got one that depends on it/,
    ],
    [
      'a layer that is its own input',
      (json) => {
        layer(json, 'stem.relu').inbound_nodes[0][0][0] = 'stem.relu';
      },
      /layer 'stem\.relu': expected inputs that come before it/,
    ],
    [
      'two layers of one name',
      (json) => {
        Object.assign(layer(json, 'stem.bn'), { name: 'stem.conv' });
        layer(json, 'stem.conv').config.name = 'stem.conv';
        for (const one of layersOf(json)) one.config.name = one.name;
      },
      /expected a name of its own, got 'stem\.conv' again/,
    ],
    [
      'another name in the config',
      (json) => {
        layer(json, 'stem.bn').config.name = 'stem.bm';
      },
      /layer 'stem\.bn': expected the name 'stem\.bn' in its config, got 'stem\.bm'/,
    ],
    [
      'a layer without inputs',
      (json) => {
        layer(json, 'stem.bn').inbound_nodes = [];
      },
      /layer 'stem\.bn': expected inputs in "inbound_nodes", got none/,
    ],
    [
      'an output that does not exist',
      (json) => {
        json.modelTopology.config.output_layers = [['head.dens', 0, 0]];
      },
      /"output_layers" of modelTopology: expected a layer of the model as input, got 'head\.dens'/,
    ],
    [
      'a class that does not exist',
      (json) => {
        layer(json, 'stem.conv').class_name = 'Conv2E';
      },
      /the model cannot be built: .*Conv2E/,
    ],
    [
      'a layer that is larger than its weights',
      (json) => {
        layer(json, 'head.dense').config.units = 2 ** 30;
      },
      /layer 'head\.dense': expected the kernel \[\d+, 3\] of the weights, got a layer with \[\d+, 1073741824\]/,
    ],
    [
      'a layer whose weights are not there',
      (json) => {
        layer(json, 'head.dense').config.units = 2 ** 30;
        for (const spec of json.weightsManifest[0].weights)
          spec.name = spec.name.replace('head.dense', 'head.other');
      },
      /layer 'head\.dense': expected at most \d+ values of weights in all/,
    ],
  ];
  it.each(cases)('%s', async (_, change, message) => {
    await expect(loadModel(await changed(change))).rejects.toThrow(message);
  });

  it('of models within a model names the layer inside', async () => {
    const inner = tfl.sequential({
      name: 'inner',
      layers: [tfl.layers.dense({ units: 2, inputShape: [3] })],
    });
    const input = tfl.input({ shape: [3] });
    const outputs = tfl.layers.dense({ units: 1, name: 'last' }).apply(inner.apply(input));
    await saveModel(
      tfl.model({ inputs: input, outputs: outputs as tfl.SymbolicTensor }),
      at('nested'),
    );
    const loaded = await loadModel(at('nested'));
    expect(loaded.getLayer('inner').countParams()).toBe(8);
    const file = at('nested', 'model.json');
    const json = await fs.readJson(file);
    layer(json, 'inner').config.layers[0].class_name = 7;
    await fs.writeJson(file, json);
    await expect(loadModel(at('nested'))).rejects.toThrow(/expected a "class_name", got 7/);
  });
});

describe('a hostile weightsManifest', () => {
  const specs = [{ name: 'a', shape: [1], dtype: 'float32' }];
  const manifest =
    (paths: unknown, weights: unknown = specs) =>
    (json: Json) => {
      json.weightsManifest = [{ paths, weights }];
    };
  const cases: [string, (json: Json) => void, RegExp][] = [
    ['leaves the folder', manifest(['../valid/weights.bin']), /expected the name of a file in the/],
    ['leaves it in the middle', manifest(['a/../../valid/weights.bin']), /in the folder/],
    [
      'is absolute',
      manifest(['/dev/zero']),
      /expected the name of a file in the folder .*got '\/dev/,
    ],
    ['is the folder', manifest(['.']), /in the folder/],
    ['is no name', manifest([7]), /expected a list "paths" of names/],
    [
      'is there twice',
      manifest(['weights.bin', 'weights.bin']),
      /each file once, got 'weights\.bin' tw/,
    ],
    ['is not there', manifest(['other.bin']), /other\.bin: cannot be read \(ENOENT/],
    [
      'has no shape',
      manifest(['weights.bin'], [{ name: 'a', dtype: 'float32' }]),
      /weight 'a': expec/,
    ],
    [
      'has a shape beyond all memory',
      manifest(['weights.bin'], [{ name: 'a', shape: [2 ** 40, 2 ** 40], dtype: 'float32' }]),
      /weight 'a': expected a shape/,
    ],
    [
      'declares more than the file has',
      manifest(['weights.bin'], [{ name: 'a', shape: [2 ** 36], dtype: 'float32' }]),
      /expected 274877906944 bytes of weights, got \d+; save the model again/,
    ],
    [
      'has a negative size',
      manifest(['weights.bin'], [{ name: 'a', shape: [-1], dtype: 'float32' }]),
      /expected a shape of integers of at least 0, got \[-1\]/,
    ],
    [
      'has another type',
      manifest(['weights.bin'], [{ ...specs[0], dtype: 'string' }]),
      /got 'string'/,
    ],
    [
      'has a quantization without scale',
      manifest(['weights.bin'], [{ ...specs[0], quantization: { dtype: 'uint8' } }]),
      /expected a quantization to uint8, uint16, float16 with "scale" and "min"/,
    ],
  ];
  it.each(cases)('%s', async (_, change, message) => {
    await expect(loadModel(await changed(change))).rejects.toThrow(message);
  });

  it.skipIf(process.platform === 'win32').each(['weights.bin', 'model.json'])(
    '%s that is a device or a pipe is not read',
    async (name) => {
      const folder = await changed(() => {});
      await fs.remove(path.join(folder, name));
      await fs.symlink('/dev/zero', path.join(folder, name));
      await expect(loadModel(folder)).rejects.toThrow(
        /expected a regular file, got a folder, a dev/,
      );
      await fs.remove(path.join(folder, name));
      await promisify(execFile)('mkfifo', [path.join(folder, name)]);
      await expect(loadModel(folder)).rejects.toThrow(/expected a regular file/);
    },
  );
});

/** The same numbers for the same seed: xorshift32. */
function randomInts(seed: number) {
  let state = seed;
  return (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

it('no change of a byte of model.json makes loading hang', async () => {
  const text = await fs.readFile(path.join(valid, 'model.json'), 'utf8');
  const next = randomInts(7);
  const letters = 'abcxyz0123456789_."[]{},:-';
  const folder = await changed(() => {});
  const outcomes = { loaded: 0, refused: 0 };
  for (let i = 0; i < (isFull ? 1500 : 60); i++) {
    const place = next(text.length);
    const letter = letters[next(letters.length)] as string;
    await fs.writeFile(
      path.join(folder, 'model.json'),
      text.slice(0, place) + letter + text.slice(place + 1),
    );
    await loadModel(folder).then(
      (model) => {
        model.dispose();
        outcomes.loaded++;
      },
      (error: Error) => {
        expect(error.message).toMatch(/^\[models\] .*changed-\d+/);
        outcomes.refused++;
      },
    );
  }
  expect(outcomes.loaded).toBeGreaterThan(0);
  expect(outcomes.refused).toBeGreaterThan(0);
}, 120_000);

if (isFull)
  it('a process that is killed while it saves leaves one of both models', async () => {
    const folder = at('killed');
    await saveModel(
      tfl.sequential({ layers: [tfl.layers.dense({ units: 2, inputShape: [3] })] }),
      folder,
    );
    await fs.writeFile(path.join(folder, 'weights-mine.bin'), 'mine');
    const program = await buildProgram('test/models/saving.ts');
    const sizes = new Set<number>();
    for (let i = 0; i < 30; i++) {
      const child = spawn(process.execPath, [program.file, folder], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const ended = new Promise((resolve) => child.on('close', resolve));
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await new Promise((resolve) => setTimeout(resolve, 3 + ((17 * i) % 40)));
      child.kill('SIGKILL');
      await ended;
      const loaded = await loadModel(folder);
      sizes.add(loaded.countParams());
      loaded.dispose();
    }
    await program.remove();
    for (const size of sizes) expect([8, 3 * 2000 + 2000, 5 * 900 + 900]).toContain(size);
    await saveModel(
      tfl.sequential({ layers: [tfl.layers.dense({ units: 2, inputShape: [3] })] }),
      folder,
    );
    const names = ['model.json', 'weights-mine.bin', 'weights.bin'];
    expect((await fs.readdir(folder)).sort()).toEqual(names);
    expect((await fs.readdir(dir)).filter((name) => name.includes('.part'))).toEqual([]);
  }, 120_000);

/** What a save warns of, and what it removes that an earlier one left. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { saveModel, saveWeights } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'not-finite-'));
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => fs.remove(dir));

const layers = () =>
  tfl.sequential({
    layers: [
      tfl.layers.dense({ units: 2, inputShape: [3], name: 'first' }),
      tfl.layers.dense({ units: 2, name: 'second' }),
    ],
  });
const modules = () => new nn.Sequential(new nn.Linear(3, 2), new nn.Linear(2, 2));
const KINDS = [
  ['a model of layers', layers, ['second/kernel', 'second.weight'], 'weights.bin'],
  ['a module', modules, ['1.weight'], 'weights.safetensors'],
] as const;

describe.each(KINDS)('%s', (kind, make, names, weightsFile) => {
  const saves = [
    ['saveModel', (net: ReturnType<typeof make>) => saveModel(net, path.join(dir, kind))],
    [
      'saveWeights',
      (net: ReturnType<typeof make>) => saveWeights(net, path.join(dir, `${kind}.safetensors`)),
    ],
  ] as const;

  it.each(saves)('%s warns of the first weight that is not finite', async (name, save) => {
    const net = make();
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    await save(net);
    expect(warn).not.toHaveBeenCalled();
    const [, , kernel, bias] = net.weights;
    kernel?.write(tf.tensor2d([1, 2, Number.NaN, 4], [2, 2]));
    bias?.write(tf.fill([2], Number.POSITIVE_INFINITY));
    const before = tf.memory().numTensors;
    await save(net);
    expect(tf.memory().numTensors).toBe(before);
    const texts = warn.mock.calls.map(([text]) => String(text));
    expect(texts).toHaveLength(1);
    expect(texts[0]).toMatch(new RegExp(`^\\[models\\] ${name}: .*NaN at [12] of 4 in '`));
    expect(names.some((weight) => texts[0]?.includes(`'${weight}'`))).toBe(true);
  });

  it('removes what a killed save left, and nothing else', async () => {
    const folder = path.join(dir, kind, 'left');
    const left = 'weights-01234567-89ab-cdef-0123-456789abcdef.bin';
    for (const name of [left, 'weights-mine.bin', 'notes.txt'])
      await fs.outputFile(path.join(folder, name), 'x');
    await saveModel(make(), folder);
    expect((await fs.readdir(folder)).sort()).toEqual(
      ['model.json', 'notes.txt', 'weights-mine.bin', weightsFile].sort(),
    );
  });
});

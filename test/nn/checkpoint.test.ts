/** A PyTorch checkpoint of a recurrent module loads, gives the same outputs, and goes back. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadWeights, readSafetensorsHeader, saveWeights } from '@deepend/models';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/tagger.json';
import { use } from '../helpers/backends';

const CHECKPOINT = new URL('../golden/tagger.safetensors', import.meta.url).pathname;

/** The same module as in make-modules-golden.py. */
class Tagger extends nn.Module {
  readonly embedding = new nn.Embedding(6, 3);
  readonly rnn = new nn.GRU(3, 4, { numLayers: 2, bidirectional: true });
  readonly norm = new nn.BatchNorm1d(8);
  readonly head = new nn.Linear(8, 2);

  // int32 [time, batch] → [time, batch, 2] and the GRU's state
  override forward(ids: tf.Tensor): [tf.Tensor, tf.Tensor] {
    const [output, state] = this.rnn.forward(this.embedding.forward(ids));
    return [this.head.forward(this.norm.forward(tf.reshape(output, [-1, 8]))), state];
  }
}

beforeAll(() => use('cpu-js'));

describe('a checkpoint from PyTorch', () => {
  it('loads and gives the same outputs', async () => {
    const module = new Tagger().eval();
    await loadWeights(module, CHECKPOINT);
    const { shape, values } = golden.ids;
    const outputs = module.forward(tf.tensor(values, shape, 'int32'));
    outputs.forEach((y, i) => {
      const expected = golden.outputs[i]?.values ?? [];
      y.dataSync().forEach((value, j) => {
        expect(value).toBeCloseTo(expected[j] as number, 4);
      });
      expect(y.size).toBe(expected.length);
    });
  });

  it('goes back with the same names, shapes and numbers', async () => {
    const module = new Tagger();
    await loadWeights(module, CHECKPOINT);
    const file = join(await mkdtemp(join(tmpdir(), 'tagger-')), 'tagger.safetensors');
    await saveWeights(module, file);
    const [before, after] = await Promise.all([CHECKPOINT, file].map(readSafetensorsHeader));
    const shapes = (header: typeof before) =>
      Object.fromEntries((header?.tensors ?? []).map(({ name, shape }) => [name, shape]));
    expect(shapes(after)).toEqual(shapes(before));
    const again = new Tagger();
    await loadWeights(again, file);
    const [one, two] = [module.stateDict(), again.stateDict()];
    for (const [name, tensor] of Object.entries(one))
      expect(two[name]?.dataSync(), name).toEqual(tensor.dataSync());
    expect((await readFile(file)).length).toBeGreaterThan(0);
  });
});

/** A GPT-2 checkpoint: names without a prefix, Conv1D layers, masks among the weights. */
import { GPT, loadGpt2Weights } from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const SIZES = { vocabSize: 9, blockSize: 6, layers: 2, heads: 2, hidden: 8 };
const CONV1D = /(c_attn|c_proj|c_fc)\.weight$/;

/** As GPT-2's safetensors file has them. */
function checkpoint(model: GPT): Record<string, tf.Tensor> {
  const entries = Object.entries(model.stateDict())
    .filter(([name]) => name !== 'lm_head.weight')
    .map(([name, tensor]): [string, tf.Tensor] => [
      name.replace('transformer.', ''),
      CONV1D.test(name) ? tf.transpose(tensor) : tensor,
    ]);
  return { ...Object.fromEntries(entries), 'h.0.attn.bias': tf.ones([1, 1, 6, 6]) };
}

it('loads names without a prefix, turned layers and masks', () => {
  tf.tidy(() => {
    const from = new GPT({ ...SIZES, approximate: 'tanh', seed: 1 });
    const to = new GPT({ ...SIZES, approximate: 'tanh', seed: 2 });
    const state = checkpoint(from);
    expect(state['h.0.attn.c_attn.weight']?.shape).toEqual([8, 24]);
    loadGpt2Weights(to, state);
    const ids = tf.tensor2d([[1, 5, 2, 8]], undefined, 'int32');
    expect(to.forward(ids).dataSync()).toEqual(from.forward(ids).dataSync());
    expect(to.lm_head.weight).toBe(to.transformer.wte.weight);
    const { 'wpe.weight': _, ...lacking } = state;
    expect(() => loadGpt2Weights(to, lacking)).toThrow(/lacks transformer\.wpe\.weight/);
    expect(() => loadGpt2Weights(to, from.stateDict())).toThrow(/has the shape \[24, 8\]/);
    loadGpt2Weights(to, from.stateDict(), { conv1d: false });
    from.dispose();
    to.dispose();
  });
});

it('has a count of parameters as GPT-2 small', () => {
  const model = new GPT({ ...SIZES, vocabSize: 11 });
  const count = model.parameters().reduce((sum, { size }) => sum + size, 0);
  // embeddings, per block 12·h² + 13·h, and the last normalization
  expect(count).toBe((11 + 6) * 8 + 2 * (12 * 64 + 13 * 8) + 16);
  model.dispose();
});

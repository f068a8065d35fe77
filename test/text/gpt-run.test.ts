/**
 * A GPT learns The Time Machine as nanoGPT's does in PyTorch: the same weights, batches and steps.
 * test/golden/make-gpt-run-golden.py writes PyTorch's losses.
 */
import * as nn from '@deepend/nn';
import { GPT, readTimeMachine, sequenceLoader, toCorpus, tokenize, Vocab } from '@deepend/text';
import { evaluate, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, it } from 'vitest';
import golden from '../golden/gpt-run.json';
import { use } from '../helpers/backends';
import { weightValues } from '../helpers/fill';

const lines = await readTimeMachine({ download: false, progress: false }).catch(() => undefined);
const absent = lines ? undefined : 'skipped: no timemachine.txt in DEEPEND_DATA or the cache';

/** A quarter of the golden weights: large ones saturate the attention. */
function fill(model: GPT): void {
  const entries = model.namedParameters().map(([name, { shape }]) => {
    const one = name.endsWith('weight') ? 'gamma' : 'bias';
    const kind = shape.length > 1 ? 'kernel' : one;
    const values = tf.tensor(weightValues(`${name}/${kind}`, shape), shape);
    return [name, kind === 'gamma' ? values : tf.div(values, 4)] as const;
  });
  model.loadStateDict(Object.fromEntries(entries), { strict: false });
}

describe(`a GPT beside nanoGPT (${absent ?? 'real data'})`, () => {
  it.skipIf(absent)('has its mean loss, and its loss on text that it has not seen', async () => {
    await use('simd');
    const { batchSize, numSteps, numTrain, numTest, vocabSize } = golden.sizes;
    const tokens = tokenize(lines ?? [], 'char');
    const corpus = toCorpus(tokens, new Vocab(tokens));
    const load = (from: number, to: number) =>
      sequenceLoader(corpus.slice(from, to), { batchSize, numSteps, offset: 0 });
    const testIter = load(numTrain, numTrain + numTest);
    const model = new GPT({ vocabSize, blockSize: numSteps, layers: 2, heads: 4, hidden: 64 });
    fill(model);
    expect((await evaluate(model, testIter)).loss).toBeCloseTo(golden.before, 4);
    const net = nn.compile(model, tf.zeros([batchSize, numSteps], 'int32'));
    const { history } = await train(net, load(0, numTrain), null, {
      numEpochs: 1,
      lr: 1e-3,
      optimizer: { name: 'adamw', weightDecay: 0.01 },
      progress: false,
    });
    expect(history[0]?.loss).toBeCloseTo(golden.mean, 3);
    const { loss } = await evaluate(net, testIter);
    expect(Math.abs(loss - golden.test)).toBeLessThan(0.005);
    expect(loss).toBeLessThan(golden.before - 0.5);
  });
});

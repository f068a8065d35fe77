/** Classifiers take the features of their loaders as they take the tensors within them. */
import {
  BiRNN,
  DecomposableAttention,
  paddedLoader,
  sentencePairLoader,
  TextCNN,
} from '@deepend/text';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const sizes = { vocabSize: 9, embedSize: 4, seed: 1 };
const sequences = [
  [1, 2, 3],
  [4, 5, 6, 7],
];

async function featuresOf<T extends tf.TensorContainer>(
  loader: AsyncIterable<{ features: T; labels: tf.TensorContainer }>,
): Promise<T> {
  for await (const { features, labels } of loader) {
    tf.dispose(labels);
    return features;
  }
  throw new Error('no batch');
}

describe('the features of a loader', () => {
  const models = {
    TextCNN: () => new TextCNN({ ...sizes, kernelSizes: [2], numChannels: [3] }),
    BiRNN: () => new BiRNN({ ...sizes, hidden: 3, layers: 1 }),
  };

  it.each(Object.entries(models))('%s reads the tokens of paddedLoader', async (_, make) => {
    const loader = paddedLoader(sequences, [0, 1], { batchSize: 2 });
    const features = await featuresOf(loader);
    const net = make();
    net.eval();
    const [fromFeatures, fromTokens] = [net.forward(features), net.forward(features.tokens)];
    expect(fromFeatures.shape).toEqual([2, 2]);
    expect(fromFeatures.arraySync()).toEqual(fromTokens.arraySync());
    tf.dispose([features, fromFeatures, fromTokens]);
    net.dispose();
  });

  it('DecomposableAttention reads those of sentencePairLoader, and refuses half of them', async () => {
    const pairs = { premises: sequences, hypotheses: [[1, 2], [3]], labels: [0, 2] };
    const features = await featuresOf(sentencePairLoader(pairs, { batchSize: 2, numSteps: 4 }));
    const net = new DecomposableAttention({ ...sizes, hidden: 3 });
    net.eval();
    const fromFeatures = net.forward(features);
    const fromTokens = net.forward(features.premises, features.hypotheses);
    expect(fromFeatures.shape).toEqual([2, 3]);
    expect(fromFeatures.arraySync()).toEqual(fromTokens.arraySync());
    expect(() => net.forward(features.premises)).toThrow(
      /expected premises and hypotheses, got premises only/,
    );
    tf.dispose([features, fromFeatures, fromTokens]);
    net.dispose();
  });
});

/** Whatever computes in inference mode gives each module inside its own mode back. */

import * as tf from '@tensorflow/tfjs-core';
import { nn, plots, predict, summary, text, vision } from 'deepend';
import { beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

/** A module in training mode whose module `frozen` stays in inference mode. */
function halfFrozen<T extends nn.Module>(net: T, frozen: string): T {
  net.train();
  const found = net.namedModules().find(([name]) => name === frozen);
  if (!found) throw new Error(`no module ${frozen} in ${net.namedModules().map(([name]) => name)}`);
  found[1].eval();
  return net;
}

const modes = (net: nn.Module) =>
  net.namedModules().map(([name, { training }]) => [name, training]);

const classifier = () =>
  halfFrozen(
    new nn.Sequential(
      new nn.Conv2d(1, 2, 3, { seed: 1 }),
      new nn.BatchNorm2d(2),
      new nn.Flatten(),
      new nn.Linear(2 * 3 * 3, 2, { seed: 2 }),
    ),
    '1',
  );
const images = () => tf.zeros([2, 5, 5, 1]);

const language = () =>
  halfFrozen(
    new text.GPT({ vocabSize: 5, blockSize: 8, layers: 1, heads: 1, hidden: 4 }),
    'transformer.h.0',
  );

it.each<[string, () => nn.Module, (net: never) => unknown]>([
  ['predict', classifier, async (net) => (await predict(net, images())) as unknown],
  ['summary', classifier, (net) => summary(net, { inputs: images() })],
  ['nn.compile', classifier, (net) => nn.compile(net, images())],
  ['gradCam', classifier, (net) => plots.gradCam(net, images())],
  [
    'generate',
    language,
    (net) => text.generate(net, 'ab', { vocab: new text.Vocab([...'abcd']), maxTokens: 2 }),
  ],
  [
    'detectObjects',
    () => halfFrozen(new vision.TinySSD({ inputShape: [64, 64, 1], numClasses: 2 }), 'blocks.0'),
    (net) => vision.detectObjects(net, tf.zeros([1, 64, 64, 1])),
  ],
])('%s', async (_, make, compute) => {
  const net = make();
  const before = modes(net);
  expect(new Set(before.map(([, training]) => training)).size).toBe(2);
  await compute(net as never);
  expect(modes(net)).toEqual(before);
});

it('an error restores them too', () => {
  const net = classifier();
  const before = modes(net);
  expect(() => summary(net, { inputs: tf.zeros([2, 4, 4, 1]) })).toThrow('cannot compute');
  expect(modes(net)).toEqual(before);
});

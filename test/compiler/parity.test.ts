/** The book's nets against PyTorch; the values are test/golden/make-golden.py's. */
import { compile, sgd } from '@deepend/compiler';
import { book } from '@deepend/models';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/resnet.json';
import { engines, use } from '../helpers/engines';
import { fillNet, goldenBatch } from '../helpers/fill';

const TOLERANCE = 1e-4; // of the largest value

function expectClose(actual: ArrayLike<number>, expected: readonly number[], what: string): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(actual.length, what).toBe(expected.length);
  const worst = Math.max(...expected.map((value, i) => Math.abs((actual[i] as number) - value)));
  expect(worst / largest, what).toBeLessThan(TOLERANCE);
}

const weight = (net: LayersModel, name: string) =>
  net.weights
    .find(({ originalName }) => originalName === name)
    ?.read()
    .dataSync() as Float32Array;

for (const { name: engine, title, absent } of engines.filter(({ name }) => name !== 'cpu-js')) {
  describe.skipIf(absent)(`PyTorch's numbers on ${title}`, () => {
    beforeAll(() => use(engine));

    it.each(golden.runs)('$net', (run) => {
      const shape = run.shape as [number, number, number, number];
      const build = book[run.net as keyof typeof book];
      const net = build({ inputShape: [shape[1], shape[2], shape[3]], numClasses: 10 });
      fillNet(net);
      const plan = compile(net);
      const { features, labels } = goldenBatch(shape, run.net);
      expectClose(plan.logits(features).dataSync(), run.logits.flat(), 'logits');
      const losses = Array.from({ length: run.steps }, () => {
        const { loss, gradients } = plan.step(features, labels);
        sgd(gradients, { lr: run.lr });
        tf.dispose(gradients.map(({ gradient }) => gradient));
        return loss.dataSync()[0] as number;
      });
      expectClose(losses, run.losses, 'losses');
      for (const [layer, values] of Object.entries(run.movingMean))
        expectClose(weight(net, `${layer}/moving_mean`).slice(0, values.length), values, `${layer}: moving mean`);
      for (const [layer, values] of Object.entries(run.movingVariance))
        expectClose(weight(net, `${layer}/moving_variance`).slice(0, values.length), values, `${layer}: moving variance`);
      expectClose(plan.logits(features).dataSync(), run.trainedLogits.flat(), 'logits after training');
    });
  });
}

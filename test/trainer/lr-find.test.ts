import { book } from '@deepend/models';
import { meanSquaredError } from '@deepend/optim';
import { evaluate, type Loader, lrFind, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { plots } from 'deepend';
import { beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

const weights = (net: tfl.LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);
const shape: [number, number, number] = [8, 8, 1];
const wide = { minLr: 1e-4, maxLr: 1e3, steps: 60 };

describe.each(backends)('lrFind on $title', ({ name, absent }) => {
  it.skipIf(absent)('restores weights and statistics', async () => {
    await use(name);
    const net = book.resnet8({ inputShape: shape, numClasses: 3 });
    const before = weights(net);
    const { lrs } = await lrFind(net, fakeLoader(12, 4, { shape }), {
      minLr: 1e-3,
      maxLr: 10,
      steps: 12,
    });
    expect(lrs.length).toBeGreaterThan(2);
    expect(weights(net)).toEqual(before);
  });
});

describe('lrFind', () => {
  beforeAll(() => use('cpu-js'));

  it('raises the rate by the same factor each step, from minLr to maxLr, over as many epochs as that takes', async () => {
    const loader = fakeLoader(9, 3);
    const { lrs, losses } = await lrFind(linearNet(), loader, {
      minLr: 1e-5,
      maxLr: 1e-2,
      steps: 31,
    });
    expect(lrs).toHaveLength(31);
    expect(losses).toHaveLength(31);
    expect(loader.loops).toBe(11);
    lrs.forEach((lr, i) => {
      expect(lr / (1e-5 * 10 ** (i / 10))).toBeCloseTo(1, 9);
    });
  });

  it('measures the loss before each step', async () => {
    const net = linearNet();
    const { losses } = await lrFind(net, fakeLoader(6, 6), {
      minLr: 1e-12,
      maxLr: 1e-11,
      smooth: 1,
    });
    expect(losses[0]).toBeCloseTo((await evaluate(net, fakeLoader(6, 6))).loss, 6);
  });

  it('averages losses with weights that fall by the same factor', async () => {
    const range = { minLr: 1e-4, maxLr: 1e-1, steps: 20, smooth: 1 };
    const { losses: raw } = await lrFind(linearNet(), fakeLoader(12, 3), range);
    const { losses } = await lrFind(linearNet(), fakeLoader(12, 3), { ...range, smooth: 0.3 });
    losses.forEach((loss, t) => {
      const shares = raw.slice(0, t + 1).map((_, i) => 0.7 ** (t - i));
      const total = shares.reduce((sum, share) => sum + share, 0);
      expect(loss).toBeCloseTo(
        shares.reduce((sum, share, i) => sum + share * (raw[i] as number), 0) / total,
        9,
      );
    });
  });

  it('ends when the loss is above four times its least', async () => {
    const { lrs, losses } = await lrFind(linearNet(), fakeLoader(30, 3), { ...wide, smooth: 0.5 });
    expect(lrs.length).toBeLessThan(60);
    const last = losses.at(-1) as number;
    const before = losses.slice(0, -1);
    expect(last).toBeGreaterThan(4 * Math.min(...before));
    before.forEach((loss, i) => {
      expect(loss).toBeLessThanOrEqual(4 * Math.min(...losses.slice(0, i + 1)));
    });
  });

  it('suggests a rate where the loss falls, at which a net learns', async () => {
    const { lrs, losses, suggestion } = await lrFind(linearNet(), fakeLoader(30, 3), wide);
    const at = lrs.indexOf(suggestion as number);
    expect(at).toBeGreaterThan(0);
    expect(losses[at]).toBeLessThan(losses[0] as number);
    expect(losses[at]).toBeGreaterThan(Math.min(...losses));
    const net = linearNet();
    const before = await evaluate(net, fakeLoader(30, 3));
    await train(net, fakeLoader(30, 3), null, {
      numEpochs: 5,
      lr: suggestion as number,
      progress: false,
    });
    expect((await evaluate(net, fakeLoader(30, 3))).loss).toBeLessThan(before.loss);
  });

  it('tries the optimizer and the loss that it is given', async () => {
    const regression = Object.assign(fakeLoader(12, 12), {
      async *[Symbol.asyncIterator]() {
        for await (const { features, labels } of fakeLoader(12, 12)) {
          labels.dispose();
          yield { features, labels: tf.zeros([features.shape[0] ?? 0, 3]) };
        }
      },
    }) as unknown as Loader;
    const range = { minLr: 1e-4, maxLr: 1e-1, steps: 20 };
    const net = linearNet();
    const [adam, sgd] = [
      await lrFind(net, regression, { ...range, loss: meanSquaredError(), optimizer: 'adam' }),
      await lrFind(net, regression, { ...range, loss: meanSquaredError() }),
    ];
    expect(adam.losses[0]).toBe(sgd.losses[0]);
    expect(adam.losses.at(-1)).not.toBe(sgd.losses.at(-1));
    expect(adam.losses[0]).toBeCloseTo(
      (await evaluate(net, regression, { loss: meanSquaredError() })).loss,
      6,
    );
    await expectNoLeak(() =>
      lrFind(net, regression, {
        ...range,
        loss: meanSquaredError(),
        optimizer: { name: 'adam', beta1: 0.8 },
      }),
    );
    await expect(lrFind(net, regression, { optimizer: 'adma' as never })).rejects.toThrow(/adma/);
  });

  it('suggests none where the loss never falls', async () => {
    // A rate that blows the net up at once.
    const { suggestion } = await lrFind(linearNet(), fakeLoader(30, 3), { minLr: 1e5, maxLr: 1e6 });
    expect(suggestion).toBeNull();
  });

  it('gives the same from the same seed, and a loader its place back', async () => {
    const restored: unknown[] = [];
    const place = { epoch: 3, batch: 1 };
    const loader = Object.assign(fakeLoader(9, 3), {
      state: () => place,
      restore: (state: object) => void restored.push(state),
    });
    const first = await lrFind(linearNet(), loader, wide);
    expect(restored).toEqual([place]);
    expect(await lrFind(linearNet(), fakeLoader(9, 3), wide)).toEqual(first);
  });

  it('leaves no tensor behind, nor when it fails', async () => {
    const net = linearNet();
    await expectNoLeak(() => lrFind(net, fakeLoader(9, 3), wide));
    const empty = Object.assign(fakeLoader(9, 3), {
      [Symbol.asyncIterator]: async function* () {},
    }) as unknown as Loader;
    await expectNoLeak(() =>
      expect(lrFind(net, empty)).rejects.toThrow('the training loader gave no batch; expected 3'),
    );
  });

  it('says so when the first loss is not finite', async () => {
    const net = linearNet();
    net.setWeights(net.getWeights().map((weight) => tf.fill(weight.shape, Number.NaN)));
    await expect(lrFind(net, fakeLoader(9, 3))).rejects.toThrow(
      /expected a finite loss at the first step, got NaN; look for/,
    );
  });

  it('refuses what makes no trial', async () => {
    const cases = [
      [{ minLr: 1, maxLr: 0.1 }, /expected "minLr" below "maxLr", got 1 and 0.1/],
      [{ steps: 2 }, /"steps" must be an integer of at least 10, got 2/],
      [{ smooth: 0 }, /"smooth" must be a number above 0 and at most 1, got 0/],
      [{ max: 1 }, /there is no option "max"; did you mean "maxLr"\?/],
    ] as const;
    for (const [options, message] of cases)
      await expect(lrFind(linearNet(), fakeLoader(9, 3), options as never)).rejects.toThrow(
        message,
      );
  });
});

describe('plotLrFind', () => {
  it('draws the losses over a logarithmic axis, with the suggestion', () => {
    const lrs = [1e-4, 1e-3, 1e-2, 1e-1];
    const { svg } = plots.plotLrFind({ lrs, losses: [2, 1.5, 1, 3], suggestion: 1e-3 });
    for (const text of ['learning rate', 'loss', 'suggestion 0.0010', '0.01'])
      expect(svg).toContain(text);
    expect(svg.match(/<circle/g)).toHaveLength(2); // the mark, and its sample in the legend
    const none = plots.plotLrFind({ lrs, losses: [1, 2, 3, 4], suggestion: null }).svg;
    expect(none).toContain('no suggestion: the loss does not fall');
    expect(none).not.toContain('<circle');
  });
});

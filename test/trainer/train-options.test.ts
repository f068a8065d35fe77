/** Options of train: parts of batches, accumulation, clipping, EMA, losses, limits, callbacks. */

import type { EpochRecord, StepRecord } from '@deepend/core';
import { crossEntropy, meanSquaredError, metrics } from '@deepend/optim';
import { type Callback, evaluate, train } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

beforeAll(() => use('cpu-js'));
afterEach(() => vi.restoreAllMocks());

const quiet = { numEpochs: 1, lr: 0.5, progress: false } as const;
const weights = (net: tfl.LayersModel) =>
  net.getWeights().flatMap((weight) => [...weight.dataSync()]);
const far = (a: number[], b: number[]) =>
  Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));

describe('a batch in parts', () => {
  it('gives the update of the whole batch', async () => {
    const [whole, parts] = [linearNet(), linearNet()];
    const one = await train(whole, fakeLoader(20, 10), null, { ...quiet, numEpochs: 2 });
    const two = await train(parts, fakeLoader(20, 10), null, {
      ...quiet,
      numEpochs: 2,
      microBatch: 3,
    });
    expect(far(weights(whole), weights(parts))).toBeLessThan(1e-6);
    expect(two.history[1]?.loss).toBeCloseTo(one.history[1]?.loss as number, 5);
    expect(two.history[1]?.trainAcc).toBeCloseTo(one.history[1]?.trainAcc as number, 6);
  });

  it('comes by itself when the whole does not fit, and says so', async () => {
    const warned = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const [whole, parts] = [linearNet(), linearNet()];
    await train(whole, fakeLoader(20, 10), null, quiet);
    const control: Callback = {
      onTrainBegin: ({ control: { plan } }) => {
        const { forwardBackward: step } = plan;
        plan.forwardBackward = ((
          features: tf.Tensor,
          labels: tf.Tensor,
          options: Parameters<typeof step>[2],
        ) => {
          if ((features.shape[0] as number) > 4) {
            throw Object.assign(new Error('out of memory'), {
              name: 'OutOfMemoryError',
              asked: 1,
              inUse: 1,
              limit: 1,
            });
          }
          return step.call(plan, features, labels, options);
        }) as typeof step;
      },
    };
    await train(parts, fakeLoader(20, 10), null, { ...quiet, callbacks: [control] });
    expect(far(weights(whole), weights(parts))).toBeLessThan(1e-6);
    expect(warned.mock.calls.flat().at(-1)).toMatch(
      /a batch of 10 does not fit .* trained in parts of 2, as one update. Batch normalization/,
    );
  });

  it('does not hide another error', async () => {
    const broken: Callback = {
      onTrainBegin: ({ control: { plan } }) => {
        plan.forwardBackward = () => {
          throw new Error('something else');
        };
      },
    };
    await expect(
      train(linearNet(), fakeLoader(20, 10), null, { ...quiet, callbacks: [broken] }),
    ).rejects.toThrow('something else');
  });
});

describe('accumulation', () => {
  it('makes of several batches the update of one', async () => {
    const [whole, parts] = [linearNet(), linearNet()];
    await train(whole, fakeLoader(24, 12), null, quiet);
    await train(parts, fakeLoader(24, 4), null, { ...quiet, gradientAccumulationSteps: 3 });
    expect(far(weights(whole), weights(parts))).toBeLessThan(1e-6);
  });

  it("takes the rest in at an epoch's end", async () => {
    const [all, rest] = [linearNet(), linearNet()];
    await train(all, fakeLoader(8, 8), null, quiet);
    await train(rest, fakeLoader(8, 4), null, { ...quiet, gradientAccumulationSteps: 5 });
    expect(far(weights(all), weights(rest))).toBeLessThan(1e-6);
  });
});

describe('clipping', () => {
  it('bounds the step', async () => {
    const net = linearNet();
    const before = weights(net);
    await train(net, fakeLoader(10, 10), null, { ...quiet, lr: 1, clipNorm: 1e-3 });
    const moved = Math.sqrt(
      weights(net).reduce((sum, value, i) => sum + (value - (before[i] as number)) ** 2, 0),
    );
    expect(moved).toBeLessThan(1.001e-3);
    const other = linearNet();
    await train(other, fakeLoader(10, 10), null, { ...quiet, lr: 1, clipValue: 1e-4 });
    expect(far(weights(other), before)).toBeLessThan(1.001e-4);
  });
});

describe('averaged weights', () => {
  it('are evaluated, and are what the net ends with', async () => {
    const net = linearNet();
    const trail: number[][] = [];
    const onStep = () => {
      trail.push(weights(net));
    };
    await train(net, fakeLoader(30, 10), null, {
      ...quiet,
      emaDecay: 0.5,
      callbacks: [{ onStep }],
    });
    const [a, b, c] = trail as [number[], number[], number[]];
    const expected = a.map(
      (value, i) => 0.5 * (0.5 * value + 0.5 * (b[i] as number)) + 0.5 * (c[i] as number),
    );
    expect(far(weights(net), expected)).toBeLessThan(1e-6);
  });
});

describe('averaged weights of a run that is stopped', () => {
  const stopped = async (options?: { resumable: boolean }) => {
    const net = linearNet();
    let own: number[] = [];
    let control: Parameters<NonNullable<Callback['onTrainBegin']>>[0]['control'] | undefined;
    const callback: Callback = {
      onTrainBegin: (run) => {
        ({ control } = run);
      },
      onEpochEnd: () => {
        own = weights(net);
        control?.stop('enough', options);
      },
    };
    await train(net, fakeLoader(30, 10), null, {
      ...quiet,
      numEpochs: 5,
      emaDecay: 0.5,
      callbacks: [callback],
    });
    return far(weights(net), own);
  };

  it('are what the model ends with, unless the run is to be resumed', async () => {
    expect(await stopped()).toBeGreaterThan(1e-3);
    expect(await stopped({ resumable: true })).toBe(0);
  });
});

describe('losses and metrics', () => {
  it('take the place of cross-entropy', async () => {
    const net = linearNet();
    const { history } = await train(net, fakeLoader(30, 10), fakeLoader(10, 5), {
      ...quiet,
      loss: crossEntropy({ labelSmoothing: 0.1 }),
      metrics: [metrics.accuracy(), metrics.topK(2)],
      numEpochs: 3,
    });
    const { metrics: measured, testAcc, testLoss } = history.at(-1) as EpochRecord;
    expect(measured?.accuracy).toBeCloseTo(testAcc as number, 6);
    expect(measured?.top2).toBeGreaterThanOrEqual(testAcc as number);
    expect(testLoss).toBeGreaterThan(0);
  });

  it('learn a line', async () => {
    const net = tfl.sequential({
      layers: [tfl.layers.flatten({ inputShape: [1, 1, 2] }), tfl.layers.dense({ units: 1 })],
    });
    const line = {
      ...{ numSamples: 32, numBatches: 4, batchSize: 8 },
      async *[Symbol.asyncIterator]() {
        for (let start = 0; start < 32; start += 8) {
          const x = tf.randomUniform([8, 1, 1, 2], -1, 1, 'float32', start + 1);
          const y = tf.tidy(() =>
            tf.add(tf.sum(tf.mul(tf.reshape(x, [8, 2]), tf.tensor1d([2, -3.4])), 1, true), 4.2),
          );
          yield { features: x, labels: y };
        }
      },
    };
    const { history } = await train(net, line, null, {
      ...quiet,
      numEpochs: 60,
      lr: 0.1,
      loss: meanSquaredError(),
    });
    expect(history.at(-1)?.loss).toBeLessThan(1e-3);
    expect(history.at(-1)?.trainAcc).toBeNaN();
    const [kernel, bias] = net.getWeights().map((weight) => [...weight.dataSync()]);
    expect(kernel?.[0]).toBeCloseTo(2, 1);
    expect(kernel?.[1]).toBeCloseTo(-3.4, 1);
    expect(bias?.[0]).toBeCloseTo(4.2, 1);
  });
});

describe('short runs', () => {
  it('fastDevRun makes two batches of everything', async () => {
    const steps: StepRecord[] = [];
    const onStep = (record: StepRecord) => {
      steps.push(record);
    };
    const { history } = await train(linearNet(), fakeLoader(50, 5), fakeLoader(50, 5), {
      ...quiet,
      numEpochs: 9,
      fastDevRun: true,
      callbacks: [{ onStep }],
    });
    expect(history).toHaveLength(1);
    expect(steps.map(({ step, numBatches }) => [step, numBatches])).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  it('overfitBatches learns the first batches by heart', async () => {
    const net = linearNet();
    const { history } = await train(net, fakeLoader(50, 5), null, {
      ...quiet,
      numEpochs: 30,
      overfitBatches: 2,
    });
    expect(history.at(-1)?.trainAcc).toBe(1);
    await expectNoLeak(() => train(net, fakeLoader(50, 5), null, { ...quiet, overfitBatches: 2 }));
  });
});

describe('callbacks', () => {
  it('learn everything, in order', async () => {
    const told: string[] = [];
    const say = (event: string) => () => {
      told.push(event);
    };
    const events = [
      'onTrainBegin',
      'onEpochBegin',
      'onStep',
      'onEpochEnd',
      'onTrainEnd',
      'onFailure',
    ];
    const callback = Object.fromEntries(events.map((event) => [event, say(event)])) as Callback;
    await train(linearNet(), fakeLoader(10, 5), null, {
      ...quiet,
      numEpochs: 2,
      callbacks: [callback],
    });
    const epoch = ['onEpochBegin', 'onStep', 'onStep', 'onEpochEnd'];
    expect(told).toEqual(['onTrainBegin', ...epoch, ...epoch, 'onTrainEnd']);
  });

  it('stop a run within an epoch or behind it', async () => {
    const stopAt = (globalStep: number): Callback => {
      let stop: ((reason: string) => void) | undefined;
      return {
        onTrainBegin: ({ control }) => {
          stop = (reason) => control.stop(reason);
        },
        onStep: (record) => {
          if (record.globalStep === globalStep) stop?.('enough');
        },
      };
    };
    const within = await train(linearNet(), fakeLoader(20, 5), null, {
      ...quiet,
      numEpochs: 5,
      callbacks: [stopAt(6)],
    });
    expect(within).toMatchObject({ stopped: 'enough' });
    expect(within.history).toHaveLength(1);
    const behind = await train(linearNet(), fakeLoader(20, 5), null, {
      ...quiet,
      numEpochs: 5,
      callbacks: [stopAt(8)],
    });
    expect(behind.history).toHaveLength(2);
  });

  it('that throw end the run with their error, which all learn', async () => {
    const told: unknown[] = [];
    const onFailure = (error: unknown) => {
      told.push(error);
    };
    const fault = new Error('mine');
    const throws = { onStep: () => Promise.reject(fault), onFailure };
    const net = linearNet();
    const before = tf.memory().numTensors;
    await expect(
      train(net, fakeLoader(20, 5), null, {
        ...quiet,
        optimizer: 'adam',
        callbacks: [{ onFailure }, throws],
      }),
    ).rejects.toBe(fault);
    expect(told).toEqual([fault, fault]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('see the batch of the step, alive', async () => {
    const shapes: number[][] = [];
    let control: Parameters<NonNullable<Callback['onTrainBegin']>>[0]['control'] | undefined;
    const callback: Callback = {
      onTrainBegin: (run) => {
        ({ control } = run);
      },
      onStep: () => {
        const features = control?.lastBatch()?.features as tf.Tensor;
        expect(features.isDisposed).toBe(false);
        shapes.push(features.shape);
      },
      onEpochEnd: () => {
        expect(control?.lastBatch()).toBeUndefined();
      },
    };
    await train(linearNet(), fakeLoader(7, 5), null, { ...quiet, callbacks: [callback] });
    expect(shapes.map(([count]) => count)).toEqual([5, 2]);
  });
});

describe('two runs in one process', () => {
  it('do not disturb each other, one after the other or interleaved', async () => {
    const options = { ...quiet, numEpochs: 3, optimizer: { name: 'sgd', momentum: 0.9 } } as const;
    const alone = async (seed: number) => {
      const net = linearNet();
      await train(net, fakeLoader(20, 5), null, { ...options, seed });
      return weights(net);
    };
    const expected = [await alone(1), await alone(2)];
    expect(await Promise.all([alone(1), alone(2)])).toEqual(expected);
  });
});

it('1,000 steps leave no tensor', async () => {
  const net = linearNet();
  const options = {
    ...quiet,
    lr: 0.01,
    optimizer: 'adam',
    emaDecay: 0.9,
    clipNorm: 1,
    gradientAccumulationSteps: 2,
    numEpochs: 50,
  } as const;
  const before = tf.memory().numTensors;
  await train(net, fakeLoader(20, 1), null, options);
  expect(tf.memory().numTensors).toBe(before);
});

it('evaluate takes a loss and metrics, and leaves no tensor', async () => {
  const net = linearNet();
  await expectNoLeak(() =>
    evaluate(net, fakeLoader(7, 3), {
      metrics: [metrics.accuracy()],
      loss: crossEntropy({ labelSmoothing: 0.1 }),
    }),
  );
  net.dispose();
});

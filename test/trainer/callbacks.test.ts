import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toCsv } from '@deepend/core';
import { metrics } from '@deepend/optim';
import {
  type Callback,
  csvHistory,
  earlyStopping,
  evaluate,
  jsonlHistory,
  samplesPerSecond,
  stopOnNaN,
  timeLimit,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';
import { fakeLoader, linearNet } from '../helpers/loaders';

const quiet = { numEpochs: 3, lr: 0.5, progress: false };
const weights = (net: tfl.LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);
/** A net with statistics; its layers have names of their own. */
const normNet = () =>
  tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [4, 4, 1], name: 'flat' }),
      tfl.layers.dense({
        units: 5,
        kernelInitializer: tfl.initializers.glorotUniform({ seed: 1 }),
        name: 'first',
      }),
      tfl.layers.batchNormalization({ name: 'norm' }),
      tfl.layers.dense({
        units: 3,
        kernelInitializer: tfl.initializers.glorotUniform({ seed: 2 }),
        name: 'second',
      }),
    ],
  });

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('history files', () => {
  beforeAll(() => use('cpu-js'));
  /** The cells of a line of a CSV file. */
  const cells = (line: string) =>
    (line.match(/"[^"]*"|[^,]+/g) ?? []).map((cell) => cell.replace(/^"(.*)"$/, '$1'));
  const read = async (file: string) => (await readFile(file, 'utf8')).split('\n');

  it('have a whole line more after each epoch, and nothing of an older run', async () => {
    const [jsonl, csv] = [path.join(dir, 'new', 'h.jsonl'), path.join(dir, 'new', 'h.csv')];
    const counts: number[][] = [];
    const count = async () =>
      void counts.push([(await read(jsonl)).length - 1, (await read(csv)).length - 1]);
    for (let run = 0; run < 2; run++) {
      const callbacks: Callback[] = [
        jsonlHistory(jsonl),
        csvHistory(csv),
        { onTrainBegin: count, onEpochEnd: count },
      ];
      await train(linearNet(), fakeLoader(6, 3), null, { ...quiet, callbacks });
    }
    expect(counts).toEqual([
      [0, 0],
      [1, 2],
      [2, 3],
      [3, 4],
      [0, 0],
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
  });

  it('tell what the history tells', async () => {
    const [jsonl, csv] = [path.join(dir, 'h.jsonl'), path.join(dir, 'h.csv')];
    const callbacks = [jsonlHistory(jsonl), csvHistory(csv)];
    const { history } = await train(linearNet(), fakeLoader(6, 3), fakeLoader(6, 3), {
      ...quiet,
      metrics: [metrics.accuracy(), metrics.confusionMatrix()],
      callbacks,
    });
    const lines = (await read(jsonl)).filter((line) => line !== '');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(history);
    expect(await readFile(csv, 'utf8')).toBe(toCsv(history));
    const [head = [], ...rows] = (await read(csv)).slice(0, -1).map(cells);
    expect(head).toEqual([
      'epoch',
      'loss',
      'trainAcc',
      'testAcc',
      'testLoss',
      'lr',
      'metrics.accuracy',
      'metrics.confusionMatrix',
      'seconds',
      'samplesPerSecond',
      'samplesPerSecondWithLoading',
    ]);
    rows.forEach((row, i) => {
      const { metrics: found, ...record } = { ...history[i] } as Record<string, unknown>;
      const { accuracy, confusionMatrix } = found as Record<string, unknown>;
      const expected: Record<string, unknown> = {
        ...record,
        'metrics.accuracy': accuracy,
        'metrics.confusionMatrix': confusionMatrix,
      };
      head.forEach((column, j) => {
        expect(JSON.parse(row[j] as string), column).toEqual(expected[column]);
      });
    });
  });

  it('begin with the epochs before a run that resumes', async () => {
    const { history } = await train(linearNet(), fakeLoader(6, 3), null, quiet);
    for (const [name, make] of Object.entries({ 'a.jsonl': jsonlHistory, 'a.csv': csvHistory })) {
      const [whole, parts] = [path.join(dir, name), path.join(dir, `parts-${name}`)];
      await writeFile(parts, 'what an interrupted run left, a line of which was cu');
      const write = async (file: string, before: typeof history, after: typeof history) => {
        const callback = make(file);
        await callback.onTrainBegin?.({ history: before } as never);
        for (const record of after) await callback.onEpochEnd?.(record);
      };
      await write(whole, [], history);
      await write(parts, history.slice(0, 2), history.slice(2));
      expect(await read(parts)).toEqual(await read(whole));
      expect((await read(whole))[1]).toMatch(
        name === 'a.csv' ? /^1,[\d.]+,[\d.]+,,,0.5,/ : /"epoch":2/,
      ); // a null is an empty cell
    }
  });

  it('that cannot be written end the run before its first step', async () => {
    const net = linearNet();
    const before = weights(net);
    await writeFile(path.join(dir, 'file'), '');
    const callbacks = [csvHistory(path.join(dir, 'file', 'h.csv'))];
    await expect(train(net, fakeLoader(6, 3), null, { ...quiet, callbacks })).rejects.toThrow(
      /\[trainer\] csvHistory: cannot write .*h\.csv: .*; choose another place/,
    );
    expect(weights(net)).toEqual(before);
    expect(() => jsonlHistory('')).toThrow(
      "[trainer] jsonlHistory: expected the name of a file, got ''",
    );
  });
});

/** Good rates for three epochs, then one that drives the weights off. */
const spoiled = (epoch: number) => (epoch <= 3 ? 0.3 : 30);

describe.each(backends)('earlyStopping on $title', ({ name, absent }) => {
  it.skipIf(absent)('ends the run, with weights and statistics of the best epoch', async () => {
    await use(name);
    for (const average of [undefined, 0.5]) {
      const net = normNet();
      const seen: number[][][] = [];
      const watcher = { onTrainEnd: () => void seen.push(weights(net)) };
      const { history, stopped } = await train(net, fakeLoader(30, 10), fakeLoader(12, 6), {
        numEpochs: 20,
        lr: spoiled,
        progress: false,
        ...(average && { emaDecay: average }),
        callbacks: [watcher, earlyStopping({ monitor: 'testLoss', patience: 2 }), watcher],
      });
      const losses = history.map(({ testLoss }) => testLoss as number);
      const best = losses.indexOf(Math.min(...losses));
      expect(history).toHaveLength(best + 3);
      expect(stopped).toBe(
        `testLoss did not improve for 2 epochs, which was ${losses[best]} in epoch ${best + 1}`,
      );
      expect((await evaluate(net, fakeLoader(12, 6))).loss).toBeCloseTo(losses[best] as number, 5);
      expect(losses.at(-1)).toBeGreaterThan(1.1 * (losses[best] as number)); // else the line before would show nothing
      expect(seen).toEqual([weights(net), weights(net)]); // a callback that saves the model then has the best, before or after in the list
    }
  });
});

describe('earlyStopping', () => {
  beforeAll(() => use('cpu-js'));
  const run = (callbacks: Callback[], options: object = {}) =>
    train(linearNet(), fakeLoader(12, 3), fakeLoader(6, 3), {
      ...quiet,
      lr: spoiled,
      numEpochs: 6,
      callbacks,
      ...options,
    });

  it('restores the best where a run comes to its end, or something else ends it', async () => {
    const stopAt = (epoch: number): Callback => {
      let stop = (_: string) => {};
      return {
        onTrainBegin: ({ control }) => {
          stop = control.stop;
        },
        onEpochEnd: (record) => {
          if (record.epoch === epoch) stop('enough');
        },
      };
    };
    for (const others of [[], [stopAt(5)]]) {
      const net = linearNet();
      const callbacks = [earlyStopping({ monitor: 'testLoss', patience: 99 }), ...others];
      const { history } = await train(net, fakeLoader(12, 3), fakeLoader(6, 3), {
        ...quiet,
        lr: spoiled,
        numEpochs: 6,
        callbacks,
      });
      const best = Math.min(...history.map(({ testLoss }) => testLoss as number));
      expect(history.at(-1)?.testLoss).toBeGreaterThan(best);
      expect((await evaluate(net, fakeLoader(6, 3))).loss).toBeCloseTo(best, 6);
    }
  });

  const values = (
    epochs: (number | null)[],
    options: Parameters<typeof earlyStopping>[0],
    key = options?.monitor ?? 'testAcc',
  ) => {
    const reasons: string[] = [];
    const callback = earlyStopping(options);
    const model = { getWeights: () => [], setWeights: () => {} };
    void callback.onTrainBegin?.({
      model,
      numEpochs: 99,
      control: { stop: (reason: string) => reasons.push(reason) },
    } as never);
    const ended = epochs.findIndex((value, i) => {
      void callback.onEpochEnd?.({ epoch: i + 1, [key]: value } as never);
      return reasons.length > 0;
    });
    return ended < 0 ? undefined : ended + 1;
  };

  it('waits for `patience` epochs', () => {
    expect(values([0.5, 0.6, 0.6, 0.59, 0.58, 0.57, 0.56], {})).toBe(7); // patience 5
    expect(values([0.5, 0.6, 0.6, 0.59, 0.61, 0.6, 0.6], { patience: 2 })).toBe(4);
    expect(values([0.5, 0.6, 0.6, 0.61, 0.61, 0.6], { patience: 2 })).toBe(6);
    expect(values([3, 2, 1, 1.5], { monitor: 'loss', patience: 1 })).toBe(4);
    expect(values([3, 2, 1.95, 1.92], { monitor: 'loss', patience: 2, minDelta: 0.1 })).toBe(4);
    expect(
      values([0.5, 0.4, 0.3], { monitor: 'testAcc', mode: 'min', patience: 1 }),
    ).toBeUndefined();
    expect(values([Number.NaN, Number.NaN], { monitor: 'loss', patience: 2 })).toBe(2);
    expect(values([2, Number.NaN, 1, Number.NaN], { monitor: 'loss', patience: 1 })).toBe(2);
  });

  it('leaves no tensor behind, nor when the run fails', async () => {
    await expectNoLeak(async () => {
      const net = linearNet();
      const callbacks = [earlyStopping({ monitor: 'testLoss', patience: 1 })];
      await train(net, fakeLoader(12, 3), fakeLoader(6, 3), {
        ...quiet,
        lr: spoiled,
        numEpochs: 6,
        callbacks,
      });
      const broken: Callback = {
        onEpochEnd: ({ epoch }) => {
          if (epoch === 2) throw new Error('stop here');
        },
      };
      const failing = train(net, fakeLoader(12, 3), fakeLoader(6, 3), {
        ...quiet,
        callbacks: [earlyStopping(), broken],
      });
      await expect(failing).rejects.toThrow('stop here');
      net.dispose();
    });
  });

  it('says so when the run does not measure what it watches', async () => {
    const callbacks = [earlyStopping()];
    await expect(
      train(linearNet(), fakeLoader(6, 3), null, { ...quiet, callbacks }),
    ).rejects.toThrow(
      '[trainer] earlyStopping: watches "testAcc", which this run does not measure; give train a test loader, or watch "loss"',
    );
    expect(() => earlyStopping({ patience: 0 })).toThrow(
      /"patience" must be an integer of at least 1, got 0/,
    );
    await expect(run([earlyStopping({ patience: 1 })])).resolves.toHaveProperty('stopped');
  });
});

describe.each(backends)('stopOnNaN on $title', ({ name, absent }) => {
  beforeAll(async () => {
    if (!absent) await use(name);
  });
  /** Ten batches, of which one is not as the others. */
  const withOdd = (at: number, change: (features: tf.Tensor) => tf.Tensor) => {
    const good = fakeLoader(30, 3);
    return Object.assign(fakeLoader(30, 3), {
      async *[Symbol.asyncIterator]() {
        let batch = 0;
        for await (const { features, labels } of good) {
          const isOdd = ++batch === at;
          const given = isOdd ? change(features) : features;
          if (isOdd) features.dispose();
          yield { features: given, labels };
        }
      },
    }) as never;
  };

  it.skipIf(absent)('names the layer whose output overflows', async () => {
    const net = normNet();
    const [kernel, ...others] = net.getLayer('second').getWeights();
    const huge = tf.fill((kernel as tf.Tensor).shape, 2e38);
    net.getLayer('second').setWeights([huge, ...others]);
    huge.dispose();
    const before = weights(net);
    const failing = train(net, fakeLoader(30, 3), null, { ...quiet, callbacks: [stopOnNaN()] });
    await expect(failing).rejects.toThrow(
      "[trainer] stopOnNaN: the output of 'second' became not finite at step 1 of epoch 1; lower the learning rate, which was 0.5, or look at the batch",
    );
    expect(weights(net).slice(0, 4)).toEqual(before.slice(0, 4));
  });

  it.skipIf(absent)(
    'finds it between the steps at which the loss is read, and leaves the weights before',
    async () => {
      const net = normNet();
      const odd = withOdd(3, (features) => tf.mul(features, Number.POSITIVE_INFINITY)); // of ten steps 1, 2, 4, ... are read
      await expect(train(net, odd, null, { ...quiet, callbacks: [stopOnNaN()] })).rejects.toThrow(
        /stopOnNaN: the output of 'flat_input' became not finite at step 3 of epoch 1/,
      );
      const other = normNet();
      let steps = 0;
      let stop = (_: string) => {};
      const twoSteps: Callback = {
        onTrainBegin: ({ control }) => {
          stop = control.stop;
        },
        onStep: () => {
          if (++steps === 2) stop('two steps');
        },
      };
      await train(other, fakeLoader(30, 3), null, { ...quiet, callbacks: [twoSteps] });
      expect(weights(net)).toEqual(weights(other));
    },
  );

  it.skipIf(absent)('changes nothing of a valid run, and leaves no tensor behind', async () => {
    const [with_, without] = [normNet(), normNet()];
    await train(with_, fakeLoader(30, 3), null, { ...quiet, callbacks: [stopOnNaN({ every: 3 })] });
    await train(without, fakeLoader(30, 3), null, quiet);
    expect(weights(with_)).toEqual(weights(without));
    await expectNoLeak(() =>
      train(without, fakeLoader(9, 3), null, { ...quiet, lr: 1e-3, callbacks: [stopOnNaN()] }),
    );
    await expectNoLeak(async () => {
      const net = normNet();
      const odd = withOdd(3, (features) => tf.mul(features, Number.NaN));
      await expect(train(net, odd, null, { ...quiet, callbacks: [stopOnNaN()] })).rejects.toThrow(
        'stopOnNaN',
      );
      net.dispose();
    });
  });
});

describe('clocks', () => {
  const lines: string[] = [];
  beforeAll(() => use('cpu-js'));
  beforeEach(() => {
    lines.length = 0;
    vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)));
    return () => vi.restoreAllMocks();
  });

  it('timeLimit ends the run once its time is over, and not before', async () => {
    let steps = 0;
    const count = { onStep: () => void steps++ };
    const over = await train(linearNet(), fakeLoader(9, 3), null, {
      ...quiet,
      callbacks: [timeLimit(1e-9), count],
    });
    expect(over.stopped).toBe('the time limit of 1e-9 s is over');
    expect(steps).toBe(1);
    const within = await train(linearNet(), fakeLoader(9, 3), null, {
      ...quiet,
      callbacks: [timeLimit(1e6)],
    });
    expect(within).not.toHaveProperty('stopped');
    expect(() => timeLimit(0)).toThrow(
      '[trainer] timeLimit: expected a number of seconds above 0, got 0',
    );
  });

  it('samplesPerSecond prints the samples of its steps over their time, from zero in each epoch', async () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const callback = samplesPerSecond({ every: 2 });
    const batch = (size: number) => ({ features: { dataId: {}, shape: [size, 4] } });
    let size = 8;
    await callback.onTrainBegin?.({ control: { lastBatch: () => batch(size) } } as never);
    for (const epoch of [1, 2]) {
      await callback.onEpochBegin?.({ epoch });
      for (let step = 1; step <= 5; step++) {
        now += 100;
        size = step === 4 ? 2 : 8;
        await callback.onStep?.({ epoch, step, numBatches: 5 } as never);
      }
      now += 5000; // an evaluation
    }
    expect(lines).toEqual([
      'epoch 1, step 2/5: 80.0 examples/sec',
      'epoch 1, step 4/5: 50.0 examples/sec',
      'epoch 2, step 2/5: 80.0 examples/sec',
      'epoch 2, step 4/5: 50.0 examples/sec',
    ]);
  });

  it('samplesPerSecond prints in a run', async () => {
    await train(linearNet(), fakeLoader(9, 3), null, {
      ...quiet,
      callbacks: [samplesPerSecond({ every: 3 })],
    });
    expect(lines).toHaveLength(3);
    for (const line of lines) expect(line).toMatch(/^epoch \d, step 3\/3: \d+\.\d examples\/sec$/);
  });
});

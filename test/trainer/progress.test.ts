/** What a person sees while a run runs: in a notebook, on a terminal, in a log. */
import { inspect } from 'node:util';
import { train } from '@deepend/trainer';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { releaseLiveOutput } from '../../packages/core/src/live-output';
import { adviceFor } from '../../packages/trainer/src/advice';
import { formatDuration } from '../../packages/trainer/src/estimate';
import { costForSize } from '../../packages/trainer/src/image-cost';
import { barLine, ProgressBar } from '../../packages/trainer/src/progress-bar';
import { use } from '../helpers/backends';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { type FakeNotebook, fakeTslab } from '../helpers/notebook';
import { Screen } from '../helpers/screen';

beforeAll(() => use('cpu-js'));

describe('in a notebook', () => {
  let notebook: FakeNotebook;
  let printed: string[];
  beforeEach(() => {
    notebook = fakeTslab();
    notebook.runCell();
    printed = [];
    vi.spyOn(console, 'log').mockImplementation((line) => void printed.push(line));
  });
  afterEach(() => {
    notebook.end();
    vi.restoreAllMocks();
  });
  const text = () => notebook.outputs().map((data) => data['text/plain']);
  const run = (numEpochs: number, callbacks: object[] = []) =>
    train(linearNet(), fakeLoader(20, 10), null, { numEpochs, lr: 0.1, callbacks });

  it('epochs are lines of one output, and the closing lines are printed', async () => {
    await run(3);
    const lines = text()[0]?.split('\n') ?? [];
    expect(text()).toHaveLength(1);
    expect(lines.map((line) => line.replace(/ \(.*/, '').replace(/\d\.\d{3}/g, '#'))).toEqual([
      'epoch 1/3  loss #, train acc # ',
      'epoch 2/3  loss #, train acc # ',
      'epoch 3/3  loss #, train acc # ',
    ]);
    expect(printed).toHaveLength(4);
    expect(printed[3]).toMatch(/^\d+\.\d examples\/sec on /);
  });

  it('of many epochs the last twenty are shown, and the others counted', async () => {
    await run(30);
    const lines = text()[0]?.split('\n') ?? [];
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe('(10 epochs before)');
    expect(lines.at(-1)).toMatch(/^epoch 30\/30 /);
  });

  it('one line is enough where curves are drawn', async () => {
    await run(3, [{ drawsLive: true }]);
    expect(text()).toEqual([expect.stringMatching(/^epoch 3\/3 {2}loss .* \(\d+\.\d s\)$/)]);
  });

  it('within an epoch there is a bar, with no escape codes, on a terminal too', async () => {
    const states: string[] = [];
    const terminal = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
    Object.defineProperty(process.stderr, 'isTTY', { value: true, configurable: true });
    const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const wait = {
      onStep: () => new Promise<void>((resolve) => setTimeout(resolve, 260)),
      onEpochEnd: () => {},
    };
    await run(1, [wait, { onStep: () => void states.push(text()[0] ?? '') }]);
    expect(write).not.toHaveBeenCalled();
    if (terminal) Object.defineProperty(process.stderr, 'isTTY', terminal);
    else Reflect.deleteProperty(process.stderr, 'isTTY');
    expect(states[0]).toMatch(/^epoch 1\/1 █{12}░{12} 1\/2 \| loss \d/);
    expect(states[1]).toMatch(/^epoch 1\/1 █{24} 2\/2 \| loss \d/);
  });

  it('a result that ends a cell is printed in a line, and is the same object of figures', async () => {
    const result = await run(12);
    expect(inspect(result)).toMatch(
      /^\{ history: \[12 records\], device: .*, samplesPerSecond: \d+\.\d \}$/,
    );
    expect(Object.keys(result)).toEqual(['history', 'device', 'samplesPerSecond']);
    expect(JSON.parse(JSON.stringify(result)).history).toHaveLength(12);
  });

  it('progress: false shows nothing', async () => {
    await train(linearNet(), fakeLoader(20, 10), null, { numEpochs: 1, lr: 0.1, progress: false });
    expect([notebook.outputs(), printed]).toEqual([[], []]);
  });
});

describe('in a log', () => {
  const lines: string[] = [];
  let now = 0;
  beforeEach(() => {
    lines.length = 0;
    now = 0;
    vi.spyOn(console, 'log').mockImplementation((line) => void lines.push(String(line)));
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    return () => vi.restoreAllMocks();
  });
  /** Each step takes this long by the clock that `train` reads. */
  const stepsOf = (seconds: number) => ({
    onStep: () => {
      now += 1000 * seconds;
    },
  });
  const run = (seconds: number, numEpochs: number, callbacks: object[] = []) =>
    train(linearNet(), fakeLoader(20, 2), fakeLoader(6, 2), {
      numEpochs,
      lr: 0.1,
      callbacks: [stepsOf(seconds), ...callbacks],
    });
  const within = () => lines.filter((line) => / step /.test(line));

  it('a long epoch prints a line every 30 s, and says how long the run takes', async () => {
    await run(10, 2);
    // An epoch is 10 steps, and an evaluation that takes as long as one.
    expect(lines[2]).toBe('about 4 min for 2 epochs');
    expect(within().map((line) => line.replace(/loss.*acc \d\.\d{3}/, '#'))).toEqual([
      'epoch 1/2  step 4/10  #  (about 3 min to go)',
      'epoch 1/2  step 7/10  #  (about 3 min to go)',
      'epoch 2/2  step 4/10  #  (about 70 s to go)',
      'epoch 2/2  step 7/10  #  (about 40 s to go)',
    ]);
  });

  it('so it does with a live chart, which is not drawn there', async () => {
    await run(10, 1, [{ drawsLive: true }]);
    expect(within()).toHaveLength(2);
    expect(lines.filter((line) => line.startsWith('epoch 1/1  loss'))).toHaveLength(1);
  });

  it('a short run has neither', async () => {
    await run(0.01, 2);
    expect(within()).toEqual([]);
    expect(lines.filter((line) => line.startsWith('about'))).toEqual([]);
  });

  it('epochs that are too short to measure are measured as a whole', async () => {
    await run(0.15, 30); // 1.5 s for 10 steps, 2.9 steps of 3.1 are evaluated
    expect(lines.find((line) => line.startsWith('about'))).toMatch(/^about \d+ s for 29 epochs$/);
  });

  it('a run of more than ten minutes has advice', async () => {
    await run(100, 3);
    expect(lines[2]).toBe('about 55 min for 3 epochs; `numEpochs: 1` would take about 18 min');
  });
});

describe('advice for long runs', () => {
  const conv = (size: number) =>
    tfl.sequential({
      layers: [
        tfl.layers.conv2d({
          filters: 4,
          kernelSize: 3,
          padding: 'same',
          inputShape: [size, size, 1],
        }),
        tfl.layers.maxPooling2d({ poolSize: 2 }),
        tfl.layers.conv2d({ filters: 8, kernelSize: 5 }),
        tfl.layers.flatten(),
        tfl.layers.dense({ units: 3 }),
      ],
    });

  it('counts multiply-accumulates for any size that the layers take', () => {
    const count = (size: number) => {
      const half = size / 2 - 4;
      return 9 * 4 * size ** 2 + 25 * 4 * 8 * half ** 2 + 8 * half ** 2 * 3;
    };
    const model = conv(96);
    for (const size of [28, 64, 96]) expect(costForSize(model, size)).toBe(count(size));
    expect(costForSize(model, 8)).toBeUndefined(); // 4 pixels are left for a kernel of 5
  });

  const run = { model: conv(96), inputShape: [96, 96, 1], numEpochs: 10, seconds: 6600 };
  const fraction = (size: number) =>
    (costForSize(run.model, size) as number) / (costForSize(run.model, 96) as number);

  it('is the images own size, where they were enlarged', () => {
    const time = formatDuration(6600 * fraction(28));
    expect(adviceFor({ ...run, originalSize: 28 })).toBe(`\`resize: 28\` would take about ${time}`);
  });

  it('is else the largest size with a short run, and fewer epochs where none is', () => {
    expect(adviceFor(run)).toBe('`resize: 32` would take about 9 min');
    expect(adviceFor({ ...run, seconds: 1000 })).toMatch(/^`resize: 64` would take about \d min$/);
    expect(adviceFor({ ...run, model: conv(28), inputShape: [28, 28, 1] })).toBe(
      '`numEpochs: 1` would take about 11 min',
    );
    expect(adviceFor({ ...run, seconds: 500 })).toBeUndefined();
  });

  it('rounds times as an estimate deserves', () => {
    const times = [0.2, 7.4, 44, 89, 91, 420, 3540, 6590, 7190, 100_000, 260_000];
    expect(times.map(formatDuration)).toEqual([
      ...['1 s', '7 s', '45 s', '90 s', '2 min', '7 min', '59 min'],
      ...['1 h 50 min', '2 h', '27 h 50 min', '3 days'],
    ]);
  });
});

describe('on a terminal', () => {
  const parts = {
    ...{ epoch: 10, numEpochs: 10, step: 1234, numBatches: 1234 },
    ...{ toGo: '1 h 50 min to go', loss: 0.411, trainAcc: 0.853 },
  };

  it.each([30, 40, 60, 80, 100, 200])('the line keeps its figures in %d columns', (columns) => {
    for (const line of [barLine(parts, columns), barLine({ ...parts, toGo: '' }, columns)]) {
      expect(line.length).toBeLessThan(columns);
      expect(line).toMatch(/loss 0\.411,? (train )?acc 0\.853$/);
    }
  });

  it('the line has all parts where there is room', () => {
    expect(barLine({ ...parts, step: 617 }, 120)).toBe(
      `epoch 10/10 ${'█'.repeat(12)}${'░'.repeat(12)} 617/1234 | 1 h 50 min to go | ` +
        'loss 0.411, train acc 0.853',
    );
  });

  it('a message during the run stays, on a line of its own, and the line continues below', () => {
    const screen = new Screen();
    const stream = { columns: 80, write: (text: string) => screen.feed(text) };
    const bar = new ProgressBar(stream as never);
    bar.update(parts);
    screen.feed('^C'); // the terminal echoes it
    releaseLiveOutput();
    screen.feed('interrupted: finishing the step\n');
    bar.update(parts);
    expect(screen.lines).toEqual(['interrupted: finishing the step', barLine(parts, 80)]);
    bar.clear();
    screen.feed('$ ');
    expect(screen.lines).toEqual(['interrupted: finishing the step', '$']);
  });
});

/** What a person sees while a run runs, where it is not a terminal. */
import { inspect } from 'node:util';
import { train } from '@deepend/trainer';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { fakeLoader, linearNet } from '../helpers/loaders';
import { type FakeNotebook, fakeTslab } from '../helpers/notebook';

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
    expect(printed).toHaveLength(2);
    expect(printed[1]).toMatch(/^\d+\.\d examples\/sec on /);
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
    expect(states[1]).toMatch(/^epoch 1\/1 █{24} 2\/2 \| 0s to go \| loss \d/);
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

/** Where a figure is shown, and how a kernel is told from any other program. */
import { inspect } from 'node:util';
import { notebook } from '@deepend/core';
import { Animator, ProgressBoard, plot, show } from '@deepend/plot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type FakeNotebook, fakeTslab } from '../helpers/notebook';

afterEach(() => {
  vi.restoreAllMocks();
  Reflect.deleteProperty(globalThis, 'Deno');
});

const figure = plot([1, 2, 3]);
const bundle = figure.notebookBundle();

it('the PNG in a notebook is the figure in 256 colors', async () => {
  const { default: sharp } = await import('sharp');
  const all = await figure.toPng();
  const few = Buffer.from(String(bundle['image/png']), 'base64');
  expect(few.length).toBeLessThan(0.75 * all.length);
  const [a, b] = await Promise.all(
    [all, few].map((png) => sharp(png).removeAlpha().raw().toBuffer()),
  );
  expect(b?.length).toBe(a?.length);
  const differences = Array.from(a ?? [], (value, i) => Math.abs(value - (b?.[i] ?? NaN)));
  expect(differences.reduce((sum, value) => sum + value, 0) / differences.length).toBeLessThan(0.5);
});

describe('outside notebooks', () => {
  it('a figure is shown as text', () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    expect(show(figure)).toBeUndefined();
    expect(write.mock.calls).toEqual([[`${figure.toText()}\n`]]);
  });

  it('a figure is inspectFigure as a line', () => {
    expect(inspect(figure)).toBe('Figure 560 × 400: Line chart');
    expect(inspect({ deep: [figure] })).toBe('{ deep: [ Figure 560 × 400: Line chart ] }');
  });

  it('nothing is taken for a kernel that only looks like one', () => {
    expect(notebook()).toBeUndefined();
    const kernel = fakeTslab(); // loaded, but never sent a cell: another program that imports tslab
    expect(notebook()).toBeUndefined();
    kernel.end();
    Object.assign(globalThis, { Deno: { version: {} } }); // deno run
    expect(notebook()).toBeUndefined();
    const refused = {
      get jupyter() {
        throw new Error('only in deno jupyter');
      },
    };
    Object.assign(globalThis, { Deno: refused });
    expect(notebook()).toBeUndefined();
  });
});

it('a figure with letters of the system has a PNG in a notebook, and a warning for what is missing', async () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const pngOf = (xlabel: string) =>
    plot([1, 2], [1, 2], { xlabel }).notebookBundle()['image/png'] ?? '';
  const isPng = /^iVBORw0KGgo/; // the signature in base64
  expect(pngOf('x')).toMatch(isPng);
  const warnings = () => warn.mock.calls.map(([text]) => String(text));
  expect(warnings().filter((text) => text.includes('[plot]'))).toEqual([]);
  expect(pngOf('漢字')).toMatch(isPng);
  expect(pngOf('漢字')).not.toBe(pngOf(''));
  const unassigned = '\u{3fffd}'; // no font has it
  expect(pngOf(unassigned)).toMatch(isPng);
  // The letters are rendered on other threads, which a busy machine keeps waiting.
  const warned = () => warnings().some((text) => text.includes(unassigned));
  await vi.waitFor(() => expect(warned()).toBe(true), { timeout: 30_000, interval: 50 });
}, 60_000);

describe('a chart that changes, in a notebook', () => {
  const STATES = [{ epoch: 1, loss: 0.5, trainAcc: 0.8, testAcc: 0.7 }] as const;
  const hasPng = ({ outputs }: FakeNotebook) => outputs().map((data) => 'image/png' in data);

  it('gets its PNG at the end of training, in the same output', () => {
    const kernel = fakeTslab();
    kernel.runCell();
    const animator = new Animator();
    animator.onTrainBegin({ numEpochs: 1 });
    animator.onEpochEnd(STATES[0]);
    expect(hasPng(kernel)).toEqual([false]);
    animator.onTrainEnd();
    expect(hasPng(kernel)).toEqual([true]);
    kernel.end();
  });

  it('gets it when it has not changed for a second, if a loop draws it', async () => {
    const kernel = fakeTslab();
    kernel.runCell();
    const board = new ProgressBoard();
    for (let x = 0; x < 5; x++) board.draw(x, x * x, 'square');
    const animator = new Animator();
    animator.add(1, 0.5);
    expect(hasPng(kernel)).toEqual([false, false]);
    await vi.waitFor(() => expect(hasPng(kernel)).toEqual([true, true]), { timeout: 10_000 });
    kernel.end();
  });

  it('gets it above a cell that began since, where it is shown: all cells may be run in a row', async () => {
    const kernel = fakeTslab();
    kernel.runCell();
    const board = new ProgressBoard();
    board.draw(1, 1, 'y');
    kernel.runCell();
    await vi.waitFor(() => expect(hasPng(kernel)).toEqual([true]), { timeout: 10_000 });
    kernel.end();
  });
});

describe("in tslab's kernel", () => {
  it('a figure is shown with all its forms, and shown anew each time', () => {
    const kernel = fakeTslab();
    kernel.runCell();
    show(figure);
    show(figure);
    expect(kernel.outputs()).toEqual([bundle, bundle]);
    kernel.end();
  });

  it('a figure that is inspectFigure by itself is shown, and a part of something is a line', () => {
    const kernel = fakeTslab();
    kernel.runCell();
    expect(inspect(figure)).toBe('');
    expect(kernel.outputs()).toEqual([bundle]);
    expect(inspect([figure])).toBe('[ Figure 560 × 400: Line chart ]');
    expect(kernel.outputs()).toHaveLength(1);
    kernel.end();
  });
});

describe("in Deno's kernel", () => {
  it('a figure is broadcast', () => {
    const sent: unknown[][] = [];
    Object.assign(globalThis, {
      Deno: { jupyter: { broadcast: (...message: unknown[]) => void sent.push(message) } },
    });
    expect(notebook()?.kernel).toBe('deno');
    show(figure);
    expect(sent).toEqual([
      ['display_data', expect.objectContaining({ data: bundle, metadata: {} })],
    ]);
    expect(inspect(figure)).toBe('Figure 560 × 400: Line chart'); // Deno has a hook for what ends a cell
  });

  it('a broadcast that fails is told, and fails nothing else', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {});
    Object.assign(globalThis, {
      Deno: { jupyter: { broadcast: () => Promise.reject(new Error('no front end')) } },
    });
    show(figure);
    await new Promise((resolve) => setImmediate(resolve));
    expect(told.mock.calls[0]?.[0]).toMatchObject({ message: 'no front end' });
  });
});

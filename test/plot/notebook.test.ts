/** Where a figure is shown, and how a kernel is told from any other program. */
import { inspect } from 'node:util';
import { notebook } from '@deepend/core';
import { plot, show } from '@deepend/plot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fakeTslab } from '../helpers/notebook';

afterEach(() => {
  vi.restoreAllMocks();
  Reflect.deleteProperty(globalThis, 'Deno');
});

const figure = plot([1, 2, 3]);
const bundle = figure.mimeBundle({ png: await figure.toPng() });

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

it('a figure with letters of the system has no PNG in a notebook', () => {
  expect(Object.keys(plot([1, 2], [1, 2], { xlabel: 'x' }).notebookBundle())).toContain(
    'image/png',
  );
  expect(Object.keys(plot([1, 2], [1, 2], { xlabel: '漢字' }).notebookBundle())).not.toContain(
    'image/png',
  );
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

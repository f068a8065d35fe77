/** Charts of lines. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Animator, type ChartOptions, curves, type HistoryRecord, plot } from '@deepend/plot';
import fc from 'fast-check';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull, runsOf } from '../helpers/full';
import { expectGolden } from './golden';

const history = (epochs: number): HistoryRecord[] =>
  Array.from({ length: epochs }, (_, i) => ({
    epoch: i + 1,
    loss: 0.9 * 0.7 ** i + 0.01,
    trainAcc: 1 - 0.3 * 0.75 ** i,
    testAcc: 0.92 - 0.2 * 0.6 ** i + (i % 3) * 0.01,
  }));
const x = Array.from({ length: 40 }, (_, i) => i / 4 + 0.25);
const GROWTH = {
  legend: ['square', 'cube', 'power of two'],
  yscale: 'log',
  xlabel: 'x',
  ylabel: 'f(x)',
  title: 'Growth: x², x³ and 2ˣ',
  fmts: ['-', 'mo', 'g-.'],
} as const satisfies ChartOptions;

const NOTES = [
  { text: 'the minimum', xy: [0, 0], xytext: [0.5, 6] },
  { text: 'moved to where it has room', xy: [3, 9], xytext: [2.9, 4] },
] as const;

const CHARTS = {
  'ten-epochs': () => curves(history(10)),
  'one-epoch': () => curves(history(1)),
  'no-test-set': () =>
    curves(history(4).map((record) => ({ ...record, testAcc: null, loss: 3 * record.loss }))),
  'a-gap': () =>
    curves(
      history(6).map((record, i) => ({ ...record, loss: i === 2 ? Number.NaN : record.loss })),
    ),
  logarithmic: () =>
    plot(x, [x.map((v) => v ** 2), x.map((v) => v ** 3), x.map((v) => 2 ** v)], GROWTH),
  'y-alone': () => plot([3, 1, 2]),
  annotated: () => plot([0, 1, 2, 3], [0, 1, 4, 9], { annotate: NOTES }),
  'beyond-the-limits': () => plot([0, 1, 2, 3], [0, 1, 4, 9], { xlim: [0.5, 2.5], ylim: [0, 5] }),
};

describe('charts', () => {
  it.each(Object.entries(CHARTS))('%s', async (name, draw) => {
    await expectGolden(name, draw().svg);
  });

  it('take their options under the other names too', () => {
    const names = {
      xlabel: 'x',
      ylabel: 'y',
      xlim: [1, 9],
      ylim: [1, 9],
      xscale: 'log',
      yscale: 'log',
    } as const;
    const others = {
      xLabel: 'x',
      yLabel: 'y',
      xLim: [1, 9],
      yLim: [1, 9],
      xScale: 'log',
      yScale: 'log',
    } as const;
    expect(plot([2, 3], [4, 5], others).svg).toBe(plot([2, 3], [4, 5], names).svg);
    expect(new Animator({ xLabel: 'step' }).figure().svg).toContain('>step<');
  });

  it('are sound SVG, whatever is drawn', () => {
    const numbers = fc.array(fc.double({ noDefaultInfinity: false }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(numbers, fc.string({ unit: 'binary', maxLength: 20 }), (values, text) => {
        const { svg } = plot(values, undefined, { title: text, xlabel: text, legend: [text] });
        expect(svg).not.toMatch(
          /NaN|Infinity|undefined/.test(text) ? /="NaN/ : /NaN|Infinity|undefined/,
        );
        expect(svg.match(/<text/g)?.length).toBe(svg.match(/<\/text>/g)?.length);
      }),
      { numRuns: runsOf(300) },
    );
  });
});

describe('a figure', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  });
  afterAll(() => fs.remove(dir));

  it('is saved whole or not at all', async () => {
    const figure = curves(history(3));
    await figure.save(path.join(dir, 'deep', 'a.svg'));
    await figure.save(path.join(dir, 'deep', 'a.png'));
    await figure.save(path.join(dir, 'deep', 'a.png'));
    expect((await fs.readdir(path.join(dir, 'deep'))).sort()).toEqual(['a.png', 'a.svg']);
    await fs.writeFile(path.join(dir, 'file'), '');
    await expect(figure.save(path.join(dir, 'file', 'a.svg'))).rejects.toThrow(
      /\[plot\] save: cannot write .*a\.svg: /,
    );
    await expect(figure.save(path.join(dir, 'a.jpg'))).rejects.toThrow(
      /a\.jpg: expected a file name that ends in one of \.svg, \.png, \.html, \.txt/,
    );
  });

  it('is a PNG of twice its size', async () => {
    const { default: sharp } = await import('sharp');
    const { width, height } = await sharp(
      await plot([1, 2], undefined, { width: 200, height: 150 }).toPng(),
    ).metadata();
    expect([width, height]).toEqual([400, 300]);
    await expect(curves(history(1)).toPng({ scale: 0 })).rejects.toThrow(
      /"scale" must be a number above 0 and at most 8, got 0/,
    );
  });

  if (isFull)
    it('has its letters on a machine without fonts', async () => {
      const { execFile } = await import('node:child_process');
      const { promisify } = await import('node:util');
      const empty = path.join(dir, 'fonts.conf');
      await fs.writeFile(
        empty,
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>',
      );
      const script = path.join(import.meta.dirname, 'dark-pixels.mjs');
      const env = { ...process.env, FONTCONFIG_FILE: empty };
      const run = async (title: string) =>
        Number(
          (
            await promisify(execFile)(
              'npx',
              ['tsx', '--tsconfig', 'tsconfig.json', script, title],
              {
                env,
              },
            )
          ).stdout.trim(),
        );
      const [without, withTitle] = [await run(''), await run('Many letters')];
      expect(withTitle - without).toBeGreaterThan(500);
    });
});

describe('Animator', () => {
  const filled = () => {
    const animator = new Animator({
      legend: ['train loss', 'test acc'],
      xlabel: 'epoch',
      xlim: [0, 3],
    });
    animator.add(1, [0.9, null]);
    animator.add(2, [0.5, 0.7]);
    animator.add(3, [0.3, 0.8]);
    return animator;
  };

  it('draws the same chart as text and as SVG', () => {
    const text = filled().toText({ width: 50, height: 10 });
    expect(text.split('\n')).toHaveLength(10);
    for (const label of ['train loss', 'test acc', 'epoch']) expect(text).toContain(label);
    expect(text).toMatch(/[\u2801-\u28ff]/);
    expect(filled().figure().svg).toContain('train loss');
  });

  it('redraws over its last figure on a terminal, and is silent elsewhere', () => {
    const written: string[] = [];
    const stream = (isTTY: boolean) =>
      ({ isTTY, columns: 60, rows: 20, write: (text: string) => written.push(text) }) as never;
    const quiet = new Animator({}, stream(false));
    quiet.add(1, 2);
    expect(written).toEqual([]);
    const live = new Animator({}, stream(true));
    live.add(1, 2);
    live.add(2, 1);
    expect(written).toHaveLength(2);
    const lines = (written[0] as string).split('\n').length - 1;
    expect(written[1]).toMatch(new RegExp(`^\\r\\u001b\\[${lines}A\\u001b\\[0J`));
  });

  it('is a callback for train', () => {
    const animator = new Animator();
    animator.onTrainBegin({ numEpochs: 2 });
    for (let step = 1; step <= 10; step++)
      animator.onStep({
        epoch: 1,
        step,
        numBatches: 10,
        loss: 1 / Math.ceil(step / 2),
        trainAcc: 0.5,
      });
    for (const record of history(2)) animator.onEpochEnd(record);
    const { svg } = animator.figure();
    for (const name of ['train loss', 'train acc', 'test acc', 'epoch'])
      expect(svg).toContain(name);
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['no points', () => plot([]), /plot: expected at least one point, got none/],
    [
      'another number of x',
      () => plot([1, 2], [3]),
      /expected the same number of x and y values in series 0, got 2 x and 1 y/,
    ],
    [
      'another number of names',
      () => plot([1, 2], [3, 4], { legend: ['a', 'b'] }),
      /expected 1 names in "legend", one for each series, got 2/,
    ],
    [
      'an unknown option',
      () => plot([1], [1], { xlabels: 'x' } as never),
      /there is no option "xlabels"; did you mean "xlabel"\?/,
    ],
    [
      'an option under both its names',
      () => plot([1], [1], { xlabel: 'x', xLabel: 'y' }),
      /plot: "xLabel" and another spelling of it are both given; remove one/,
    ],
    [
      'limits the wrong way round',
      () => plot([1], [1], { ylim: [1, 0] }),
      /"ylim" must be two finite numbers, \[low, high\], got \[1, 0\]/,
    ],
    [
      'a format that is none',
      () => plot([1], [1], { fmts: ['zz'] }),
      /"fmts.0" must be a format such as '-', 'm--' or 'ro', got 'zz'/,
    ],
    [
      'an annotation with no place',
      () =>
        plot([1, 2], [1, 2], {
          yscale: 'log',
          annotate: [{ text: 'low', xy: [1, 0], xytext: [1, 1] }],
        }),
      /annotate: 'low' with xy .* has no place on a logarithmic axis/,
    ],
    [
      'an annotation that is half',
      () => plot([1], [1], { annotate: [{ text: 'a', xy: [1, 2] }] as never }),
      /"annotate.0.xytext" must be two finite numbers/,
    ],
    ['no epochs', () => curves([]), /expected a history of at least one epoch, got \[\]/],
    [
      'values for other names',
      () => new Animator({ legend: ['a'] }).add(1, [1, 2]),
      /expected 1 values, one for each name of "legend", got 2/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

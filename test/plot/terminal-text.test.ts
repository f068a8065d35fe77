/** What a terminal is sent: colours, columns, blocks and bars. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { barLines, toBlocks } from '../../packages/plot/src/blocks';
import {
  ansi256,
  fitColumns,
  measureColumns,
  paintLine,
  type Rgb,
  textSize,
} from '../../packages/plot/src/characters';
import { runsOf } from '../helpers/full';

/** xterm's colours 16 to 255: a cube of 6 × 6 × 6 and 24 greys. */
const PALETTE = Array.from({ length: 240 }, (_, i): Rgb => {
  const level = (step: number) => (step === 0 ? 0 : 55 + 40 * step);
  return i < 216
    ? [level(Math.floor(i / 36)), level(Math.floor(i / 6) % 6), level(i % 6)]
    : [8 + 10 * (i - 216), 8 + 10 * (i - 216), 8 + 10 * (i - 216)];
});
const distance = (a: Rgb, b: Rgb) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
const channel = fc.integer({ min: 0, max: 255 });
const plain = (line: string) =>
  line.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '');

describe('colours of a terminal', () => {
  it('are the nearest of 256', () => {
    fc.assert(
      fc.property(channel, channel, channel, (r, g, b) => {
        const chosen = distance([r, g, b], PALETTE[ansi256([r, g, b]) - 16] as Rgb);
        expect(chosen).toBe(Math.min(...PALETTE.map((color) => distance([r, g, b], color))));
      }),
      { numRuns: runsOf(2000) },
    );
  });

  it('take one code for neighbours that look alike', () => {
    const cells = [
      { text: 'a', fore: 25 },
      { text: 'b', fore: 25 },
      { text: ' ' },
      { text: 'c', fore: 36 },
    ];
    expect(paintLine(cells, 'ansi256')).toBe(
      '\u001b[38;5;25mab \u001b[39m\u001b[38;5;36mc\u001b[39m',
    );
    expect(paintLine(cells, false)).toBe('ab c');
  });

  it('are 24 bits where the terminal promises them', () => {
    const before = process.env.COLORTERM;
    try {
      process.env.COLORTERM = 'truecolor';
      expect(textSize({ color: true }).color).toBe('truecolor');
      process.env.COLORTERM = '';
      expect(textSize({ color: true }).color).toBe('ansi256');
    } finally {
      if (before === undefined) delete process.env.COLORTERM;
      else process.env.COLORTERM = before;
    }
  });
});

describe('text in columns', () => {
  it.each([
    ['abc', 3],
    ['漢字', 4],
    ['한글', 4],
    ['🎉', 2],
    ['e\u0301', 1],
  ])('%s takes %i', (text, columns) => {
    expect(measureColumns(text)).toBe(columns);
  });

  it('fills exactly the columns that it is given', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.integer({ min: 1, max: 30 }),
        (text, columns) => {
          expect(measureColumns(fitColumns(text, columns))).toBe(columns);
        },
      ),
    );
  });
});

describe('blocks', () => {
  it('stay within their room, whatever the image', () => {
    const side = fc.integer({ min: 1, max: 90 });
    fc.assert(
      fc.property(side, side, side, side, (width, height, columns, lines) => {
        const blocks = toBlocks(
          { width, height, at: () => [255, 255, 255] },
          { columns, lines },
          'truecolor',
        ).map(plain);
        expect(blocks.length).toBeGreaterThanOrEqual(1);
        expect(blocks.length).toBeLessThanOrEqual(lines);
        for (const line of blocks) expect(line.length).toBeLessThanOrEqual(columns);
      }),
    );
  });

  it('are two pixels a character, each in its colour', () => {
    const red: Rgb = [255, 0, 0];
    const blue: Rgb = [0, 0, 255];
    const image = { width: 1, height: 2, at: (_: number, y: number) => (y === 0 ? red : blue) };
    expect(toBlocks(image, { columns: 1, lines: 1 }, 'truecolor')).toEqual([
      '\u001b[38;2;255;0;0m\u001b[48;2;0;0;255m▀\u001b[39m\u001b[49m',
    ]);
  });

  it('average what is smaller than a character, and leave out what is unknown', () => {
    const half = {
      width: 2,
      height: 2,
      at: (x: number) => (x === 0 ? ([200, 200, 200] as Rgb) : undefined),
    };
    expect(toBlocks(half, { columns: 1, lines: 1 }, 'truecolor')[0]).toContain('38;2;200;200;200');
    expect(
      toBlocks({ ...half, at: () => undefined }, { columns: 2, lines: 1 }, 'truecolor'),
    ).toEqual(['  ']);
  });
});

describe('bars', () => {
  const bar = (label: string, value: number) => ({ label, value, text: String(value), ansi: 25 });

  it('are as long as their values, to an eighth of a character', () => {
    const lines = barLines([bar('a', 1), bar('bb', 0.5), bar('c', Number.NaN)], {
      width: 25,
      height: undefined,
      color: false,
    });
    const room = 25 - 'bb │'.length - ' 0.5'.length;
    expect(room).toBe(17);
    expect(lines).toEqual([` a │${'█'.repeat(17)} 1`, `bb │${'█'.repeat(8)}▌ 0.5`, ' c │ NaN']);
  });

  it('are cut where they are too many, and counted', () => {
    const lines = barLines(
      Array.from({ length: 30 }, (_, i) => bar(`n${i}`, i)),
      { width: 40, height: 10, color: false },
    );
    expect(lines).toHaveLength(10);
    expect(lines.at(-1)).toBe('… and 21 more');
  });
});

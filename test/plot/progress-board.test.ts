/** The book's ProgressBoard. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Figure, ProgressBoard } from '@deepend/plot';
import fc from 'fast-check';
import fs from 'fs-extra';
import { describe, expect, it } from 'vitest';
import { Screen } from '../helpers/screen';

const labels = (figure: Figure) => figure.points.map(({ label }) => label);

describe('ProgressBoard', () => {
  it('averages every n points of a curve, each curve for itself', () => {
    const board = new ProgressBoard({ xlabel: 'x', display: false });
    for (let x = 0; x < 5; x++) {
      board.draw(x, 10 * x, 'two', { everyN: 2 });
      board.draw(x, x, 'one');
    }
    expect(labels(board.figure())).toEqual([
      'two: 5 at x 0.5', // of 0 and 1
      'two: 25 at x 2.5',
      'one: 0 at x 0',
      'one: 1 at x 1',
      'one: 2 at x 2',
      'one: 3 at x 3',
      'one: 4 at x 4',
    ]);
  });

  it('keeps the mean of all points, however many make one', () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 5 }), (ys, everyN) => {
        const board = new ProgressBoard({ display: false, xlim: [-1, 50] });
        for (const [x, y] of ys.entries()) board.draw(x, y, 'y', { everyN });
        const drawn = board.figure().points;
        expect(drawn).toHaveLength(Math.floor(ys.length / everyN));
        for (const [i, { label }] of drawn.entries()) {
          const mean = ys
            .slice(i * everyN, (i + 1) * everyN)
            .reduce((sum, y) => sum + y / everyN, 0);
          const shown = Number(/y: (\S+) at/.exec(label)?.[1]);
          expect(Math.abs(shown - mean)).toBeLessThanOrEqual(1e-4 * Math.abs(mean) + 1e-6);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('draws on a terminal in place, but not while it waits for a mean', () => {
    const screen = new Screen();
    let writes = 0;
    const write = (text: string) => {
      writes++;
      screen.feed(text);
    };
    const board = new ProgressBoard({}, { isTTY: true, columns: 60, rows: 20, write } as never);
    for (let x = 0; x < 6; x++) board.draw(x, x, 'y', { everyN: 3 });
    expect(writes).toBe(2);
    expect(screen.lines.filter((line) => line.includes('━━ y'))).toHaveLength(1);
  });

  it('is silent with display false, and saves', async () => {
    const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    const board = new ProgressBoard({ display: false }, {
      isTTY: true,
      write: () => expect.fail('it drew'),
    } as never);
    board.draw(1, 2, 'y');
    await board.save(path.join(dir, 'board.svg'));
    expect(await fs.readFile(path.join(dir, 'board.svg'), 'utf8')).toBe(board.figure().svg);
    await fs.remove(dir);
  });

  const cases: [string, () => unknown, RegExp][] = [
    [
      'a legend',
      () => new ProgressBoard({ legend: ['a'] } as never),
      /ProgressBoard: there is no option "legend"; name each curve/,
    ],
    [
      'an unknown option',
      () => new ProgressBoard({ xlabl: 'x' } as never),
      /ProgressBoard: there is no option "xlabl"; did you mean "xlabel"/,
    ],
    [
      'a display that is no flag',
      () => new ProgressBoard({ display: 1 } as never),
      /"display" must be true or false, got 1/,
    ],
    [
      'means of nothing',
      () => new ProgressBoard().draw(1, 1, 'y', { everyN: 0 }),
      /ProgressBoard.draw: option "everyN" must be .* got 0/,
    ],
  ];
  it.each(cases)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

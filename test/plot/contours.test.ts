import { type Grid, plotContours, showTrace2d } from '@deepend/plot';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contourLines, contourRegion } from '../../packages/plot/src/contour-lines';
import { runsOf } from '../helpers/full';
import { expectGolden } from './golden';

const bowl = (x: number, y: number) => 0.1 * x ** 2 + 2 * y ** 2;
const descent = (steps: number, lr: number) => {
  const points = [[-5, -2]];
  for (let i = 0; i < steps; i++) {
    const [x = 0, y = 0] = points[i] ?? [];
    points.push([x - lr * 0.2 * x, y - lr * 4 * y]);
  }
  return points;
};
const square = Array.from({ length: 13 }, (_, i) => (i - 6) / 6);
const steep: Grid = {
  x: square,
  y: square,
  z: square.map((y) =>
    square.map((x) => (x > 0.6 && y > 0.6 ? Number.NaN : 0.1 + 90 * (x * x + y * y) ** 2)),
  ),
};

describe('golden figures', () => {
  it.each([
    [
      'contours',
      () =>
        plotContours((x, y) => Math.sin(x) * Math.cos(y) + x / 5, {
          xlim: [-3, 3],
          ylim: [-2, 2],
          xlabel: 'x',
          ylabel: 'y',
          title: 'Hills',
          resolution: 31,
        }),
    ],
    [
      'contours-lines',
      () =>
        plotContours(bowl, {
          xlim: [-3, 3],
          ylim: [-1, 1],
          filled: false,
          levels: [0.25, 0.5, 1, 2],
          resolution: 31,
          annotate: [{ text: 'minimum', xy: [0, 0], xytext: [1, 0.8] }],
        }),
    ],
    ['loss-landscape', () => plotContours(steep, { zscale: 'log', levels: 8 })],
    ['trace', () => showTrace2d(bowl, descent(20, 0.4), { resolution: 31 })],
  ] as const)('%s', (name, draw) => expectGolden(name, draw().svg));
});

describe('contours of a plane with rounding errors', () => {
  it.each([5e-324, 1e-305, 1 + Number.EPSILON])('are none, up to %d', (value) => {
    const lowest = value > 1 ? 1 : 0;
    const grid = {
      x: [0, 1],
      y: [0, 1],
      z: [
        [lowest, value],
        [lowest, lowest],
      ],
    };
    expect(plotContours(grid).svg).not.toMatch(/NaN|Infinity|undefined/);
  });
});

const side = fc.integer({ min: 2, max: 9 });
const value = fc.oneof(
  fc.double({ noNaN: true, min: -1e3, max: 1e3 }),
  fc.integer({ min: -2, max: 2 }),
);
const grids = fc.tuple(side, side).chain(([columns, rows]) =>
  fc
    .array(fc.array(value, { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    })
    .map(
      (z): Grid => ({
        x: Array.from({ length: columns }, (_, i) => i * 1.5 - 2),
        y: Array.from({ length: rows }, (_, j) => j * 0.5),
        z,
      }),
    ),
);

/**
 * The grid's value on an edge by linear interpolation, found anew from the point alone; NaN off the
 * edges.
 */
function valueOn({ z }: Grid, point: { x: number; y: number }): number {
  const [u, v] = [(point.x + 2) / 1.5, point.y / 0.5];
  const [i, j] = [Math.round(u), Math.round(v)];
  const onColumn = Math.abs(u - i) < 1e-9;
  if (!onColumn && Math.abs(v - j) >= 1e-9) return Number.NaN;
  const at = (column: number, row: number) => z[row]?.[column] ?? 0;
  if (onColumn)
    return (
      at(i, Math.floor(v)) + (v - Math.floor(v)) * (at(i, Math.floor(v) + 1) - at(i, Math.floor(v)))
    );
  return (
    at(Math.floor(u), j) + (u - Math.floor(u)) * (at(Math.floor(u) + 1, j) - at(Math.floor(u), j))
  );
}

describe('contour lines', () => {
  it('have each vertex on an edge of the grid, where linear interpolation gives the level', () => {
    fc.assert(
      fc.property(grids, value, (grid, level) => {
        for (const point of contourLines(grid, level).flat())
          expect(Math.abs(valueOn(grid, point) - level)).toBeLessThan(1e-6);
      }),
      { numRuns: runsOf(500) },
    );
  });

  it('cross each edge between a point that reaches the level and one that does not, once', () => {
    fc.assert(
      fc.property(grids, value, (grid, level) => {
        const values = grid.z.flatMap((row) => Array.from(row));
        fc.pre(values.every((one) => Math.abs(one - level) > 1e-6)); // where a point has the level itself, ends may coincide
        let crossed = 0;
        const high = (j: number, i: number) => (grid.z[j]?.[i] ?? 0) >= level;
        for (let j = 0; j < grid.y.length; j++) {
          for (let i = 0; i < grid.x.length; i++) {
            if (i + 1 < grid.x.length && high(j, i) !== high(j, i + 1)) crossed++;
            if (j + 1 < grid.y.length && high(j, i) !== high(j + 1, i)) crossed++;
          }
        }
        const vertices = contourLines(grid, level).reduce(
          (sum, line) => sum + line.length - (isClosed(line) ? 1 : 0),
          0,
        );
        expect(vertices).toBe(crossed);
      }),
      { numRuns: runsOf(500) },
    );
  });

  it('end on the border of the grid or where they began', () => {
    fc.assert(
      fc.property(grids, value, (grid, level) => {
        const onBorder = ({ x, y }: { x: number; y: number }) =>
          x === grid.x[0] ||
          x === grid.x[grid.x.length - 1] ||
          y === grid.y[0] ||
          y === grid.y[grid.y.length - 1];
        for (const line of contourLines(grid, level)) {
          if (!isClosed(line))
            for (const end of [line[0], line.at(-1)]) expect(end && onBorder(end)).toBe(true);
        }
        for (const outline of contourRegion(grid, level)) expect(isClosed(outline)).toBe(true);
      }),
      { numRuns: runsOf(500) },
    );
  });

  it('have what reaches the level within their region', () => {
    fc.assert(
      fc.property(grids, value, (grid, level) => {
        const outlines = contourRegion(grid, level);
        const values = grid.z.flatMap((row) => Array.from(row)).filter(Number.isFinite);
        const near = 1e-3 + 1e-4 * (Math.max(...values) - Math.min(...values)); // the steeper, the nearer the outline runs
        for (let j = 1; j + 1 < grid.y.length; j++) {
          for (let i = 1; i + 1 < grid.x.length; i++) {
            const at = grid.z[j]?.[i] ?? 0;
            if (Math.abs(at - level) < near) continue; // on the outline itself
            expect(isInside(outlines, { x: grid.x[i] ?? 0, y: grid.y[j] ?? 0 })).toBe(at > level);
          }
        }
      }),
      { numRuns: runsOf(300) },
    );
  });

  it('are circles of a cone, to within what straight pieces miss', () => {
    const axis = Array.from({ length: 41 }, (_, i) => (i - 20) / 10);
    const [circle, ...others] = contourLines(
      { x: axis, y: axis, z: axis.map((y) => axis.map((x) => Math.hypot(x, y))) },
      1,
    );
    expect(others).toEqual([]);
    for (const { x, y } of circle ?? []) expect(Math.hypot(x, y)).toBeCloseTo(1, 2);
  });

  it('leave out cells without a number, and stop before infinity', () => {
    const grid = (corner: number): Grid => ({
      x: [0, 1],
      y: [0, 1],
      z: [
        [0, 0],
        [0, corner],
      ],
    });
    expect(contourLines(grid(Number.NaN), 0.5)).toEqual([]);
    expect(contourLines(grid(Number.POSITIVE_INFINITY), 0.5)).toEqual([
      [
        { x: 0, y: 1 },
        { x: 1, y: 0 },
      ],
    ]);
  });
});

function isClosed(line: readonly { x: number; y: number }[]): boolean {
  return line.length > 1 && line[0]?.x === line.at(-1)?.x && line[0]?.y === line.at(-1)?.y;
}

/** The even-odd rule, along a ray that passes no vertex. */
function isInside(
  outlines: readonly (readonly { x: number; y: number }[])[],
  { x, y }: { x: number; y: number },
): boolean {
  const ray = y + 1e-5;
  let crossed = 0;
  for (const line of outlines) {
    for (let k = 1; k < line.length; k++) {
      const [a, b] = [line[k - 1], line[k]] as [{ x: number; y: number }, { x: number; y: number }];
      if (a.y > ray === b.y > ray) continue;
      if (a.x + ((ray - a.y) / (b.y - a.y)) * (b.x - a.x) > x) crossed++;
    }
  }
  return crossed % 2 === 1;
}

describe('plotContours', () => {
  it('takes a function, a matrix or a grid alike', () => {
    const z = [
      [0, 1, 2],
      [1, 2, 3],
    ];
    const ofMatrix = plotContours(z, { levels: [1.5] }).svg;
    expect(plotContours({ x: [0, 1, 2], y: [0, 1], z }, { levels: [1.5] }).svg).toBe(ofMatrix);
    const ofFunction = plotContours((x, y) => x + y, {
      xlim: [0, 2],
      ylim: [0, 2],
      resolution: 3,
      levels: [1.5],
    }).svg;
    expect(ofFunction).toBe(
      plotContours(
        [
          [0, 1, 2],
          [1, 2, 3],
          [2, 3, 4],
        ],
        { levels: [1.5] },
      ).svg,
    );
  });

  it('has values under the pointer and on the terminal', () => {
    const figure = plotContours([
      [0, 1],
      [2, 3],
    ]);
    expect(figure.points.map(({ label }) => label)).toEqual([
      '0 at (0, 0)',
      '1 at (1, 0)',
      '2 at (0, 1)',
      '3 at (1, 1)',
    ]);
    expect(figure.toText({ width: 30, height: 10 }).split('\n').length).toBeLessThanOrEqual(10);
  });

  it('has levels in the same ratio to each other on a logarithmic scale', () => {
    const { svg } = plotContours(
      [
        [1, 1000],
        [1, 1000],
      ],
      { zscale: 'log', levels: 2 },
    );
    expect(svg).toContain('>10<');
    expect(svg).toContain('>100<');
  });

  it('draws a plain of one value', () => {
    expect(
      plotContours([
        [1, 1],
        [1, 1],
      ]).svg,
    ).not.toMatch(/NaN|undefined/);
  });
});

describe('bad input', () => {
  const cases: [string, () => unknown, RegExp][] = [
    ['a function without limits', () => plotContours(bowl), /expected "xlim" and "ylim", the area/],
    ['one row', () => plotContours([[1, 2]]), /at least 2 rows and 2 columns, got 1 × 2/],
    [
      'an axis that falls',
      () =>
        plotContours({
          x: [1, 0],
          y: [0, 1],
          z: [
            [1, 2],
            [3, 4],
          ],
        }),
      /expected "x" to be 2 increasing finite numbers, got \[1, 0\]/,
    ],
    [
      'levels that fall',
      () =>
        plotContours(
          [
            [1, 2],
            [3, 4],
          ],
          { levels: [2, 1] },
        ),
      /"levels" must be an integer from 1 to 100, or a list of increasing/,
    ],
    [
      'a logarithm of nothing',
      () =>
        plotContours(
          [
            [-1, 0],
            [0, -1],
          ],
          { zscale: 'log' },
        ),
      /expected values above 0 for zscale: 'log', got none/,
    ],
    [
      'no points',
      () => showTrace2d(bowl, []),
      /expected points of finite numbers, \[x1, x2\] each, got \[\]/,
    ],
    [
      'a point that is not finite',
      () => showTrace2d(bowl, [[1, Number.NaN]]),
      /expected points of finite numbers/,
    ],
    [
      'an option that a line chart has',
      () => plotContours(bowl, { legend: ['a'] } as never),
      /there is no option "legend"/,
    ],
  ];
  it.each(cases)('%s', (_, act, message) => expect(act).toThrow(message));
});

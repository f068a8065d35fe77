/**
 * Contour lines of a grid of numbers by marching squares (Lorensen and Cline 1987, in two
 * dimensions). Values are interpolated linearly along the grid's edges; at a saddle, the mean of
 * the corners decides.
 *
 */
import type { Matrix } from './cells';
import type { Point } from './series';

/** Values over a rectangle: `z[j][i]` at (`x[i]`, `y[j]`); `x` and `y` increase. */
export interface Grid {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly z: Matrix;
}

type Edge = 'bottom' | 'right' | 'top' | 'left';
type Segment = readonly [from: Edge, to: Edge];

const [BOTTOM, RIGHT, TOP, LEFT] = ['bottom', 'right', 'top', 'left'] as const;

/**
 * The segments of a cell, by which of its corners reach the level: 1 bottom left, 2 bottom right, 4
 * top right, 8 top left. The side that reaches the level is on a segment's left, so segments of
 * neighbours join end to start.
 */
const SEGMENTS: readonly (readonly Segment[])[] = [
  [],
  [[BOTTOM, LEFT]],
  [[RIGHT, BOTTOM]],
  [[RIGHT, LEFT]],
  [[TOP, RIGHT]],
  [
    [BOTTOM, LEFT],
    [TOP, RIGHT],
  ],
  [[TOP, BOTTOM]],
  [[TOP, LEFT]],
  [[LEFT, TOP]],
  [[BOTTOM, TOP]],
  [
    [RIGHT, BOTTOM],
    [LEFT, TOP],
  ],
  [[RIGHT, TOP]],
  [[LEFT, RIGHT]],
  [[BOTTOM, RIGHT]],
  [[LEFT, BOTTOM]],
  [],
];

/** The segments of saddles whose middle reaches the level. */
const SADDLES: Readonly<Record<number, readonly Segment[]>> = {
  5: [
    [BOTTOM, RIGHT],
    [TOP, LEFT],
  ],
  10: [
    [LEFT, BOTTOM],
    [RIGHT, TOP],
  ],
};

/**
 * Finds the lines of a level, each from end to end; a closed line ends on its first point. A cell
 * with a NaN at a corner has no line.
 */
export function contourLines(grid: Grid, level: number): Point[][] {
  const next = new Map<number, number>(); // from an edge to the edge where its segment ends
  const ends = new Set<number>();
  const columns = grid.x.length;
  const rows = grid.y.length;
  for (let j = 0; j + 1 < rows; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      for (const [from, to] of findSegments(grid, { i, j, level })) {
        next.set(edgeAt(from, { i, j, columns }), edgeAt(to, { i, j, columns }));
        ends.add(edgeAt(to, { i, j, columns }));
      }
    }
  }
  const lines: Point[][] = [];
  const open = [...next.keys()].filter((edge) => !ends.has(edge));
  for (const start of [...open, ...next.keys()]) {
    const line: Point[] = [];
    for (let edge: number | undefined = start; edge !== undefined; ) {
      const after: number | undefined = next.get(edge);
      if (after !== undefined || line.length > 0) line.push(crossing(grid, edge, level));
      next.delete(edge);
      edge = after;
    }
    if (line.length > 0) lines.push(line);
  }
  return lines;
}

/**
 * Finds the outlines of the region that reaches a level. They are closed, along the grid's border
 * too, and are to be filled by the even-odd rule.
 */
export function contourRegion(grid: Grid, level: number): Point[][] {
  const around = (values: ArrayLike<number>) => [
    values[0] ?? 0,
    ...Array.from(values),
    values[values.length - 1] ?? 0,
  ];
  const below = Number.NEGATIVE_INFINITY;
  const row = (values: ArrayLike<number>) => [
    below,
    ...Array.from(values, (value) => (Number.isNaN(value) ? below : value)),
    below,
  ];
  const border = Array.from({ length: grid.x.length + 2 }, () => below);
  return contourLines(
    { x: around(grid.x), y: around(grid.y), z: [border, ...grid.z.map(row), border] },
    level,
  );
}

interface At {
  i: number;
  j: number;
}

function findSegments({ z }: Grid, { i, j, level }: At & { level: number }): readonly Segment[] {
  const corners = [z[j]?.[i], z[j]?.[i + 1], z[j + 1]?.[i + 1], z[j + 1]?.[i]] as [
    number,
    number,
    number,
    number,
  ];
  if (corners.some(Number.isNaN)) return [];
  const which = corners.reduce(
    (bits, value, corner) => bits | (value >= level ? 1 << corner : 0),
    0,
  );
  const saddle = SADDLES[which];
  const mean = corners.reduce((sum, value) => sum + value / 4, 0);
  return (saddle && mean >= level ? saddle : SEGMENTS[which]) ?? [];
}

/** The number of an edge: twice the number of the point where it begins, plus 1 if vertical. */
function edgeAt(edge: Edge, { i, j, columns }: At & { columns: number }): number {
  const point = j * columns + i;
  const numbers = {
    bottom: 2 * point,
    top: 2 * (point + columns),
    left: 2 * point + 1,
    right: 2 * (point + 1) + 1,
  };
  return numbers[edge];
}

/** The point at which an edge reaches the level. */
function crossing({ x, y, z }: Grid, edge: number, level: number): Point {
  const columns = x.length;
  const vertical = edge % 2;
  const i = (edge >> 1) % columns;
  const j = Math.floor((edge >> 1) / columns);
  const i2 = i + 1 - vertical;
  const j2 = j + vertical;
  const fraction = interpolate(z[j]?.[i] ?? 0, z[j2]?.[i2] ?? 0, level);
  const between = (a = 0, b = 0) => a + fraction * (b - a);
  return { x: between(x[i], x[i2]), y: between(y[j], y[j2]) };
}

/** The fraction of the way from `a` to `b` at which the level lies; at the finite end, if any. */
function interpolate(a: number, b: number, level: number): number {
  if (!Number.isFinite(a)) return Number.isFinite(b) ? 1 : 0.5;
  if (!Number.isFinite(b)) return 0;
  const fraction = (level - a) / (b - a);
  return fraction >= 0 && fraction <= 1 ? fraction : 0.5; // differences of huge numbers overflow
}

/**
 * Lines on which a grid of numbers has a level: marching squares (Lorensen and Cline 1987 in two
 * dimensions), with linear interpolation
 * along the grid's edges; at a saddle the mean of the corners decides.
 */
import type { Matrix } from './cells';
import type { Point } from './series';

/** Values over a rectangle: `z[j][i]` at (`x[i]`, `y[j]`); both axes rise. */
export interface Grid {
  readonly x: ArrayLike<number>;
  readonly y: ArrayLike<number>;
  readonly z: Matrix;
}

type Edge = 'bottom' | 'right' | 'top' | 'left';
type Segment = readonly [from: Edge, to: Edge];

const [BOTTOM, RIGHT, TOP, LEFT] = ['bottom', 'right', 'top', 'left'] as const;

/**
 * Segments of a cell by which of its corners reach the level: 1 left below, 2 right below, 4 right
 * above, 8 left above. What reaches the
 * level lies on a segment's left, so segments of neighbours join end to start.
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

/** The saddles once more, for a middle that reaches the level. */
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
 * The lines of a level, each from end to end; a closed one ends on its first point. Cells with a
 * corner that is no number have none.
 */
export function contourLines(grid: Grid, level: number): Point[][] {
  const next = new Map<number, number>(); // from an edge to the edge where its segment ends
  const ends = new Set<number>();
  const [columns, rows] = [grid.x.length, grid.y.length];
  for (let j = 0; j + 1 < rows; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      for (const [from, to] of segmentsOf(grid, { i, j, level })) {
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
 * The outlines of all that reaches a level, closed, also along the grid's border; to be filled by
 * the even-odd rule.
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

function segmentsOf({ z }: Grid, { i, j, level }: At & { level: number }): readonly Segment[] {
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

/**
 * Edges by numbers: twice the number of the grid's point where they begin, and 1 more for those
 * that rise.
 */
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

/** Where an edge has the level. */
function crossing({ x, y, z }: Grid, edge: number, level: number): Point {
  const columns = x.length;
  const rises = edge % 2;
  const [i, j] = [(edge >> 1) % columns, Math.floor((edge >> 1) / columns)];
  const [i2, j2] = [i + 1 - rises, j + rises];
  const share = shareAt(z[j]?.[i] ?? 0, z[j2]?.[i2] ?? 0, level);
  const between = (a = 0, b = 0) => a + share * (b - a);
  return { x: between(x[i], x[i2]), y: between(y[j], y[j2]) };
}

/** How far from `a` to `b` the level lies, 0 to 1; beside an infinite value, at the finite one. */
function shareAt(a: number, b: number, level: number): number {
  if (!Number.isFinite(a)) return Number.isFinite(b) ? 1 : 0.5;
  if (!Number.isFinite(b)) return 0;
  const share = (level - a) / (b - a);
  return share >= 0 && share <= 1 ? share : 0.5; // differences of huge numbers overflow
}

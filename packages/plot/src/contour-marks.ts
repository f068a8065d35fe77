/**
 * The marks of contours: lines with their levels, filled bands, and the colour bar of the bands.
 */
import type { Rgb } from './characters';
import { type ColormapName, colorAt, toHex } from './colormap';
import { contourLines, contourRegion, type Grid } from './contour-lines';
import { clipped, formatNumber, type Plane, SIZE } from './frame';
import type { Point } from './series';
import { type Box, decimal, type Mark, tag } from './svg';
import { textWidth } from './text';
import { EDGE, ON_DARK, PAPER } from './theme';

const SMALL = SIZE - 2;

/** The colour of band `k`, counted from the lowest; there is one more band than levels. */
export const bandColor = (cmap: ColormapName, k: number, levels: readonly number[]): Rgb =>
  colorAt(cmap, levels.length === 0 ? 0.5 : k / levels.length);

const toPath = (lines: readonly (readonly Point[])[], { x, y }: Plane) =>
  lines
    .map(
      (line) =>
        `M${line.map((point) => `${decimal(x.at(point.x))} ${decimal(y.at(point.y))}`).join('L')}`,
    )
    .join('');

/**
 * Draws bands from the lowest to the highest, each over the one before, with fine lines between.
 */
export function bandMarks(
  grid: Grid,
  plane: Plane,
  { cmap, levels }: { cmap: ColormapName; levels: readonly number[] },
): Mark[] {
  const bands = [-Number.MAX_VALUE, ...levels].flatMap((level, k) => {
    const d = toPath(contourRegion(grid, level), plane);
    return d
      ? [tag('path', { d, fill: toHex(bandColor(cmap, k, levels)), 'fill-rule': 'evenodd' })]
      : [];
  });
  const d = toPath(
    levels.flatMap((level) => contourLines(grid, level)),
    plane,
  );
  return [
    ...bands,
    ...(d
      ? [
          tag('path', {
            d,
            fill: 'none',
            stroke: ON_DARK,
            'stroke-opacity': 0.5,
            'stroke-width': 0.8,
          }),
        ]
      : []),
  ];
}

/** Draws lines of one colour, with their levels on those that are long enough. */
export function lineMarks(
  grid: Grid,
  plane: Plane,
  { color, levels }: { color: string; levels: readonly number[] },
): Mark[] {
  const lines = levels.map((level) => ({ level, lines: contourLines(grid, level) }));
  const paths = lines.flatMap(({ lines: some }) => {
    const d = toPath(some, plane);
    return d
      ? [
          tag('path', {
            d,
            fill: 'none',
            stroke: color,
            'stroke-width': 1.3,
            'stroke-linejoin': 'round',
          }),
        ]
      : [];
  });
  const taken: Box[] = [];
  const texts = lines.flatMap(({ level, lines: some }) =>
    some.flatMap((line) => levelMarks(formatNumber(level), placed(line, plane), { plane, taken })),
  );
  return [clipped(paths, plane.box), ...texts];
}

const placed = (line: readonly Point[], { x, y }: Plane): Point[] =>
  line.map((point) => ({ x: x.at(point.x), y: y.at(point.y) }));

/**
 * Writes a level in the middle of its line, or at another place where it hides no other level.
 * Short lines have none.
 *
 */
function levelMarks(
  text: string,
  line: readonly Point[],
  { plane, taken }: { plane: Plane; taken: Box[] },
): Mark[] {
  const size = { width: textWidth(text, SMALL) + 4, height: SMALL + 2 };
  const length = line.reduce(
    (sum, point, i) =>
      sum +
      (i > 0 ? Math.hypot(point.x - (line[i - 1]?.x ?? 0), point.y - (line[i - 1]?.y ?? 0)) : 0),
    0,
  );
  if (length < 3 * size.width) return [];
  const { box } = plane;
  for (const fraction of [0.5, 0.25, 0.75, 0.125, 0.875]) {
    const { x, y } = line[Math.floor(fraction * (line.length - 1))] ?? { x: 0, y: 0 };
    const patch = { x: x - size.width / 2, y: y - size.height / 2, ...size };
    const inside =
      patch.x >= box.x + 2 &&
      patch.y >= box.y + 2 &&
      patch.x + patch.width <= box.x + box.width - 2 &&
      patch.y + patch.height <= box.y + box.height - 2;
    if (!inside || taken.some((other) => overlap(patch, other))) continue;
    taken.push(patch);
    return [
      tag('rect', { ...patch, fill: PAPER }),
      { text, x, y: y + SMALL * 0.36, size: SMALL, anchor: 'middle' },
    ];
  }
  return [];
}

const overlap = (a: Box, b: Box) =>
  a.x < b.x + b.width + 4 &&
  b.x < a.x + a.width + 4 &&
  a.y < b.y + b.height + 4 &&
  b.y < a.y + a.height + 4;

const STRIP = 14;
const GAP = 12;

/** The colour bar right of the axes: bands of equal height with the levels between them. */
export function levelBar({ cmap, levels }: { cmap: ColormapName; levels: readonly number[] }): {
  width: number;
  marks(plane: Plane): Mark[];
} {
  return {
    width:
      GAP +
      STRIP +
      6 +
      Math.max(0, ...levels.map((level) => textWidth(formatNumber(level), SMALL))),
    marks({ box }) {
      const bands = levels.length + 1;
      const high = box.height / bands;
      const left = box.x + box.width + GAP;
      const every = Math.ceil((SMALL + 3) / high);
      const top = (k: number) => box.y + box.height - (k + 1) * high;
      return [
        ...Array.from({ length: bands }, (_, k) =>
          tag('rect', {
            x: left,
            y: top(k),
            width: STRIP,
            height: high,
            fill: toHex(bandColor(cmap, k, levels)),
            'shape-rendering': 'crispEdges',
          }),
        ),
        tag('rect', {
          x: left,
          y: box.y,
          width: STRIP,
          height: box.height,
          fill: 'none',
          stroke: EDGE,
        }),
        ...levels.flatMap((level, k): Mark[] =>
          k % every === 0
            ? [
                {
                  text: formatNumber(level),
                  x: left + STRIP + 6,
                  y: top(k) + SMALL * 0.36,
                  size: SMALL,
                },
              ]
            : [],
        ),
      ];
    },
  };
}

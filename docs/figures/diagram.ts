/** Diagrams of blocks: columns of boxes from input to output, with arrows and a shortcut. */
import { Figure } from 'deepend';

/** The colours of the charts, which follow the reader's theme. */
const INK = '#262626';
const EDGE = '#b8b8b8';
const PAPER = '#ffffff';
const BOX = { width: 112, height: 28, gap: 16 };
const RADIUS = 11;

export interface Column {
  /** The text under the column. */
  readonly title: string;
  /** From the input to the output; `+` is the sum. */
  readonly steps: readonly string[];
  /** What x passes on its way to the sum. @default nothing */
  readonly shortcut?: string;
  /** Whether there is a way from x to the sum. @default true */
  readonly joined?: boolean;
}

type Mark = ConstructorParameters<typeof Figure>[0][number];

const COLORS: readonly (readonly [step: RegExp, stroke: string])[] = [
  [/conv/, '#0072B2'],
  [/norm/, '#0F9AEC'],
  [/ReLU/, '#C03A00'],
];
const colorOf = (step: string) => COLORS.find(([pattern]) => pattern.test(step))?.[1] ?? EDGE;

const text = (words: string, x: number, y: number, size = 13): Mark => ({
  text: words,
  x,
  y: y + size * 0.35,
  size,
  anchor: 'middle',
});

const line = (points: string, arrow = true): Mark[] => {
  const [x = 0, y = 0] = points.split(' ').slice(-2).map(Number);
  return [
    `<polyline points="${points}" fill="none" stroke="${INK}" stroke-width="1.2"/>`,
    ...(arrow ? [`<path d="M${x - 4} ${y - 7}L${x} ${y}L${x + 4} ${y - 7}Z" fill="${INK}"/>`] : []),
  ];
};

const box = (step: string, x: number, y: number, width = BOX.width): Mark[] => [
  `<rect x="${x - width / 2}" y="${y}" width="${width}" height="${BOX.height}" rx="4" fill="${PAPER}" stroke="${colorOf(step)}" stroke-width="1.6"/>`,
  text(step, x, y + BOX.height / 2),
];

const sum = (x: number, y: number): Mark[] => [
  `<circle cx="${x}" cy="${y}" r="${RADIUS}" fill="${PAPER}" stroke="${INK}" stroke-width="1.2"/>`,
  text('+', x, y, 16),
];

const heightOf = ({ steps }: Column) =>
  steps.reduce((height, step) => height + (step === '+' ? 2 * RADIUS : BOX.height) + BOX.gap, 0);

/** One column from `top` downwards, its boxes in the middle of `x`. */
function column({ steps, shortcut, joined = true }: Column, x: number, top: number): Mark[] {
  const marks: Mark[] = [text('x', x, top - 10, 14)];
  const branch = top + 8;
  let y = top;
  for (const step of steps) {
    const size = step === '+' ? 2 * RADIUS : BOX.height;
    const next = y + BOX.gap;
    marks.push(...line(`${x} ${y} ${x} ${next}`));
    if (step === '+') {
      if (joined) marks.push(...way({ x, from: branch, to: next + RADIUS, shortcut }));
      marks.push(...sum(x, next + RADIUS));
    } else marks.push(...box(step, x, next));
    y = next + size;
  }
  return [...marks, ...line(`${x} ${y} ${x} ${y + BOX.gap}`)];
}

/** The shortcut, on the right of its column. */
function way(at: { x: number; from: number; to: number; shortcut: string | undefined }): Mark[] {
  const right = at.x + BOX.width / 2 + (at.shortcut ? 52 : 18);
  const end = at.x + RADIUS;
  const middle = (at.from + at.to) / 2;
  return [
    `<polyline points="${at.x} ${at.from} ${right} ${at.from} ${right} ${at.to} ${end} ${at.to}" fill="none" stroke="${INK}" stroke-width="1.2"/>`,
    `<path d="M${end + 7} ${at.to - 4}L${end} ${at.to}L${end + 7} ${at.to + 4}Z" fill="${INK}"/>`,
    ...(at.shortcut ? box(at.shortcut, right, middle - BOX.height / 2, 84) : []),
  ];
}

/** Columns next to each other, `width` pixels each. */
export function diagram(
  columns: readonly Column[],
  { description, width = 170 }: { description: string; width?: number },
): Figure {
  const top = 34;
  const height = Math.max(...columns.map(heightOf)) + top + BOX.gap + 36;
  const marks = columns.flatMap((each, i) => {
    const x = i * width + width / 2 - (each.shortcut ? 47 : 9);
    const titles = each.title.split('\n');
    return [
      ...column(each, x, top),
      ...titles.map((title, j) => text(title, x, height - 26 + 15 * j, 12)),
    ];
  });
  return new Figure(marks, { width: columns.length * width, height, description });
}

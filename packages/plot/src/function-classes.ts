/**
 * The book's figure of nested and non-nested function classes, which explains why a deeper network
 * should contain the shallower one.
 */
import { checkOptions, rule } from '@deepend/core';
import { Figure } from './figure';
import { PAD, SIZE, titleHeight } from './frame';
import { STROKE } from './legend';
import { side } from './series';
import { parseFmt } from './style';
import { type Box, decimal, type Mark, tag } from './svg';
import { textWidth } from './text';
import { INK, PAPER } from './theme';

export interface FunctionClassesOptions {
  /** Whether to draw classes that contain each other. @default both kinds, next to each other */
  nested?: boolean;
  /** A line above the chart. @default none */
  title?: string;
  /** Pixels. @default 560, or 320 for one kind */
  width?: number;
}

/**
 * An ellipse: middle, half axes and rotation in degrees. Lengths are in hundredths of the panel's
 * side, y points down.
 */
export interface FunctionClass {
  readonly x: number;
  readonly y: number;
  readonly rx: number;
  readonly ry: number;
  readonly turn: number;
}

/** The place of f*, the function that training looks for. */
export const OPTIMUM = { x: 86, y: 14 };

/**
 * Six classes of growing size. In `other` the third comes nearest to the optimum, and the sixth is
 * farther from it.
 */
export const FUNCTION_CLASSES: Readonly<Record<'other' | 'nested', readonly FunctionClass[]>> = {
  other: [
    { x: 24, y: 80, rx: 8, ry: 6, turn: 0 },
    { x: 36, y: 70, rx: 14, ry: 8, turn: -30 },
    { x: 52, y: 46, rx: 29, ry: 9, turn: -52 },
    { x: 54, y: 64, rx: 24, ry: 14, turn: -12 },
    { x: 46, y: 70, rx: 31, ry: 15, turn: 12 },
    { x: 40, y: 60, rx: 38, ry: 22, turn: 38 },
  ],
  nested: [
    { x: 24, y: 80, rx: 8, ry: 6, turn: -10 },
    { x: 28, y: 76, rx: 15, ry: 12, turn: -20 },
    { x: 33, y: 71, rx: 23, ry: 19, turn: -30 },
    { x: 38, y: 65, rx: 32, ry: 26, turn: -38 },
    { x: 42, y: 59, rx: 41, ry: 33, turn: -42 },
    { x: 45, y: 54, rx: 47.5, ry: 39, turn: -45 },
  ],
};

const options = rule.object({
  nested: rule.boolean().optional(),
  title: rule.string().optional(),
  width: side().optional(),
});

const NAMES = { other: 'not nested', nested: 'nested' } as const;
const GAP = 16;

/**
 * Draws the function classes F1 to F6 as growing shapes, the optimal function f* as a star, and the
 * distances from f* to the nearest and to the largest class. If classes are not nested, a larger
 * class can be farther from f*; if each contains the one before, it cannot. After the figure in
 * Dive into Deep Learning, chapter 8.6, ResNet.
 * @example
 * await showFunctionClasses({ nested: true }).save('nested.svg');
 *
 */
export function showFunctionClasses(settings: FunctionClassesOptions = {}): Figure {
  const {
    nested,
    title,
    width = nested === undefined ? 560 : 320,
  } = checkOptions('[plot] showFunctionClasses', options, settings);
  const kinds =
    nested === undefined
      ? (['other', 'nested'] as const)
      : ([nested ? 'nested' : 'other'] as const);
  const size = (width - 2 * PAD - (kinds.length - 1) * GAP) / kinds.length;
  const top = PAD + titleHeight(title);
  const head = SIZE + 8;
  const marks = kinds.flatMap((kind, i): Mark[] => {
    const box = { x: PAD + i * (size + GAP), y: top + head, width: size, height: size };
    return [
      ...panel(kind, box),
      {
        text: `${NAMES[kind]} function classes`,
        x: box.x + size / 2,
        y: top + SIZE,
        size: SIZE,
        anchor: 'middle',
      },
    ];
  });
  if (title) marks.push({ text: title, x: width / 2, y: PAD + 15, size: 15, anchor: 'middle' });
  const descriptions = {
    other:
      'of six classes that are not nested the third comes nearest to f*, ' +
      'and the sixth, the largest, is farther away',
    nested: 'each of six nested classes contains the one before and is nearer to f*',
  };
  return new Figure(marks, {
    width,
    height: Math.ceil(top + head + size + PAD),
    description: `Function classes: ${kinds.map((kind) => descriptions[kind]).join('; ')}`,
  });
}

/** The point of a class that is nearest to the optimum, and its distance, in hundredths. */
export function findNearest(
  { x, y }: { x: number; y: number },
  shape: FunctionClass,
): { x: number; y: number; distance: number } {
  const outline = Array.from({ length: 720 }, (_, i) => outlinePoint(shape, (i * Math.PI) / 360));
  const distances = outline.map((point) => Math.hypot(point.x - x, point.y - y));
  const distance = Math.min(...distances);
  return { ...(outline[distances.indexOf(distance)] ?? { x, y }), distance };
}

/** The point of the outline at `angle`, in radians before the rotation. */
export function outlinePoint(
  { x, y, rx, ry, turn }: FunctionClass,
  angle: number,
): { x: number; y: number } {
  const sin = Math.sin((turn * Math.PI) / 180);
  const cos = Math.cos((turn * Math.PI) / 180);
  const u = rx * Math.cos(angle);
  const v = ry * Math.sin(angle);
  return { x: x + u * cos - v * sin, y: y + u * sin + v * cos };
}

function panel(kind: keyof typeof FUNCTION_CLASSES, box: Box): Mark[] {
  const classes = FUNCTION_CLASSES[kind];
  const at = ({ x, y }: { x: number; y: number }) => ({
    x: box.x + (x * box.width) / 100,
    y: box.y + (y * box.height) / 100,
  });
  const unit = box.width / 100;
  const best = classes.reduce(
    (least, one, i) =>
      findNearest(OPTIMUM, one).distance <
      findNearest(OPTIMUM, classes[least] as FunctionClass).distance
        ? i
        : least,
    0,
  );
  const star = at(OPTIMUM);
  const shapes = classes.map(({ x, y, rx, ry, turn }, i) => {
    const middle = at({ x, y });
    const style = {
      fill: parseFmt('b').color,
      'fill-opacity': 0.06,
      stroke: parseFmt(i === best ? 'r' : 'b').color,
      'stroke-width': i === best ? 2.5 : 1.5,
    };
    return tag('ellipse', {
      cx: middle.x,
      cy: middle.y,
      rx: rx * unit,
      ry: ry * unit,
      ...style,
      transform: `rotate(${turn} ${decimal(middle.x)} ${decimal(middle.y)})`,
    });
  });
  const distances = [...new Set([best, classes.length - 1])].map((i) => {
    const near = findNearest(OPTIMUM, classes[i] as FunctionClass);
    const end = at(near);
    return tag('path', {
      d: `M${decimal(star.x)} ${decimal(star.y)}L${decimal(end.x)} ${decimal(end.y)}`,
      ...STROKE,
      stroke: INK,
      'stroke-width': 1.2,
      'stroke-dasharray': '4 3',
    });
  });
  return [
    ...shapes,
    ...distances,
    starMark(star),
    { text: 'f*', x: star.x + 10, y: star.y - 4, size: SIZE },
    ...classes.flatMap((one, i) =>
      nameMark(`F${i + 1}`, at(outlinePoint(one, NAME_AT[kind][i] ?? 0))),
    ),
  ];
}

/**
 * The angle of each outline, in radians, at which its name is written: outlines are apart there.
 */
const NAME_AT = { other: [0, 0, 0, 0, 0, Math.PI], nested: [1, 1, 1, 1, 1, 1] } as const;

function nameMark(text: string, { x, y }: { x: number; y: number }): Mark[] {
  const width = textWidth(text, SIZE) + 4;
  return [
    tag('rect', {
      x: x - width / 2,
      y: y - SIZE / 2 - 1,
      width,
      height: SIZE + 2,
      fill: PAPER,
      'fill-opacity': 0.85,
    }),
    { text, x, y: y + SIZE * 0.36, size: SIZE, anchor: 'middle' },
  ];
}

function starMark({ x, y }: { x: number; y: number }): string {
  const corner = (i: number) => {
    const angle = (i * Math.PI) / 5 - Math.PI / 2;
    const r = i % 2 === 0 ? 7 : 2.8;
    return `${decimal(x + r * Math.cos(angle))} ${decimal(y + r * Math.sin(angle))}`;
  };
  return tag('path', {
    d: `M${Array.from({ length: 10 }, (_, i) => corner(i)).join('L')}Z`,
    fill: parseFmt('r').color,
  });
}

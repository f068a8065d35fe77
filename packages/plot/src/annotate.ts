/** The book's `annotate`: words in the plot with an arrow to a point. */
import { rule } from '@deepend/core';
import { type Plane, SIZE } from './frame';
import { type Box, decimal, type Mark, tag } from './svg';
import { fitText, textWidth } from './text';
import { INK, PAPER } from './theme';

type Pair = readonly [x: number, y: number];

export interface Annotation {
  readonly text: string;
  /** The point of the arrow, in the axes' values. */
  readonly xy: Pair;
  /** Where the text begins, in the axes' values; text that would leave the axes is moved. */
  readonly xytext: Pair;
}

const pair = () =>
  rule.custom<Pair>(
    (value) => Array.isArray(value) && value.length === 2 && value.every(Number.isFinite),
    'two finite numbers, [x, y]',
  );

export const annotationsRule = rule.list(
  rule.object({ text: rule.string(), xy: pair(), xytext: pair() }),
  'a list of { text, xy, xytext }',
);

const MARGIN = 3; // pixels between text and the edge of its patch
const HEAD = 7; // pixels, the length of an arrow's head

/** @throws RangeError for a value of 0 or below on a logarithmic axis */
export function annotationMarks(annotations: readonly Annotation[], { x, y, box }: Plane): Mark[] {
  return annotations.flatMap(({ text, xy, xytext }): Mark[] => {
    const place = ([px, py]: Pair): Spot => ({ x: x.at(px), y: y.at(py) });
    const tip = place(xy);
    const begin = place(xytext);
    if (![tip.x, tip.y, begin.x, begin.y].every(Number.isFinite)) {
      throw new RangeError(
        `[plot] annotate: '${text}' with xy [${xy}] and xytext [${xytext}] has no place on a ` +
          'logarithmic axis; give values above 0',
      );
    }
    const fitted = fitText(text, box.width - 2 * MARGIN, { size: SIZE });
    const patch = placePatch(
      begin,
      { width: textWidth(fitted.text, fitted.size), size: fitted.size },
      box,
    );
    return [
      ...arrow(patch, tip),
      tag('rect', { ...patch, fill: PAPER, 'fill-opacity': 0.85, rx: 2 }),
      { ...fitted, x: patch.x + MARGIN, y: patch.y + patch.height - MARGIN - fitted.size * 0.2 },
    ];
  });
}

interface Spot {
  x: number;
  y: number;
}

/** The box of the text: at the place asked for, or the nearest place within the axes. */
function placePatch(begin: Spot, { width, size }: { width: number; size: number }, box: Box): Box {
  const wide = width + 2 * MARGIN;
  const high = size + 2 * MARGIN;
  const within = (at: number, low: number, high: number) => Math.max(low, Math.min(at, high));
  return {
    x: within(begin.x - MARGIN, box.x + 1, box.x + box.width - wide - 1),
    y: within(begin.y - size - MARGIN + 2, box.y + 1, box.y + box.height - high - 1),
    width: wide,
    height: high,
  };
}

/** An arrow from the patch's edge to the tip; none where the patch covers the tip. */
function arrow(patch: Box, tip: Spot): string[] {
  const middle = { x: patch.x + patch.width / 2, y: patch.y + patch.height / 2 };
  const dx = tip.x - middle.x;
  const dy = tip.y - middle.y;
  // At most 1 within the patch.
  const inside = Math.max(Math.abs(dx) / (patch.width / 2), Math.abs(dy) / (patch.height / 2));
  const length = Math.hypot(dx, dy);
  if (inside <= 1 || length * (1 - 1 / inside) < 4) return [];
  const ux = dx / length;
  const uy = dy / length;
  const from = { x: middle.x + dx / inside, y: middle.y + dy / inside };
  const at = (along: number, aside: number) =>
    `${decimal(tip.x - along * ux - aside * uy)} ${decimal(tip.y - along * uy + aside * ux)}`;
  return [
    tag('path', {
      d: `M${decimal(from.x)} ${decimal(from.y)}L${at(HEAD - 1, 0)}`,
      fill: 'none',
      stroke: INK,
      'stroke-width': 1.2,
    }),
    tag('path', { d: `M${at(0, 0)}L${at(HEAD, HEAD * 0.4)}L${at(HEAD, -HEAD * 0.4)}Z`, fill: INK }),
  ];
}

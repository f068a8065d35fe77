/** The legend of a chart, and the markers and strokes of its series. */
import { PAD, SIZE } from './frame';
import type { Point } from './series';
import type { Marker, SeriesStyle } from './style';
import { decimal, type Mark, tag } from './svg';
import { cutText, textWidth } from './text';
import { INK } from './theme';

const SAMPLE = 26; // pixels of the line sample before a name

export interface LegendEntry {
  readonly label: string | undefined;
  readonly style: SeriesStyle;
  /** Whether the sample is a filled rectangle, not a piece of line. @default false */
  readonly patch?: boolean;
}

export const STROKE = {
  fill: 'none',
  'stroke-width': 2,
  'stroke-linejoin': 'round',
  'stroke-linecap': 'butt',
};

export function drawMarker(marker: Marker, { x, y }: Point, color: string): string {
  const r = marker === 'dot' ? 2 : 3.5;
  const at = (dx: number, dy: number) => `${decimal(x + dx * r)} ${decimal(y + dy * r)}`;
  const shapes: Record<Marker, () => string> = {
    circle: () => tag('circle', { cx: x, cy: y, r, fill: color }),
    dot: () => tag('circle', { cx: x, cy: y, r, fill: color }),
    square: () => tag('rect', { x: x - r, y: y - r, width: 2 * r, height: 2 * r, fill: color }),
    triangle: () =>
      tag('path', { d: `M${at(0, -1.2)}L${at(1.1, 0.9)}L${at(-1.1, 0.9)}Z`, fill: color }),
    cross: () =>
      tag('path', {
        d: `M${at(-1, -1)}L${at(1, 1)}M${at(-1, 1)}L${at(1, -1)}`,
        ...STROKE,
        stroke: color,
      }),
    plus: () =>
      tag('path', {
        d: `M${at(-1.2, 0)}L${at(1.2, 0)}M${at(0, -1.2)}L${at(0, 1.2)}`,
        ...STROKE,
        stroke: color,
      }),
  };
  return shapes[marker]();
}

/** Lays out the legend in rows above the plot, where it hides no data. */
export function layOutLegend(
  entries: readonly LegendEntry[],
  width: number,
): { height: number; marks(top: number): Mark[] } {
  const named = entries.filter((one) => one.label !== undefined);
  const gap = 20;
  const rowHeight = SIZE + 9;
  let column = 0;
  let row = 0;
  const placed = named.map(({ label: name = '', style, patch }) => {
    const label = cutText(name, width - SAMPLE - 8, SIZE);
    const size = SAMPLE + 8 + textWidth(label, SIZE);
    if (column > 0 && column + size > width) {
      column = 0;
      row += 1;
    }
    const place = { label, style, patch, x: PAD + column, row };
    column += size + gap;
    return place;
  });
  const marks = (top: number) =>
    placed.flatMap(({ label, style, patch, x, row: at }): Mark[] => {
      const middle = top + at * rowHeight + SIZE / 2;
      const stroke = {
        ...STROKE,
        stroke: style.color,
        'stroke-dasharray': style.dash?.join(' ') || undefined,
      };
      const text: Mark = {
        text: label,
        x: x + SAMPLE + 8,
        y: middle + SIZE * 0.36,
        size: SIZE,
        fill: INK,
      };
      if (patch)
        return [
          tag('rect', {
            x: x + SAMPLE / 2,
            y: middle - 6,
            width: SAMPLE / 2,
            height: 12,
            fill: style.color,
          }),
          text,
        ];
      return [
        ...(style.dash
          ? [tag('path', { d: `M${decimal(x)} ${decimal(middle)}h${SAMPLE}`, ...stroke })]
          : []),
        ...(style.marker
          ? [drawMarker(style.marker, { x: x + SAMPLE / 2, y: middle }, style.color)]
          : []),
        text,
      ];
    });
  return { height: named.length > 0 ? (row + 1) * rowHeight + 4 : 0, marks };
}

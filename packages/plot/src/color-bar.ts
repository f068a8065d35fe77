/** What the colours of a figure mean: a strip of them with an axis. */
import { makeAxis } from './axis';
import { cellMarks } from './cells';
import type { ColorScale } from './colormap';
import { SIZE } from './frame';
import { type Box, type Mark, tag } from './svg';
import { textWidth } from './text';
import { EDGE } from './theme';

const STRIP = 14; // pixels across
const STEPS = 64;
const GAP = 12; // between the figure and the strip
const SMALL = SIZE - 1;

export interface ColorBar {
  /** Pixels, with the gap before it. */
  readonly width: number;
  /** The bar right of `box`, as high as it. */
  marks(box: Box): Mark[];
}

/**
 * A bar from the scale's lowest value, below, to its highest. `height` is about what it will have,
 * which settles its labels.
 */
export function colorBar(scale: ColorScale, height: number): ColorBar {
  const axisOf = (pixels: readonly [number, number]) =>
    makeAxis({
      values: [],
      limits: [scale.low, scale.high],
      scale: 'linear',
      pixels,
      room: Math.max(3, Math.floor(height / 48)),
      nice: false,
    });
  const labels = axisOf([height, 0]).ticks.map(({ label }) => textWidth(label, SMALL));
  return {
    width: GAP + STRIP + 6 + Math.max(0, ...labels),
    marks(box) {
      const strip = { x: box.x + box.width + GAP, y: box.y, width: STRIP, height: box.height };
      const steps = Array.from({ length: STEPS }, (_, i) => [
        scale.high - ((scale.high - scale.low) * (i + 0.5)) / STEPS,
      ]);
      const axis = axisOf([box.y + box.height, box.y]);
      return [
        ...cellMarks(steps, strip, scale),
        tag('rect', { ...strip, fill: 'none', stroke: EDGE }),
        ...axis.ticks.map(
          ({ value, label }): Mark => ({
            text: label,
            x: strip.x + STRIP + 6,
            y: axis.at(value) + SMALL * 0.36,
            size: SMALL,
          }),
        ),
      ];
    },
  };
}

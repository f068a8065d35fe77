/** Anchor boxes around each place of a feature map: d2l 14.4.1, zh 13.4.1. */
import { checkOptions, formatValue, rule } from '@deepend/core';

export interface PriorOptions {
  /**
   * Sizes of boxes as fractions of the image's height. The first occurs with every ratio.
   * @example [0.75, 0.5, 0.25]
   */
  sizes: readonly number[];
  /**
   * Width over height of boxes in pixels. The first occurs with every size.
   * @example [1, 2, 0.5]
   */
  ratios: readonly number[];
}

const WHERE = '[vision] multiboxPrior';
const positives = () =>
  rule.list(rule.positiveNumber(), 'a list of positive numbers, at least one', { min: 1 });
const OPTIONS = rule.object({ sizes: positives(), ratios: positives() });

/**
 * Makes anchor boxes: at the center of each place of a feature map one box for each size with the
 * first ratio, then one for each further ratio with the first size. d2l 14.4, zh 13.4; Liu et al.
 * 2016. A box of size s and ratio r is s √r times the image's height wide and s / √r high.
 * @param shape of the feature map: `[height, width]`
 * @returns `[height * width * (sizes + ratios − 1), 4]` row by row: [x1, y1, x2, y2] as fractions
 *   of the image; they may reach over its border
 * @throws TypeError or RangeError for sizes and ratios that are not positive, and a bad shape
 * @example multiboxPrior([1, 1], { sizes: [0.5], ratios: [1] }) // [0.25, 0.25, 0.75, 0.75]
 */
export function multiboxPrior(
  shape: readonly [height: number, width: number],
  options: PriorOptions,
): Float32Array {
  const { sizes, ratios } = checkOptions(WHERE, OPTIONS, options);
  const isSize = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
  if (!(Array.isArray(shape) && shape.length === 2 && shape.every(isSize)))
    throw new RangeError(`${WHERE}: expected a shape [height, width], got ${formatValue(shape)}`);
  const [height, width] = shape;
  const forms = [
    ...sizes.map((size) => [size, ratios[0]] as const),
    ...ratios.slice(1).map((ratio) => [sizes[0], ratio] as const),
  ].map(([size, ratio]) => {
    const root = Math.sqrt(ratio as number);
    const half = (size as number) / 2;
    return [(half * root * height) / width, half / root] as const; // of width and height
  });
  const anchors = new Float32Array(height * width * forms.length * 4);
  let at = 0;
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [x, y] = [(column + 0.5) / width, (row + 0.5) / height];
      for (const [w, h] of forms) {
        anchors.set([x - w, y - h, x + w, y + h], at);
        at += 4;
      }
    }
  }
  return anchors;
}

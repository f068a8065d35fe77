/** What a resize may be asked for. */
import type { ImageShape } from '../../types';

/**
 * A number is the length of the shorter side, as in torchvision; a square image becomes a square.
 */
export type ResizeTo = number | readonly [height: number, width: number];

export const LARGEST_SIDE = 16384;

export const isSide = (side: unknown): boolean =>
  typeof side === 'number' && Number.isInteger(side) && side >= 1 && side <= LARGEST_SIDE;

/** Whether a value says what to resize to. */
export function isResize(value: unknown): value is ResizeTo {
  return Array.isArray(value) ? value.length === 2 && value.every(isSide) : isSide(value);
}

/** Height and width of an image after a resize. */
export function sizeAfter(
  [height, width]: ImageShape,
  resize: ResizeTo,
): readonly [height: number, width: number] {
  if (typeof resize !== 'number') return resize;
  const longer = (side: number, shorter: number) =>
    Math.max(1, Math.trunc((resize * side) / shorter));
  return height <= width ? [resize, longer(width, height)] : [longer(height, width), resize];
}

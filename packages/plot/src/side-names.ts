/** Names along the sides of a matrix: of its rows, of its columns. */
import { scaleLinear } from 'd3-scale';
import { SIZE } from './frame';
import type { Box, Mark } from './svg';
import { cutText, textWidth } from './text';

const SMALL = SIZE - 1;
const LONGEST = 96; // pixels of a name, beyond which it is cut

/** Names of rows or columns with the indices that they stand at. */
export interface SideNames {
  readonly names: readonly { readonly index: number; readonly text: string }[];
  /** Pixels of the longest. */
  readonly widest: number;
}

/** `given`, or numbers from 0; as many as stand `pitch` pixels apart without touching. */
export function sideNames(
  count: number,
  given: readonly string[] | undefined,
  { length, pitch }: { length: number; pitch: number },
): SideNames {
  const room = Math.max(1, Math.floor(length / pitch));
  const every = Math.ceil(count / room);
  const indices = given
    ? Array.from({ length: Math.ceil(count / every) }, (_, i) => i * every)
    : scaleLinear()
        .domain([0, Math.max(1, count - 1)])
        .ticks(Math.min(room, 10))
        .filter((at) => Number.isInteger(at) && at < count);
  const names = indices.map((index) => ({
    index,
    text: given ? cutText(given[index] ?? '', LONGEST, SMALL) : String(index),
  }));
  return { names, widest: Math.max(0, ...names.map(({ text }) => textWidth(text, SMALL))) };
}

/** Names left of a box whose rows they are. */
export function rowNames({ names }: SideNames, box: Box, count: number): Mark[] {
  return names.map(
    ({ index, text }): Mark => ({
      text,
      x: box.x - 6,
      y: box.y + ((index + 0.5) * box.height) / count + SMALL * 0.36,
      size: SMALL,
      anchor: 'end',
    }),
  );
}

/** Whether names of columns `pitch` pixels wide must be turned. */
export const turned = ({ names, widest }: SideNames, pitch: number, count: number) => {
  const every = names.length > 1 ? (names[1]?.index ?? 1) - (names[0]?.index ?? 0) : count;
  return widest + 6 > pitch * every;
};

/** Pixels below a box that its columns' names take. */
export const columnNamesHeight = ({ widest }: SideNames, isTurned: boolean) =>
  (isTurned ? (widest + SMALL) * Math.SQRT1_2 : SMALL) + 6;

/** Names below a box whose columns they are, turned by 45° where they would touch. */
export function columnNames(
  { names }: SideNames,
  { box, count, isTurned }: { box: Box; count: number; isTurned: boolean },
): Mark[] {
  const bottom = box.y + box.height;
  return names.map(({ index, text }): Mark => {
    const x = box.x + ((index + 0.5) * box.width) / count;
    if (!isTurned) return { text, x, y: bottom + SMALL + 4, size: SMALL, anchor: 'middle' };
    return {
      text,
      x: x + SMALL * 0.3,
      y: bottom + 4 + SMALL * 0.7,
      size: SMALL,
      anchor: 'end',
      rotate: -45,
    };
  });
}

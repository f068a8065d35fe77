/**
 * The layout of heatmaps: the boxes of the matrices, names along their sides, and the colour bar.
 */
import { scaleLinear } from 'd3-scale';
import { makeAxis } from './axis';
import { cellMarks, countColumns, type Matrix } from './cells';
import type { ColorScale } from './colormap';
import { footHeight, PAD, roomFor, SIZE, titleHeight } from './frame';
import type { HeatmapOptions } from './heatmap';
import { type Box, type Mark, tag } from './svg';
import { cutText, textWidth } from './text';
import { EDGE } from './theme';

export const BETWEEN = 16; // pixels between matrices

export interface HeatmapLayout {
  height: number;
  /** The box of each matrix, row by row. */
  boxes: readonly Box[];
  /** The box around all matrices. */
  whole: Box;
  /** Row names left of the first matrix of each row, column names below the last row. */
  names(): Mark[];
}

/** Lays out the matrices. Cells are square unless the matrix is too long or too tall for that. */
export function layOutHeatmaps(
  matrices: readonly (readonly Matrix[])[],
  settings: HeatmapOptions & { cells: readonly string[] },
  barWidth: number,
): HeatmapLayout {
  const { title, xlabel, ylabel, xticks, yticks, width = 560, cells } = settings;
  const rows = matrices.length;
  const cols = matrices[0]?.length ?? 1;
  const first = matrices[0]?.[0] as Matrix;
  const high = first.length;
  const wide = countColumns(first);
  const head = (row: number) =>
    cells.slice(row * cols, (row + 1) * cols).some(Boolean) ? SIZE + 8 : 0;
  const spaceFor = (left: number) => {
    const w = (width - left - barWidth - PAD - (cols - 1) * BETWEEN) / cols;
    return { w, h: w * Math.min(Math.max(high / wide, 0.25), 1.5) };
  };
  const rough = spaceFor(PAD + 40);
  const side = layOutSideNames(high, yticks, { length: rough.h, pitch: 15 });
  const below = layOutSideNames(wide, xticks, { length: rough.w, pitch: xticks ? 17 : 30 });
  const isTurned = needTurning(below, rough.w / wide, wide);
  const leaning = isTurned ? below.widest * Math.SQRT1_2 : 0; // turned names reach to the left
  const left = PAD + Math.max((ylabel ? SIZE + 8 : 0) + roomFor(side.widest) + 6, roomFor(leaning));
  const { w, h } = spaceFor(left);
  const top = PAD + titleHeight(title);
  let y = top;
  const boxes = matrices.flatMap((row, i) => {
    y += head(i);
    const line = row.map((_, j): Box => ({ x: left + j * (w + BETWEEN), y, width: w, height: h }));
    y += h + (i < rows - 1 ? BETWEEN : 0);
    return line;
  });
  const foot = columnNamesHeight(below, isTurned) - SIZE - 8;
  return {
    height: Math.ceil(y + Math.max(0, foot) + footHeight(xlabel)),
    boxes,
    whole: {
      x: left,
      y: top + head(0),
      width: width - left - barWidth - PAD,
      height: y - top - head(0),
    },
    names: () =>
      boxes.flatMap((box, i) => [
        ...(i % cols === 0 ? rowNames(side, box, high) : []),
        ...(i >= (rows - 1) * cols ? columnNames(below, { box, count: wide, isTurned }) : []),
      ]),
  };
}

const SMALL = SIZE - 1;
const LONGEST = 96; // pixels; longer names are cut

/** Names of rows or columns, with their indices. */
interface SideNames {
  readonly names: readonly { readonly index: number; readonly text: string }[];
  /** Width of the longest name, in pixels. */
  readonly widest: number;
}

/** Takes the given names, or numbers from 0: as many as fit at a distance of `pitch` pixels. */
function layOutSideNames(
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

/** Names left of a box, one at each row. */
function rowNames({ names }: SideNames, box: Box, count: number): Mark[] {
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

/** Whether names of columns that are `pitch` pixels wide must be turned. */
const needTurning = ({ names, widest }: SideNames, pitch: number, count: number) => {
  const every = names.length > 1 ? (names[1]?.index ?? 1) - (names[0]?.index ?? 0) : count;
  return widest + 6 > pitch * every;
};

/** Height of the column names below a box, in pixels. */
const columnNamesHeight = ({ widest }: SideNames, isTurned: boolean) =>
  (isTurned ? (widest + SMALL) * Math.SQRT1_2 : SMALL) + 6;

/** Names below a box, one at each column, turned by 45° where they would touch. */
function columnNames(
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

const STRIP = 14; // pixels, the width of the colour bar
const STEPS = 64; // colours of the bar
const GAP = 12; // pixels between the matrices and the bar

export interface ColorBar {
  /** Pixels, including the gap before the bar and its labels. */
  readonly width: number;
  /** Draws the bar right of `box` and as high as it. */
  marks(box: Box): Mark[];
}

/**
 * Makes a bar from the scale's lowest value at the bottom to its highest.
 * @param height the bar's approximate height in pixels, which decides the number of labels
 */
export function colorBar(scale: ColorScale, height: number): ColorBar {
  const makeBarAxis = (pixels: readonly [number, number]) =>
    makeAxis({
      values: [],
      limits: [scale.low, scale.high],
      scale: 'linear',
      pixels,
      room: Math.max(3, Math.floor(height / 48)),
      nice: false,
    });
  const labels = makeBarAxis([height, 0]).ticks.map(({ label }) => textWidth(label, SMALL));
  return {
    width: GAP + STRIP + 6 + Math.max(0, ...labels),
    marks(box) {
      const strip = { x: box.x + box.width + GAP, y: box.y, width: STRIP, height: box.height };
      const steps = Array.from({ length: STEPS }, (_, i) => [
        scale.high - ((scale.high - scale.low) * (i + 0.5)) / STEPS,
      ]);
      const axis = makeBarAxis([box.y + box.height, box.y]);
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

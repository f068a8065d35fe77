/** A chart as lines of text: braille dots, eight to a character, between axes. */
import { makeAxis } from './axis';
import {
  type Cell,
  columnsOf,
  fitColumns,
  paint,
  paintLine,
  printable,
  type TerminalOptions,
  type TextSize,
  textSize,
} from './characters';
import type { ChartSettings, Series } from './series';

export type { TerminalOptions } from './characters';

const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const BRAILLE = 0x2800;

interface Dots {
  bits: number;
  ansi: number;
}

/** Draws series between axes: `height` lines, the legend first, the x axis's labels last. */
export function toTerminal(
  series: readonly Series[],
  options: ChartSettings,
  size: TerminalOptions | TextSize,
): string {
  const { width, height = 16, color } = textSize(size);
  const { title } = options;
  const rows = Math.max(2, height - (title ? 4 : 3)); // title, legend, axis, labels
  const points = series.flatMap((one) => one.points);
  const y = makeAxis({
    values: points.map((point) => point.y),
    limits: options.ylim,
    scale: options.yscale ?? 'linear',
    pixels: [4 * rows - 1, 0],
    room: Math.max(2, Math.floor(rows / 3)),
    nice: true,
  });
  const margin = Math.max(1, ...y.ticks.map(({ label }) => label.length));
  const columns = Math.max(8, width - margin - 2);
  const x = makeAxis({
    values: points.map((point) => point.x),
    limits: options.xlim,
    scale: options.xscale ?? 'linear',
    pixels: [0, 2 * columns - 1],
    room: Math.max(2, Math.floor(columns / 12)),
    nice: false,
  });
  const cells = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, (): Dots => ({ bits: 0, ansi: 0 })),
  );
  for (const { points: line, style } of series) {
    const placed = line.map((point) => ({ x: x.at(point.x), y: y.at(point.y) }));
    drawLine(cells, placed, { ansi: style.ansi, joined: style.dash !== null });
  }
  const labels = new Map(y.ticks.map(({ value, label }) => [Math.floor(y.at(value) / 4), label]));
  const body = cells.map(
    (row, i) => `${(labels.get(i) ?? '').padStart(margin)} │${paintLine(row.map(glyph), color)}`,
  );
  const indent = ' '.repeat(margin + 2);
  const head = title ? [`${indent}${fitColumns(title, columns).trimEnd()}`] : [];
  const axis = `${' '.repeat(margin + 1)}└${'─'.repeat(columns)}`;
  return [
    ...head,
    `${indent}${legendLine(series, { columns, color, name: options.ylabel })}`.trimEnd(),
    ...body,
    axis,
    labelLine(x.ticks, { margin, columns, at: x.at, name: options.xlabel }),
  ].join('\n');
}

/** The y axis's name and those of the series: what fits one line, each cut to its share. */
function legendLine(
  series: readonly Series[],
  {
    columns,
    color,
    name: axis = '',
  }: { columns: number; color: TextSize['color']; name: string | undefined },
): string {
  const named = series.filter(({ label }) => label);
  const room = Math.max(6, Math.floor((columns + 3) / Math.max(1, named.length)) - 6);
  const fits =
    columns - columnsOf(printable(axis)) >=
    named.reduce((sum, { label = '' }) => sum + columnsOf(printable(label)) + 6, -3);
  const first = fitColumns(axis, Math.min(columnsOf(printable(axis)), Math.floor(columns / 3)));
  let [line, taken] = [first, columnsOf(first)];
  for (const { label = '', style } of named) {
    const name = fits
      ? printable(label)
      : fitColumns(label, Math.min(room, columnsOf(printable(label))));
    const gap = line ? 3 : 0;
    if (taken + gap + 3 + columnsOf(name) > columns)
      return taken + 2 <= columns ? `${line} …` : line;
    line += `${' '.repeat(gap)}${paint('━━', { fore: style.ansi }, color)} ${name}`;
    taken += gap + 3 + columnsOf(name);
  }
  return line;
}

const glyph = ({ bits, ansi }: Dots): Cell =>
  bits === 0 ? { text: ' ' } : { text: String.fromCodePoint(BRAILLE + bits), fore: ansi };

/** Dots along the straight way from each point to the next, or the points alone. */
function drawLine(
  cells: Dots[][],
  points: readonly { x: number; y: number }[],
  { ansi, joined }: { ansi: number; joined: boolean },
): void {
  const dot = (x: number, y: number) => {
    const cell = cells[Math.floor(y / 4)]?.[Math.floor(x / 2)];
    const bit = DOTS[y & 3]?.[x & 1];
    if (!cell || bit === undefined) return;
    cell.bits |= bit;
    cell.ansi = ansi;
  };
  let before: { x: number; y: number } | undefined;
  for (const point of points) {
    if (!Number.isFinite(point.x) || !Number.isFinite(point.y)) {
      before = undefined;
      continue;
    }
    const from = joined && before ? before : point;
    const steps = Math.max(
      1,
      Math.ceil(Math.max(Math.abs(point.x - from.x), Math.abs(point.y - from.y))),
    );
    for (let step = 0; step <= Math.min(steps, 4096); step++) {
      const share = step / steps;
      dot(
        Math.round(from.x + share * (point.x - from.x)),
        Math.round(from.y + share * (point.y - from.y)),
      );
    }
    before = point;
  }
}

interface LabelLine {
  margin: number;
  columns: number;
  at(value: number): number;
  name: string | undefined;
}

/**
 * Labels under their ticks, and the axis's name at the end; a label that would touch another is
 * left out.
 */
function labelLine(
  ticks: readonly { value: number; label: string }[],
  { margin, columns, at, name = '' }: LabelLine,
): string {
  const shown = fitColumns(name, Math.min(columnsOf(printable(name)), Math.floor(columns / 2)));
  const end = columns - columnsOf(shown);
  const line = Array.from({ length: end }, () => ' ');
  let free = 0;
  for (const { value, label } of ticks) {
    const start = Math.max(
      0,
      Math.min(columns - label.length, Math.round(at(value) / 2 - label.length / 2)),
    );
    if (start < free || (shown && start + label.length >= end)) continue;
    line.splice(start, label.length, ...label);
    free = start + label.length + 1;
  }
  return `${' '.repeat(margin + 2)}${`${line.join('')}${shown}`.trimEnd()}`;
}

/**
 * Line charts as text: braille dots, eight to a character, between axes. Where there are several
 * series, each has a marker on its line, since text has no colours in a file or a log.
 */
import { type Axis, makeAxis } from './axis';
import {
  type Cell,
  fitColumns,
  measureColumns,
  paint,
  paintLine,
  printable,
  type TerminalOptions,
  type TextSize,
  textSize,
} from './characters';
import type { DrawSettings, Series } from './series';

const DOTS = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
] as const;
const BRAILLE = 0x2800;

/** A marker for each series, in turn. */
const MARKERS = [...'●×▲○+■△◆□◇abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const MARKER_GAP = 8; // columns from a line's marker to its next

interface Dots {
  bits: number;
  ansi: number;
  marker?: string;
}

/** Draws series between axes: `height` lines, the legend first, the x axis's labels last. */
export function toTerminal(
  series: readonly Series[],
  options: DrawSettings,
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
    fromZero: options.fromZero ?? 'counts',
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
  const labels = new Map(y.ticks.map(({ value, label }) => [Math.floor(y.at(value) / 4), label]));
  const body = drawCells(series, { x, y }, { rows, columns }).map(
    (row, i) => `${(labels.get(i) ?? '').padStart(margin)} │${paintLine(row.map(glyph), color)}`,
  );
  const indent = ' '.repeat(margin + 2);
  const head = title ? [`${indent}${fitColumns(title, columns).trimEnd()}`] : [];
  const axis = `${' '.repeat(margin + 1)}└${'─'.repeat(columns)}`;
  return [
    ...head,
    `${indent}${legendLine(series, { columns, color, ylabel: options.ylabel })}`.trimEnd(),
    ...body,
    axis,
    labelLine(x.ticks, { margin, columns, at: x.at, name: options.xlabel }),
  ].join('\n');
}

/** The marker of series number `index`; a single series needs none. */
const markerAt = (index: number, count: number) =>
  count > 1 ? MARKERS[index % MARKERS.length] : undefined;

/** The y axis's name and the legend: the names that fit one line, each cut to its part of it. */
function legendLine(
  series: readonly Series[],
  {
    columns,
    color,
    ylabel = '',
  }: { columns: number; color: TextSize['color']; ylabel: string | undefined },
): string {
  const named = series.flatMap(({ label, style }, i) => {
    const marker = markerAt(i, series.length);
    return label ? [{ label, style, sample: marker ? `━${marker}━` : '━━' }] : [];
  });
  const extra = series.length > 1 ? 4 : 3; // columns of a sample and the blank after it
  const room = Math.max(6, Math.floor((columns + 3) / Math.max(1, named.length)) - extra - 3);
  const fits =
    columns - measureColumns(printable(ylabel)) >=
    named.reduce((sum, { label }) => sum + measureColumns(printable(label)) + extra + 3, -3);
  let line = fitColumns(
    ylabel,
    Math.min(measureColumns(printable(ylabel)), Math.floor(columns / 3)),
  );
  let taken = measureColumns(line);
  for (const { label, style, sample } of named) {
    const name = fits
      ? printable(label)
      : fitColumns(label, Math.min(room, measureColumns(printable(label))));
    const gap = line ? 3 : 0;
    if (taken + gap + extra + measureColumns(name) > columns)
      return taken + 2 <= columns ? `${line} …` : line;
    line += `${' '.repeat(gap)}${paint(sample, { fore: style.ansi }, color)} ${name}`;
    taken += gap + extra + measureColumns(name);
  }
  return line;
}

const glyph = ({ bits, ansi, marker }: Dots): Cell =>
  bits === 0 ? { text: ' ' } : { text: marker ?? String.fromCodePoint(BRAILLE + bits), fore: ansi };

function drawCells(
  series: readonly Series[],
  { x, y }: { x: Axis; y: Axis },
  { rows, columns }: { rows: number; columns: number },
): Dots[][] {
  const cells = Array.from({ length: rows }, () =>
    Array.from({ length: columns }, (): Dots => ({ bits: 0, ansi: 0 })),
  );
  const lines = series.map(({ points, style }) => {
    const placed = points.map((point) => ({ x: x.at(point.x), y: y.at(point.y) }));
    const joined = style.dash !== null;
    return { joined, cells: drawLine(cells, placed, { ansi: style.ansi, joined }) };
  });
  lines.forEach((line, i) => {
    const marker = markerAt(i, series.length);
    const every = line.joined ? MARKER_GAP : 1;
    const ansi = series[i]?.style.ansi ?? 0;
    if (marker) placeMarkers(line.cells, { marker, ansi, every, offset: 2 + 3 * i });
  });
  return cells;
}

/** By column: a cell that the line passes through. */
type LineCells = Map<number, Dots>;

/**
 * Draws dots along the straight line from each point to the next, or the points only if they are
 * not joined.
 *
 */
function drawLine(
  cells: Dots[][],
  points: readonly { x: number; y: number }[],
  { ansi, joined }: { ansi: number; joined: boolean },
): LineCells {
  const drawn: LineCells = new Map();
  const dot = (x: number, y: number) => {
    const column = Math.floor(x / 2);
    const cell = cells[Math.floor(y / 4)]?.[column];
    const bit = DOTS[y & 3]?.[x & 1];
    if (!cell || bit === undefined) return;
    cell.bits |= bit;
    cell.ansi = ansi;
    drawn.set(column, cell);
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
      const fraction = step / steps;
      dot(
        Math.round(from.x + fraction * (point.x - from.x)),
        Math.round(from.y + fraction * (point.y - from.y)),
      );
    }
    before = point;
  }
  return drawn;
}

interface MarkerPlaces {
  marker: string;
  ansi: number;
  /** Columns from marker to marker. */
  every: number;
  /** Differs between series, so that lines that coincide show the markers of both. */
  offset: number;
}

/** Puts markers on a line. A line that misses all the columns is marked at its first free cell. */
function placeMarkers(line: LineCells, { marker, ansi, every, offset }: MarkerPlaces): void {
  const mark = (cell: Dots) => {
    cell.marker = marker;
    cell.ansi = ansi;
  };
  const free = [...line].filter(([, cell]) => !cell.marker);
  const places = free.filter(([column]) => column % every === offset % every);
  const [first] = free.length > 0 ? free : line;
  for (const [, cell] of places.length > 0 ? places : first ? [first] : []) mark(cell);
}

interface LabelLine {
  margin: number;
  columns: number;
  at(value: number): number;
  name: string | undefined;
}

/**
 * The x axis's labels under their ticks and its name at the end. A label that would touch another
 * is left out.
 *
 */
function labelLine(
  ticks: readonly { value: number; label: string }[],
  { margin, columns, at, name = '' }: LabelLine,
): string {
  const shown = fitColumns(
    name,
    Math.min(measureColumns(printable(name)), Math.floor(columns / 2)),
  );
  const end = columns - measureColumns(shown);
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

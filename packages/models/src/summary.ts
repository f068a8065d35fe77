import { checkOptions, rule } from '@deepend/checks';
import type * as tfl from '@tensorflow/tfjs-layers';

/** What one block of a net (or one layer) gives and costs. */
export interface SummaryRow {
  /** The block's name, the part of its layers' names before the first dot. */
  name: string;
  /** With the batch: `[1, 56, 56, 64]`. */
  outputShape: number[];
  /** Trainable parameters. */
  parameters: number;
  /** Multiply-accumulates of convolutions and linear layers for one image. */
  macs: number;
}

export interface SummaryOptions {
  /** The batch that the shapes show. @default 1 */
  batchSize?: number;
  /** A row for each block, as the book prints them, or for each layer. @default 'blocks' */
  rows?: 'blocks' | 'layers';
}

const summaryOptions = rule.options({
  batchSize: rule.positiveInteger().optional(),
  rows: rule.oneOf(['blocks', 'layers']).optional(),
});

/** The rows that `summary` prints, as data. */
export function summarize(net: tfl.LayersModel, options: SummaryOptions = {}): SummaryRow[] {
  const { batchSize = 1, rows: kind = 'blocks' } = checkOptions('[models] summary', summaryOptions, options);
  const rows: SummaryRow[] = [];
  for (const layer of net.layers) {
    const name = (kind === 'blocks' ? layer.name.split('.')[0] : undefined) ?? layer.name;
    const outputShape = firstShape(layer.outputShape).map((size) => size ?? batchSize);
    const row = { name, outputShape, parameters: trainable(layer), macs: macs(layer) };
    const last = rows.at(-1);
    if (last?.name === name) {
      last.outputShape = row.outputShape;
      last.parameters += row.parameters;
      last.macs += row.macs;
    } else rows.push(row);
  }
  return rows;
}

/** Each block's output shape as the book prints them, with its parameters and multiply-accumulates (MACs) for one image. */
export function summary(net: tfl.LayersModel, options: SummaryOptions = {}): string {
  const rows = summarize(net, options);
  const total = { parameters: sum(rows, 'parameters'), macs: sum(rows, 'macs') };
  const cells = [
    ['block', 'output shape', 'parameters', 'MACs'],
    ...rows.map((row) => [row.name, `[${row.outputShape.join(', ')}]`, count(row.parameters), count(row.macs)]),
    ['total', '', count(total.parameters), count(total.macs)],
  ];
  if (options.rows === 'layers') (cells[0] as string[])[0] = 'layer';
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ');
  const rule = '─'.repeat(line(cells[0] ?? []).length);
  const lines = cells.map(line);
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1)].join('\n');
}

const firstShape = (shape: tfl.Shape | tfl.Shape[]): tfl.Shape =>
  Array.isArray(shape[0]) ? (shape[0] as tfl.Shape) : (shape as tfl.Shape);
const product = (shape: readonly (number | null)[]) => shape.reduce<number>((a, b) => a * (b ?? 1), 1);
const trainable = (layer: tfl.layers.Layer) => layer.trainableWeights.reduce((n, weight) => n + product(weight.shape), 0);
const sum = (rows: SummaryRow[], key: 'parameters' | 'macs') => rows.reduce((n, row) => n + row[key], 0);
const count = (n: number) => n.toLocaleString('en-US');

/** Each weight of a convolution's kernel is used once for each output pixel, each of a linear layer's once. */
function macs(layer: tfl.layers.Layer): number {
  const kernel = layer.weights.find((weight) => weight.originalName.endsWith('kernel'));
  if (!kernel) return 0;
  const output = firstShape(layer.outputShape); // [batch, height, width, channels] or [batch, units]
  return product(kernel.shape) * product(output.slice(1, -1));
}

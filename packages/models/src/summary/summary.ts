import { areTensors, isModule, type ModuleLike, type Tensors } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { type Arithmetic, type Around, explainCall, NOTHING_AROUND, printed } from './arithmetic';
import { allLayers, isFixed, type LayerCall, layerCalls } from './calls';
import { countOf, macFormula, parametersOf, statisticsOf } from './costs';
import { moduleRows } from './module-summary';
import { bytesText, columns } from './table';

/** The output shape and the costs of one block (or one layer) of a model. */
export interface SummaryRow {
  /**
   * The layer's name, or the block's: the part of its layers' names before the first dot (the
   * second dot after `features.` and `classifier.`).
   */
  name: string;
  /** The class's name, for a module. */
  type?: string;
  /** The number of modules around it, with rows of a tree. */
  depth?: number;
  /** With the batch: `[1, 56, 56, 64]`; empty for a module whose `forward` was not called. */
  outputShape: number[];
  /** Number of parameters, frozen ones too, without batch normalization's moving statistics. */
  parameters: number;
  /**
   * Multiply-accumulates of convolutions and linear layers for one image; of a module for one along
   * the first axis of its inputs, which for sequences with the time in front is a step.
   */
  macs: number;
  /**
   * Bytes of the outputs of all layers in the row, padding layers excluded, for the whole batch.
   * This is not the memory that training or inference needs at a time, since a plan fuses layers
   * and frees tensors early: see `estimateMemory`.
   */
  activationBytes: number;
  /** The formulas of the row's numbers, with `explain`. */
  arithmetic?: readonly Arithmetic[];
}

export interface SummaryOptions {
  /** The batch size of shapes and activations. @default 1 */
  batchSize?: number;
  /**
   * One row for each block, as the book prints them, or for each layer; for an `nn.Module` also
   * `'tree'`, all modules as torchinfo prints them. @default 'blocks'; 'layers' with `explain`
   */
  rows?: 'blocks' | 'layers' | 'tree';
  /** Adds the arithmetic of each layer: `⌊(224 − 7 + 2·3)/2⌋ + 1 = 112`. @default false */
  explain?: boolean;
  /**
   * For an `nn.Module`, which needs them: example features for one call of `forward`, which stay
   * the caller's. @default none, for a model of layers
   * @example tf.zeros([1, 35], 'int32')
   */
  inputs?: Tensors;
}

const summaryOptions = rule.object({
  batchSize: rule.positiveInteger().optional(),
  rows: rule.oneOf(['blocks', 'layers', 'tree']).optional(),
  explain: rule.boolean().optional(),
  inputs: rule.custom<Tensors>(areTensors, 'a tensor, a list or a record of tensors').optional(),
});

/**
 * The rows that `summary` prints, as data. A layer that pads the image of another one (`conv1_pad`)
 * is counted with it.
 * @throws Error when a layer's output has no fixed size, or `explain` is combined with rows of
 *   blocks
 */
export function summarize(
  model: tfl.LayersModel | ModuleLike,
  options: SummaryOptions = {},
): SummaryRow[] {
  const checked = checkOptions('[models] summary', summaryOptions, options);
  const { batchSize = 1, explain = false, rows: asked, inputs } = checked;
  if (isModule(model)) return rowsOfModule(model, checked);
  if (inputs)
    throw new TypeError(
      '[models] summary: option "inputs" is for an nn.Module; a model of layers knows its shapes',
    );
  if (asked === 'tree') {
    throw new TypeError(
      "[models] summary: rows 'tree' is for an nn.Module; a model of layers has rows of 'blocks' " +
        "or 'layers'",
    );
  }
  if (explain && asked === 'blocks') {
    throw new RangeError(
      "[models] summary: option \"rows\" must be 'layers' where layers are explained, got 'blocks'",
    );
  }
  const kind = asked ?? (explain ? 'layers' : 'blocks');
  const rows = new Map<string, SummaryRow>();
  const seen = new Set<tfl.layers.Layer>();
  for (const { call, around } of foldPadding(layerCalls(model))) {
    const name = kind === 'blocks' ? blockOf(call.layer.name) : call.layer.name;
    const row = rowOf(call, { name, batchSize, known: seen.has(call.layer) });
    if (explain) row.arithmetic = explainCall(call, around);
    seen.add(call.layer);
    const before = rows.get(name);
    rows.set(name, before ? joined(before, row) : row);
  }
  return [...rows.values()];
}

function rowsOfModule(
  module: ModuleLike,
  { inputs, rows = 'blocks', explain, batchSize }: SummaryOptions,
): SummaryRow[] {
  if (explain || batchSize !== undefined || !inputs) {
    throw new TypeError(
      `[models] summary: '${module.name}' is an nn.Module, whose forward is run once: expected ` +
        'the option "inputs", example features such as tf.zeros([1, 28, 28, 1]), and neither ' +
        '"explain" nor "batchSize"',
    );
  }
  return moduleRows(module, { inputs, rows }).map(
    ({ isCalled: _, hasActivations: __, ...row }) => row,
  );
}

/** Modules of PyTorch's models that contain the blocks. */
const CONTAINERS = ['features', 'classifier'];

/** `layer1.0.conv1` → `layer1`, `features.denseblock1.norm1` → `features.denseblock1`. */
export function blockOf(layer: string): string {
  const parts = layer.split('.');
  return parts.slice(0, CONTAINERS.includes(parts[0] ?? '') ? 2 : 1).join('.');
}

interface Folded {
  call: LayerCall;
  around: Around;
}

/**
 * Merges each padding layer into the layer that it pads for; that layer's input is then the
 * unpadded image.
 */
function foldPadding(calls: readonly LayerCall[]): Folded[] {
  const pads = new Map<tfl.SymbolicTensor, LayerCall>();
  const names = new Set(calls.map(({ layer }) => layer.name));
  const folded: Folded[] = [];
  for (const call of calls) {
    const { layer } = call;
    const owner = layer.name.replace(/_pad$/, '');
    if (layer.getClassName() === 'ZeroPadding2D' && owner !== layer.name && names.has(owner))
      pads.set(call.output, call);
    else {
      const pad = pads.get(call.inputs[0] as tfl.SymbolicTensor);
      const around =
        (pad?.layer.getConfig() as { padding?: Around } | undefined)?.padding ?? NOTHING_AROUND;
      folded.push({ call: pad ? { ...call, inputs: pad.inputs } : call, around });
    }
  }
  return folded;
}

function rowOf(
  call: LayerCall,
  { name, batchSize, known }: { name: string; batchSize: number; known: boolean },
): SummaryRow {
  const outputShape = [batchSize, ...call.output.shape.slice(1).map((size) => size ?? Number.NaN)];
  if (outputShape.some(Number.isNaN)) {
    throw new Error(
      `[models] summary: layer '${call.layer.name}': expected an output of a fixed size, got ` +
        `[${call.output.shape.map((size) => size ?? '?').join(', ')}]; ` +
        'build the model for one image size (inputShape)',
    );
  }
  // A layer that is called twice has its weights once.
  const parameters = known ? 0 : countOf(parametersOf(call.layer));
  return {
    name,
    outputShape,
    parameters,
    macs: macFormula(call).value,
    activationBytes: 4 * outputShape.reduce((a, b) => a * b),
  };
}

/** A block's output is that of its last layer. */
const joined = (a: SummaryRow, b: SummaryRow): SummaryRow => ({
  ...a,
  outputShape: b.outputShape,
  parameters: a.parameters + b.parameters,
  macs: a.macs + b.macs,
  activationBytes: a.activationBytes + b.activationBytes,
});

/**
 * A table of blocks (or layers): output shape as the book prints it, parameters,
 * multiply-accumulates (MACs) for one image, and activations, the size of all layers' outputs for
 * the batch. (`estimateMemory` computes what training needs.) The last line counts the trainable
 * parameters where some numbers are frozen or are moving statistics.
 *
 * An `nn.Module` is run once on the option `inputs`, and has a row for each module directly inside,
 * or with `rows: 'tree'` for all of them. Each parameter counts in one row.
 * @throws Error when a layer's output has no fixed size, or a module cannot compute the inputs
 * @example
 * console.log(summary(net, { inputs: tf.zeros([1, 35], 'int32') }));
 */
export function summary(model: tfl.LayersModel | ModuleLike, options: SummaryOptions = {}): string {
  const rows = summarize(model, options);
  const kind = options.explain || options.rows === 'layers' ? 'layer' : 'block';
  const hasTypes = isModule(model);
  const type = (text: string) => (hasTypes ? [text] : []);
  const total = (key: 'parameters' | 'macs' | 'activationBytes') =>
    rows.reduce((n, row) => n + row[key], 0);
  const numbers = (row: Pick<SummaryRow, 'parameters' | 'macs' | 'activationBytes'>) => [
    count(row.parameters),
    count(row.macs),
    bytesText(row.activationBytes),
  ];
  const [head = '', ...lines] = columns(
    [
      [
        options.rows === 'tree' ? 'module' : kind,
        ...type('type'),
        ...['output shape', 'parameters', 'MACs', 'activations'],
      ],
      ...rows.map((row) => [
        nameInTree(row, rows),
        ...type(row.type ?? ''),
        row.outputShape.length > 0 ? `[${row.outputShape.join(', ')}]` : '',
        ...numbers(row),
      ]),
      [
        'total',
        ...type(''),
        '',
        ...numbers({
          parameters: total('parameters'),
          macs: total('macs'),
          activationBytes: total('activationBytes'),
        }),
      ],
    ],
    hasTypes ? 3 : 2,
  );
  const ruler = '─'.repeat(head.length);
  const body = rows.flatMap((row, i) => [
    lines[i] ?? '',
    ...(row.arithmetic ?? []).map((line) => `    ${printed(line)}`),
  ]);
  return [head, ruler, ...body, ruler, lines.at(-1), ...learningLine(model)].join('\n');
}

/** In a tree, indented, and named from the module around it. */
function nameInTree({ name, depth = 0 }: SummaryRow, rows: readonly SummaryRow[]): string {
  if (depth === 0) return name;
  const around = rows
    .filter((row) => (row.depth ?? 0) > 0 && name.startsWith(`${row.name}.`))
    .map((row) => row.name.length + 1);
  return `${'  '.repeat(depth)}${name.slice(Math.max(0, ...around))}`;
}

const count = (n: number) => n.toLocaleString('en-US');

function learningOfModule(module: ModuleLike): string[] {
  const count = (variables: readonly { size: number }[]) =>
    variables.reduce((sum, { size }) => sum + size, 0);
  const parameters = module.namedParameters().map(([, variable]) => variable);
  const trainable = count(parameters.filter((variable) => variable.trainable));
  const statistics = count(module.namedBuffers().map(([, variable]) => variable));
  return learning({ trainable, parameters: count(parameters), statistics });
}

/**
 * `trainable 5,130 of 11,699,112 (11,684,382 frozen, 9,600 moving statistics)`; no line where all
 * numbers are trainable.
 */
function learningLine(model: tfl.LayersModel | ModuleLike): string[] {
  if (isModule(model)) return learningOfModule(model);
  const layers = allLayers(model).filter((layer) => !isFixed(layer));
  const parameters = layers.reduce((n, layer) => n + countOf(parametersOf(layer)), 0);
  const statistics = layers.reduce((n, layer) => n + countOf(statisticsOf(layer)), 0);
  const trainable = layers.reduce((n, layer) => n + countOf(layer.trainableWeights), 0);
  return learning({ trainable, parameters, statistics });
}

function learning(sizes: { trainable: number; parameters: number; statistics: number }): string[] {
  const { trainable, parameters, statistics } = sizes;
  if (trainable === parameters + statistics) return [];
  const rest = [
    [parameters - trainable, 'frozen'],
    [statistics, 'moving statistics'],
  ] as const;
  const why = rest.flatMap(([n, what]) => (n > 0 ? [`${count(n)} ${what}`] : [])).join(', ');
  return [`trainable ${count(trainable)} of ${count(parameters + statistics)} (${why})`];
}

/** Loads and saves a model's weights as safetensors files with PyTorch's names and layouts. */
import { isModule, type ModuleLike } from '@deepend/compiler';
import { checkOptions, closest, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { NumberDtype } from './float-formats';
import { moduleParameters, writeModuleWeights } from './module-weights';
import { NonFiniteWatch } from './non-finite';
import { isFloat, isNumber, withSafetensors, writeSafetensors } from './safetensors';
import type { SafetensorsTensor } from './safetensors-header';
import { type Parameter, reverseAxes, torchParameters } from './weight-layouts';

export interface LoadWeightsOptions {
  /**
   * Whether the file must have every parameter of the model and no others. With false, the
   * parameters that the file has are loaded. @default true
   */
  strict?: boolean;
  /**
   * Whether the model's last layer with weights keeps its initial weights, for a head of another
   * size. @default false
   */
  skipHead?: boolean;
}

/** The result of `loadWeights`, in PyTorch's names. */
export interface LoadedWeights {
  readonly loaded: string[];
  /** Parameters of the model that the file does not have. */
  readonly missing: string[];
  /** Tensors of the file that the model does not have. */
  readonly leftOver: string[];
  /** Parameters of the head that `skipHead` skipped. */
  readonly skipped: string[];
}

const loadOptions = rule.object({
  strict: rule.boolean().optional(),
  skipHead: rule.boolean().optional(),
});

/**
 * Reads weights from a safetensors file with PyTorch's names (`layer1.0.conv1.weight`) and layouts
 * (convolutions OIHW, linear layers [out, in]), such as a torchvision checkpoint converted to
 * safetensors. Float32, float16 and bfloat16 are read exactly, float64 is rounded to float32.
 * Everything is checked before the first weight is written, so an error leaves the model unchanged
 * (except when reading the disk fails later). Tensors are read one at a time.
 *
 * Names may have the prefixes of PyTorch's wrappers, `module.` and `_orig_mod.`; they are left out.
 * Batch counters (`num_batches_tracked`, `n_averaged`) are ignored, and so are GoogLeNet's
 * auxiliary classifiers (`aux1.`, `aux2.`) where the model has none: torchvision drops them itself
 * after loading. Neither counts as left over.
 * @param options.strict whether names must match exactly @default true
 * @param options.skipHead whether the last layer keeps its initial weights @default false
 * @returns the names loaded, missing in the file, left over in it, and skipped
 * @throws Error when the file is not a valid safetensors file; when names are missing or left over
 *   (unless `strict: false`), and also then when nothing would be loaded; when a shape differs or a
 *   type is not floating-point; when the model has a layer without a known counterpart in PyTorch
 * @example
 * const model = createModel('resnet18', { numClasses: 10 });
 * await loadWeights(model, 'resnet18.safetensors', { skipHead: true });
 */
export async function loadWeights(
  model: LayersModel | ModuleLike,
  file: string,
  options: LoadWeightsOptions = {},
): Promise<LoadedWeights> {
  const { strict = true, skipHead = false } = checkOptions(
    '[models] loadWeights',
    loadOptions,
    options,
  );
  const where = `[models] loadWeights: ${file}`;
  const parameters = isModule(model)
    ? moduleParameters(model)
    : torchParameters(model, { where: '[models] loadWeights' });
  return withSafetensors(file, { where }, async ({ header, readFloats }) => {
    const tensors = withoutPrefixes(parameters, header.tensors);
    const { pairs, missing, leftOver, skipped } = match(parameters, tensors, { skipHead });
    const isNothing = pairs.length === 0 && missing.length > 0;
    if (isNothing || (strict && missing.length + leftOver.length > 0))
      throw wrongNames(model, { where, missing, leftOver, isNothing });
    const fitting = pairs.map((pair) => checkPair(pair, { where, head: headOf(parameters) }));
    for (const { parameter, tensor } of fitting)
      writeParameter(parameter, await readFloats(tensor));
    return { loaded: pairs.map(({ parameter }) => parameter.name), missing, leftOver, skipped };
  });
}

interface Pair<T = SafetensorsTensor> {
  readonly parameter: Parameter;
  readonly tensor: T;
}

/** The last layer with weights. */
const headOf = (parameters: readonly Parameter[]) => parameters.at(-1)?.layer;

/** What PyTorch's wrappers add: `DataParallel` and `AveragedModel`; `torch.compile`. */
const PREFIXES = /^(module\.)+|(?<=^|\.)_orig_mod\./g;

/**
 * The tensors under the names that they had before PyTorch's wrappers. Names stay as they are when
 * the model itself has such names, or when two would become one.
 */
function withoutPrefixes(
  parameters: readonly Parameter[],
  tensors: readonly SafetensorsTensor[],
): readonly SafetensorsTensor[] {
  const isWrapped = (name: string) => name !== plainName(name);
  if (parameters.some(({ name }) => isWrapped(name))) return tensors;
  const names = new Set(tensors.map(({ name }) => plainName(name)));
  if (names.size < tensors.length) return tensors;
  return tensors.map((tensor) => ({ ...tensor, name: plainName(tensor.name) }));
}

/** Prefixes may be nested, as in `module._orig_mod.`. */
function plainName(name: string): string {
  const shorter = name.replace(PREFIXES, '');
  return shorter === name ? name : plainName(shorter);
}

function match(
  parameters: readonly Parameter[],
  tensors: readonly SafetensorsTensor[],
  { skipHead }: { skipHead: boolean },
) {
  const head = skipHead ? headOf(parameters) : undefined;
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const pairs: Pair[] = [];
  const missing: string[] = [];
  const skipped: string[] = [];
  for (const parameter of parameters) {
    const tensor = byName.get(parameter.name);
    if (parameter.layer === head) skipped.push(parameter.name);
    else if (tensor) pairs.push({ parameter, tensor });
    else missing.push(parameter.name);
  }
  const ours = new Set(parameters.map(({ name }) => name));
  const leftOver = [...byName.keys()].filter(
    (name) => !ours.has(name) && !isPassedOver(name, parameters),
  );
  return { pairs, missing, skipped, leftOver };
}

/** Whether a name is one that PyTorch checkpoints have in addition to the model's parameters. */
function isPassedOver(name: string, parameters: readonly Parameter[]): boolean {
  if (name.endsWith('num_batches_tracked')) return true;
  if (name === 'n_averaged') return true; // of AveragedModel
  const auxiliary = /^aux[12]\./.exec(name)?.[0];
  return (
    auxiliary !== undefined && !parameters.some((parameter) => parameter.name.startsWith(auxiliary))
  );
}

const list = (names: readonly string[]) => {
  const rest = names.length > 10 ? `, ... (${names.length} in all)` : '';
  return `${names.slice(0, 10).map(formatValue).join(', ')}${rest}`;
};

function wrongNames(
  model: LayersModel | ModuleLike,
  {
    where,
    missing,
    leftOver,
    isNothing,
  }: {
    where: string;
    missing: readonly string[];
    leftOver: readonly string[];
    /** Whether no name of the file is one of the model's. */
    isNothing: boolean;
  },
): Error {
  const faults = [
    ...(missing.length > 0 ? [`a file without ${list(missing)}`] : []),
    ...(leftOver.length > 0 ? [`left over ${list(leftOver)}`] : []),
  ];
  const near = missing
    .slice(0, 10)
    .map((name) => ({ name, other: closest(name, leftOver) }))
    .find(({ other }) => other);
  const hint = near ? `is ${formatValue(near.other)} the model's ${formatValue(near.name)}? ` : '';
  return new Error(
    `${where}: expected the parameters of the model '${model.name}' and no others, got ` +
      `${faults.join(' and ')}; ` +
      `${hint}build the model that the file is of${
        isNothing
          ? ', since no name is the same'
          : ', or load what has the same name with { strict: false }'
      }`,
  );
}

function checkPair(
  { parameter, tensor }: Pair,
  { where, head }: { where: string; head: Parameter['layer'] | undefined },
) {
  const { name, layer, torch } = parameter;
  if (torch.shape.join() !== tensor.shape.join()) {
    const next = layer === head ? 'leave the head as it is with { skipHead: true }, or ' : '';
    throw new Error(
      `${where}: tensor ${formatValue(name)}: expected shape [${torch.shape.join(', ')}], as ` +
        `layer '${layer.name}' has it, ` +
        `got [${tensor.shape.join(', ')}]; ${next}build the model with the sizes of the file's`,
    );
  }
  if (isFloat(tensor) || (parameter.isInteger && isNumber(tensor)))
    return { parameter, tensor } satisfies Pair<SafetensorsTensor & { dtype: NumberDtype }>;
  throw new Error(
    `${where}: tensor ${formatValue(name)}: expected F32, F16, BF16 or F64, got ` +
      `${tensor.dtype}; save it as float32`,
  );
}

function writeParameter({ variable, shape, torch }: Parameter, values: Float32Array): void {
  const [a, b, c] = torch.view;
  const tensor = tf.tensor(reverseAxes(values, [c, b, a]), [...shape]);
  try {
    variable.write(tensor);
  } finally {
    tensor.dispose();
  }
}

/**
 * Writes a model's weights into a safetensors file, float32, with PyTorch's names and layouts, so
 * that a PyTorch module with the same layers loads them by `load_state_dict`: kernels OIHW, linear
 * layers [out, in] with the inputs after a flattened image ordered c·h·w, batch norm's statistics.
 * Layers whose name ends in `_fixed` compute a constant map and are left out. The file appears
 * complete or not at all. A weight that is not finite is saved as it is, with a warning that names
 * the first one.
 * @throws Error when a layer's weights have no known counterpart in PyTorch (the error names the
 *   layer; nothing is written), or when the file cannot be written
 */
export async function saveWeights(model: LayersModel | ModuleLike, file: string): Promise<void> {
  // Loaders of other libraries expect this entry.
  await writeWeights(model, file, { where: '[models] saveWeights', metadata: { format: 'pt' } });
}

/**
 * Writes what `saveWeights` writes, with other metadata.
 * @param options.where beginning of each error
 * @param options.metadata strings for the file's header
 * @example
 * await writeWeights(net, 'net.safetensors', { where: 'my program', metadata: { epoch: '3' } });
 */
export async function writeWeights(
  model: LayersModel | ModuleLike,
  file: string,
  { where, metadata }: { where: string; metadata: Readonly<Record<string, string>> },
): Promise<void> {
  if (isModule(model)) return writeModuleWeights(model, file, { where, metadata });
  const watch = new NonFiniteWatch(where);
  const tensors = torchParameters(model, { where }).map(({ name, variable, torch }, i) => ({
    name,
    shape: torch.shape,
    values: async () => {
      const values = (await variable.read().data()) as Float32Array;
      watch.check(i, name, values);
      return reverseAxes(values, torch.view);
    },
  }));
  await writeSafetensors(file, tensors, { where, metadata });
  watch.warn();
}

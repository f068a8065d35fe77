/** The rows of a module's summary: a forward pass that is watched, as torchinfo does it. */
import {
  argumentsOf,
  describeTensors,
  inMode,
  type ModuleLike,
  type Patch,
  type Tensors,
  withPatches,
} from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import { watchMacs } from './kernel-macs';
import type { SummaryRow } from './summary';

interface Watched extends SummaryRow {
  /** Whether `forward` was called. */
  isCalled: boolean;
  /** Whether its output counts, which it does not where a row inside has it. */
  readonly hasActivations: boolean;
}

export interface ModuleRowsOptions {
  /** Example features; they stay the caller's. */
  readonly inputs: Tensors;
  /**
   * `blocks`: the modules directly inside; `layers`: those that hold no other module or have
   * parameters of their own; `tree`: all modules.
   */
  readonly rows: ModuleRowsKind;
}

type ModuleRowsKind = 'blocks' | 'layers' | 'tree';

/**
 * Calls `forward` once in inference mode and counts for each module its parameters, the
 * multiply-accumulates for one sample, and its output. What `forward` of the module itself does
 * has a row of its own, with its class's name. Each parameter and multiplication counts in one row.
 */
export function moduleRows(module: ModuleLike, { inputs, rows: kind }: ModuleRowsOptions) {
  const batch = firstSize(inputs);
  const rows = new Map<ModuleLike, Watched>();
  const all = module.namedModules();
  const counted = new Set<tf.Variable>();
  for (const [name, one] of all.filter(([name]) => isRow(name, { all, kind }))) {
    const isWhole = kind === 'blocks' && one !== module;
    const own = isWhole ? one.namedParameters() : directly(one);
    const fresh = own.map(([, variable]) => variable).filter((variable) => !counted.has(variable));
    for (const variable of fresh) counted.add(variable);
    rows.set(one, {
      name: name || module.name,
      type: one.constructor.name,
      depth: kind === 'tree' ? depthOf(name, all) : 0,
      hasActivations: isWhole || one === module || !all.some(([other]) => isInside(other, name)),
      outputShape: [],
      parameters: fresh.reduce((sum, { size }) => sum + size, 0),
      macs: 0,
      activationBytes: 0,
      isCalled: false,
    });
  }
  watch(module, rows, { inputs, batch });
  return [...rows.values()].filter(({ isCalled, parameters }) => isCalled || parameters > 0);
}

const firstSize = (inputs: Tensors): number =>
  tf.tensor_util.getTensorsInContainer(inputs as tf.TensorContainer)[0]?.shape[0] ?? 1;

const isInside = (name: string, other: string): boolean =>
  other === '' ? name !== '' : name.startsWith(`${other}.`);

/** The number of modules around one. */
const depthOf = (name: string, all: [string, ModuleLike][]): number =>
  all.filter(([other]) => isInside(name, other)).length;

function isRow(
  name: string,
  { all, kind }: { all: [string, ModuleLike][]; kind: ModuleRowsKind },
): boolean {
  if (name === '') return true; // the module itself
  if (kind === 'tree') return true;
  if (kind === 'layers') {
    const [, one] = all.find(([other]) => other === name) as [string, ModuleLike];
    return !all.some(([other]) => isInside(other, name)) || directly(one).length > 0;
  }
  return !all.some(([other]) => other !== '' && name.startsWith(`${other}.`));
}

/** The parameters that the module holds itself. */
function directly(module: ModuleLike): [string, tf.Variable][] {
  const inside = module
    .namedModules()
    .filter(([name]) => name !== '')
    .flatMap(([, one]) => one.namedParameters().map(([, variable]) => variable));
  return module.namedParameters().filter(([, variable]) => !inside.includes(variable));
}

/** Runs `forward` with every row's module wrapped; multiplications count for the innermost row. */
function watch(
  module: ModuleLike,
  rows: ReadonlyMap<ModuleLike, Watched>,
  { inputs, batch }: { inputs: Tensors; batch: number },
): void {
  const active: Watched[] = [];
  const patches = [...rows].map(([one, row]): Patch => {
    const forward = one.forward.bind(one);
    const watched = (...args: unknown[]) => {
      active.push(row);
      try {
        const outputs = forward(...args) as unknown;
        record(row, outputs);
        return outputs;
      } finally {
        active.pop();
      }
    };
    return { object: one, field: 'forward', value: watched };
  });
  const compute = () =>
    tf.tidy(() => {
      watchMacs(
        () => void module.forward(...argumentsOf(inputs)),
        (macs) => {
          const row = active.at(-1);
          if (row) row.macs += macs / batch;
        },
      );
    });
  try {
    inMode(module, false, () => withPatches(patches, compute));
  } catch (cause) {
    throw new Error(
      `[models] summary: '${module.name}' cannot compute the example inputs ` +
        `${describeTensors(inputs)}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

/** The first output tensor's shape, and the bytes of all. */
function record(row: Watched, outputs: unknown): void {
  const tensors = tf.tensor_util.getTensorsInContainer([outputs] as tf.TensorContainer);
  row.isCalled = true;
  row.outputShape = [...(tensors[0]?.shape ?? [])];
  if (row.hasActivations)
    row.activationBytes += tensors.reduce((sum, { size }) => sum + 4 * size, 0);
}

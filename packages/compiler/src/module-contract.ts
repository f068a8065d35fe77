/**
 * What training needs of an `nn.Module`. The class is `@deepend/nn`'s; this is its shape, so that
 * the packages below and next to it need not import it.
 */
import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import type { CompiledForward } from './compiled-forward';
import type { Tensors } from './tensors';

/** Marks modules. A registered symbol, since a process may hold two copies of a package. */
export const MODULE = Symbol.for('deepend.module');

/** A weight as `LayersModel.weights` and `Module.weights` have it. */
export interface ModelWeight {
  readonly name: string;
  /** The name within its model, which is the same in every process. */
  readonly originalName: string;
  readonly shape: readonly (number | null)[];
  read(): Tensor;
  write(value: Tensor): unknown;
}

/** A `tf.LayersModel` or an `nn.Module`, as far as runs, checkpoints and devices need it. */
export interface Model {
  readonly name: string;
  /** Trainable or not, each once. */
  readonly weights: readonly ModelWeight[];
  getWeights(): Tensor[];
  /** Copies the values, in the order of `weights`. */
  setWeights(values: Tensor[]): void;
}

/** A module: parameters that are learned, buffers that are not, and a differentiable `forward`. */
export interface ModuleLike extends Model {
  readonly [MODULE]: true;
  /** Whether dropout drops and batch normalization uses the batch's statistics. */
  readonly training: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: every module has other inputs and outputs
  forward(...inputs: any[]): any;
  /** Each parameter once, under its first name: `layers.0.weight`. Trainable or frozen. */
  namedParameters(): [name: string, variable: Variable][];
  /** What `stateDict` has besides parameters, such as running statistics. */
  namedBuffers(): [name: string, variable: Variable][];
  /** This module, named '', and all modules inside, each once. */
  namedModules(): [name: string, module: ModuleLike][];
  /** Copies of parameters and buffers, by PyTorch's names and in its layouts; the caller's. */
  stateDict(): Record<string, Tensor>;
  /** Copies values by PyTorch's names and in its layouts. */
  loadStateDict(
    state: Readonly<Record<string, Tensor>>,
    options?: { strict?: boolean },
  ): { missing: string[]; unexpected: string[] };
  /** The constructor's arguments, as plain JSON; undefined for a class that declares none. */
  config?(): readonly unknown[] | undefined;
  /** Sets `training` here and in all modules inside. */
  train(training?: boolean): this;
  /** Of a compiled module only: what replays its kernels. */
  readonly compiled?: CompiledForward;
}

/** Whether a model is an `nn.Module`. */
export const isModule = (model: unknown): model is ModuleLike =>
  typeof model === 'object' && model !== null && (model as ModuleLike)[MODULE] === true;

/**
 * The arguments of `forward` for a batch's features: one tensor and a record are one argument, a
 * list is several.
 */
export const argumentsOf = (features: Tensors): Tensors[] =>
  Array.isArray(features) ? [...features] : [features];

/**
 * Runs `work` with a module and all modules inside in training or inference mode, and gives each
 * its own mode back; after a promise, when that settles.
 */
export function inMode<T>(module: ModuleLike, training: boolean, work: () => T): T {
  const inside = module.namedModules().map(([, one]) => one);
  // `namedModules` of a compiled module leaves out itself.
  const all: { training: boolean }[] = [module, ...inside];
  const modes = all.map((one) => one.training);
  const restore = () =>
    all.forEach((one, i) => {
      one.training = modes[i] as boolean;
    });
  module.train(training);
  let result: T;
  try {
    result = work();
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore) as T;
  restore();
  return result;
}

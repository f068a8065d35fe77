/** What a recording consists of. */
import type * as tf from '@tensorflow/tfjs-core';
import { JOINING_KERNELS } from '../synced-norm';
import type { Check, Draw } from './hooks';

/** A value's place in the list of values. */
export type Ref = number;

export type Value =
  /** One of the tensors that the caller gives. */
  | { readonly kind: 'input'; readonly index: number }
  /** A variable, or a tensor that the code holds: read where it is, at the time. */
  | { readonly kind: 'held'; readonly tensor: tf.Tensor; readonly isBuffer: boolean }
  /** The same in every step. The recording keeps and disposes it. */
  | { readonly kind: 'constant'; readonly tensor: tf.Tensor }
  | { readonly kind: 'computed' };

export type Attrs = Readonly<Record<string, unknown>>;

export interface KernelStep {
  readonly kind: 'kernel';
  readonly name: string;
  readonly attrs: Attrs | undefined;
  /** The place of the step's seed among those that it draws, where `attrs.seed` is one. */
  readonly draw: number | undefined;
  /** Absent inputs stand as undefined. */
  readonly inputs: readonly (readonly [key: string, ref: Ref | undefined])[];
  /** Whether the kernel takes a list, as `Concat` does, not a record. */
  readonly takesList: boolean;
  readonly outputs: readonly Ref[];
}

/** A buffer gets a value. */
export interface AssignStep {
  readonly kind: 'assign';
  readonly variable: tf.Variable;
  readonly value: Ref;
}

export interface CheckStep {
  readonly kind: 'check';
  readonly values: readonly Ref[];
  readonly check: Check;
}

/** Random numbers of a seed that are not made by a kernel. */
export interface DrawStep {
  readonly kind: 'draw';
  readonly draw: number;
  readonly make: Draw;
  readonly output: Ref;
}

export type Step = KernelStep | AssignStep | CheckStep | DrawStep;

export const isVariable = (tensor: tf.Tensor): tensor is tf.Variable =>
  'trainable' in tensor && 'assign' in tensor;

/** Inputs that a kernel changes in place. */
export const CHANGED_IN_PLACE: Readonly<Record<string, readonly string[]>> = {
  'deepend.batchNorm': ['movingMean', 'movingVariance'],
};

export const inputsOf = (step: Step): readonly Ref[] => {
  if (step.kind === 'kernel') return step.inputs.flatMap(([, ref]) => ref ?? []);
  if (step.kind === 'assign') return [step.value];
  return step.kind === 'check' ? step.values : [];
};

export const outputsOf = (step: Step): readonly Ref[] => {
  if (step.kind === 'kernel') return step.outputs;
  return step.kind === 'draw' ? [step.output] : [];
};

const JOINING = new Set<string>(JOINING_KERNELS);

/** Whether a kernel gives other values for the same inputs: those of other processes. */
export const dependsOnOthers = (kernelName: string): boolean => JOINING.has(kernelName);

/** Whether a step does more than compute values. */
export const hasEffect = (step: Step): boolean =>
  step.kind === 'assign' ||
  step.kind === 'check' ||
  (step.kind === 'kernel' &&
    (step.outputs.length === 0 || step.name in CHANGED_IN_PLACE || dependsOnOthers(step.name)));

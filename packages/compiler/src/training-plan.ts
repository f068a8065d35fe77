/** What training needs of a compiled model or a module, and how to get it for either. */
import type { Scalar } from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { FlatState } from './carried-state';
import { CompiledPlan } from './compiled-plan';
import { EagerPlan } from './eager-plan';
import type { NonFinite } from './execution';
import { isModule, type ModuleLike } from './module-contract';
import { Plan } from './plan';
import type { AnyLoss, AnyStepOptions, LossResult, Parameter, ParameterGradient } from './program';
import { NotCompilable } from './refusals';
import { TapePlan } from './tape-plan';
import type { Tensors } from './tensors';

type Correct = Scalar | null;

/** Mean loss and number of correct answers of a batch, on the device. The caller disposes both. */
export type Measured<C extends Correct = Correct> = Pick<LossResult<C>, 'loss' | 'correct'>;

/**
 * A model as a differentiable function with parameters: `Plan` for a `tf.LayersModel`, `EagerPlan`
 * for an `nn.Module`. Features, outputs and labels are each one tensor, a list or a record.
 */
export interface TrainingPlan {
  /** The weights that an optimizer updates, each once. */
  readonly parameters: readonly Parameter[];
  /** What a training step updates besides, such as moving means, each once. */
  readonly statistics: readonly Parameter[];
  /**
   * The parameters in the order in which a step completes their gradients, of plans that know it.
   * For a stream they scale the loss's gradient; others scale each gradient that they give it.
   */
  readonly gradientOrder?: readonly Parameter[];
  /** Shape of a sample; undefined for several inputs and where the model takes any. */
  readonly inputShape: readonly (number | null)[] | undefined;
  /** Length of the outputs' last axis; undefined where the model does not say. */
  readonly numClasses: number | undefined;
  /**
   * Computes the outputs in inference mode, for a compiled model those before its final softmax or
   * sigmoid. The caller disposes them.
   */
  logits(features: Tensors): Tensors;
  /** What the model gives, from its `logits`, which stay the caller's. The caller disposes both. */
  outputs(logits: Tensors): Tensors;
  /** Loss and number of correct answers from `logits`. The caller disposes them. */
  measure<C extends Correct>(loss: AnyLoss<C>, logits: Tensors, labels: Tensors): Measured<C>;
  /** A forward and a backward pass in training mode. It updates no weights. */
  forwardBackward<C extends Correct = Scalar>(
    features: Tensors,
    labels: Tensors,
    options: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] };
  /**
   * The most bytes that a training step over a batch holds, weights not included: estimated for a
   * compiled model of layers, else measured, in which case the first step comes before.
   * @param batch number of samples
   */
  peakBytes(batch: number): number;
  /** Applies the weights' constraints in place, after an update. */
  applyConstraints?(): void;
  /** Begins new sequences, for a module that carries a state from batch to batch. */
  beginSequence?(state?: FlatState): void;
  /** The state after the last batch; undefined where there is none. */
  readonly carriedState?: FlatState | undefined;
  /** Finds the first NaN or infinity of a step, in the order of computation. */
  firstNonFinite(
    features: Tensors,
    labels: Tensors,
    options: AnyStepOptions,
  ): NonFinite | undefined;
}

/**
 * Compiles a `tf.LayersModel`, or computes it on the tape where `Plan` does not compile it.
 * A module is computed as it is written, or replayed where `nn.compile` has compiled it.
 * @param options.carryState whether a module's state passes from batch to batch @default false
 * @throws TypeError for `carryState` with a `tf.LayersModel`
 */
export function planOf(
  model: LayersModel | ModuleLike,
  options: { carryState?: boolean | undefined } = {},
): TrainingPlan {
  const { carryState = false } = options;
  if (isModule(model)) {
    const { compiled } = model;
    return compiled
      ? new CompiledPlan(compiled, { carryState })
      : new EagerPlan(model, { carryState });
  }
  if (!carryState) return layersPlan(model);
  throw new TypeError(
    `[compiler] model '${model.name}': expected an nn.Module for "carryState", got a model of ` +
      'layers; recurrent layers with stateful: true carry their state themselves',
  );
}

function layersPlan(model: LayersModel): TrainingPlan {
  try {
    return new Plan(model, { images: true }) as TrainingPlan;
  } catch (error) {
    if (error instanceof NotCompilable) return new TapePlan(model);
    throw error;
  }
}

/** The two updates of a generative adversarial network; the book's `update_D` and `update_G`. */
import { isTensor, type ModuleLike } from '@deepend/compiler';
import type { LossOfOutput, VariableOptimizer } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';

/** Two modules that are trained in turn. */
export interface GanNetworks {
  /** Makes samples from noise: `[batch, ...]` → the shape of the data. */
  readonly generator: ModuleLike;
  /** Gives each sample a logit, which is positive for real ones: `[batch, ...]` → `[batch, 1]`. */
  readonly discriminator: ModuleLike;
}

export interface GanStepOptions {
  /** Updates the module that this step trains. */
  readonly optimizer: VariableOptimizer;
  /** Of logits with labels 1 (real) and 0 (generated), to a scalar. */
  readonly loss: LossOfOutput;
}

/** The loss of logits that all have one label. */
function lossFor(loss: LossOfOutput, logits: tf.Tensor, label: 0 | 1): tf.Scalar {
  const result = loss(logits, tf.fill(logits.shape, label));
  return (isTensor(result) ? result : result.loss) as tf.Scalar;
}

const run = (module: ModuleLike, inputs: tf.Tensor): tf.Tensor =>
  module.forward(inputs) as tf.Tensor;

/** What a generator makes of noise, without a gradient. The caller disposes it. */
export const generate = (generator: ModuleLike, noise: tf.Tensor): tf.Tensor =>
  tf.tidy(() => run(generator, noise));

/**
 * Updates the discriminator, so that it tells real samples from generated ones.
 * @param real samples of the data, `[batch, ...]`
 * @param noise what the generator starts from, `[batch, ...]`
 * @returns half of the sum of both losses before the update, which the caller disposes
 */
export function discriminatorStep(
  { generator, discriminator }: GanNetworks,
  { real, noise }: { real: tf.Tensor; noise: tf.Tensor },
  { optimizer, loss }: GanStepOptions,
): tf.Scalar {
  const generated = generate(generator, noise); // before the tape records: no gradient for it
  try {
    return optimizer.step(() => {
      const onReal = lossFor(loss, run(discriminator, real), 1);
      const onGenerated = lossFor(loss, run(discriminator, generated), 0);
      return tf.div(tf.add(onReal, onGenerated), 2);
    });
  } finally {
    generated.dispose();
  }
}

/**
 * Updates the generator, so that the discriminator takes its samples for real ones.
 * @param noise what the generator starts from, `[batch, ...]`
 * @returns the loss before the update, which the caller disposes
 */
export const generatorStep = (
  { generator, discriminator }: GanNetworks,
  noise: tf.Tensor,
  { optimizer, loss }: GanStepOptions,
): tf.Scalar => optimizer.step(() => lossFor(loss, run(discriminator, run(generator, noise)), 1));

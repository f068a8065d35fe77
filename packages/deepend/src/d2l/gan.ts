/**
 * The book's functions for generative adversarial networks: chapter 20 of the English edition, each
 * a line over `trainGan`'s steps. `loss` takes logits and labels: `binaryCrossEntropy()`, or the
 * book's `binaryCrossEntropy({ reduction: 'sum' })`.
 */
import type { ModuleLike } from '@deepend/compiler';
import type { LossOfOutput, VariableOptimizer } from '@deepend/optim';
import { discriminatorStep, generatorStep } from '@deepend/trainer';
import type * as tf from '@tensorflow/tfjs-core';

/**
 * Section 20.1: updates the discriminator.
 * @returns the loss before the update, which the caller disposes
 * @example
 * const trainerD = optim.adam(netD, { lr: 0.05 });
 * const loss = binaryCrossEntropy({ reduction: 'sum' });
 * d2l.updateD(X, Z, netD, netG, loss, trainerD).dispose();
 */
export const updateD = (
  X: tf.Tensor,
  Z: tf.Tensor,
  netD: ModuleLike,
  ...[netG, loss, trainerD]: [netG: ModuleLike, loss: LossOfOutput, trainerD: VariableOptimizer]
): tf.Scalar =>
  discriminatorStep(
    { generator: netG, discriminator: netD },
    { real: X, noise: Z },
    { optimizer: trainerD, loss },
  );

/**
 * Section 20.1: updates the generator.
 * @returns the loss before the update, which the caller disposes
 */
export const updateG = (
  Z: tf.Tensor,
  netD: ModuleLike,
  netG: ModuleLike,
  ...[loss, trainerG]: [loss: LossOfOutput, trainerG: VariableOptimizer]
): tf.Scalar =>
  generatorStep({ generator: netG, discriminator: netD }, Z, { optimizer: trainerG, loss });

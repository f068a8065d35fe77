/**
 * Rows in TensorFlow.js's registry of kernels, which needs no engine to be there: they are in place
 * whichever package was imported first.
 */

import type { FusedKernel } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';

/**
 * Adds an engine's own forms of the fused operations. `Given` is what it calls a kernel's
 * arguments.
 */
export function registerForms<Given>(
  backendName: string,
  forms: Partial<Record<FusedKernel, (given: Given) => tf.TensorInfo | tf.TensorInfo[]>>,
): void {
  for (const [kernelName, form] of Object.entries(forms)) {
    if (tf.getKernel(kernelName, backendName)) continue; // by another copy of this module: ESM beside CJS
    const kernelFunc = (given: unknown) => tf.tidy(() => form(given as Given) as tf.Tensor);
    tf.registerKernel({ kernelName, backendName, kernelFunc: kernelFunc as tf.KernelFunc });
  }
}

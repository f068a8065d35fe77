/**
 * A fast TensorFlow.js backend for training convolutional networks on CPUs. Importing this package
 * registers the backend `simd`.
 *
 * @example
 * import * as tf from '@tensorflow/tfjs-core';
 * import '@deepend/backend-simd';
 *
 * await tf.setBackend('simd');
 */
import { register } from './register';

export { OutOfMemoryError } from '@deepend/core';
export type { SimdBackend } from './backend';
export type { BuildName } from './build';
export {
  describeBuild,
  getThreads,
  type SimdInfo,
  setBuild,
  setThreads,
  simdInfo,
} from './settings';

register();

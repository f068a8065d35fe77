/**
 * A TensorFlow.js backend that trains convolutional nets fast on CPUs. Importing it registers the
 * backend `simd`.
 */
import { register } from './register';

export type { BuildName } from './build';
export { OutOfMemoryError } from './errors';
export { getThreads, type SimdInfo, setThreads, simdInfo, wasmBuild } from './settings';

register();

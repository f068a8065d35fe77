/** deepend: a deep-learning training toolkit in the manner of Dive into Deep Learning, on TensorFlow.js. */
export * from '@deepend/data';
export { cpu, type Device, type DeviceName, device, type EngineName, tryAllGpus, tryGpu } from '@deepend/device';
// Both packages have it, the same type.
export type { ImageShape } from '@deepend/models';
export * from '@deepend/models';
export * from '@deepend/plot';
export {
  Accumulator,
  type Callback,
  type EpochRecord,
  type Evaluation,
  evaluate,
  predict,
  type RunInfo,
  type StepRecord,
  Timer,
  type TrainOptions,
  type TrainResult,
  train,
} from '@deepend/trainer';
export { main } from './cli';
export { showPredictions } from './predictions';
export { saveRun } from './run';

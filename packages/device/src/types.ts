/** A TensorFlow.js backend, under the name that deepend gives it. */
export type EngineName = 'simd' | 'tensorflow' | 'wasm' | 'cpu-js' | 'webgpu';

/** Something that can compute. Getting one makes its engine the current one of TensorFlow.js. */
export interface Device {
  /** `cuda:0`, `webgpu:0`, or `cpu` for every CPU engine. */
  readonly name: string;
  readonly engine: EngineName;
  /** The processor by its maker's name, and how much of it the engine uses; for `simd` the build of its module too. */
  readonly hardware: string;
  /** Why this one, and not a better one. */
  readonly why: string;
}

/** What a device can be asked for by: what `device()` and `DEEPEND_DEVICE` take. */
export type DeviceName = `cuda:${number}` | 'webgpu:0' | 'cpu' | EngineName;

/** A TensorFlow.js backend, under the name that deepend gives it. */
export type BackendName = 'webgpu' | 'simd' | 'tensorflow' | 'wasm' | 'cpu-js';

/** Bytes of a device's own memory. */
export interface DeviceMemory {
  readonly total: number;
  /** By every process, when it was asked. */
  readonly used: number;
}

/** Something that can compute. Getting one makes its engine the current one of TensorFlow.js. */
export interface Device {
  /** `cuda:0`, `webgpu:0`, or `cpu` for every CPU engine. */
  readonly name: string;
  readonly backend: BackendName;
  /**
   * The processor by its maker's name, and how much of it the engine uses; for `simd` the build of
   * its module too.
   */
  readonly hardware: string;
  /** Why this one, and not a better one. */
  readonly why: string;
  /** Where the driver tells it. */
  readonly memory?: DeviceMemory;
}

/** What a device can be asked for by: what `device()` and `DEEPEND_DEVICE` take. */
export type DeviceName = `cuda:${number}` | 'webgpu:0' | 'cpu' | BackendName;

/**
 * What is chosen among: the GPU through CUDA, and the engines. `tensorflow` stands for
 * libtensorflow on the CPU.
 */
export type CandidateName = 'cuda' | BackendName;

export interface ChoiceOptions {
  /**
   * What is tried, the best first; what is not named is not taken. @default cuda, webgpu, simd,
   * tensorflow, wasm, cpu-js
   */
  order?: readonly CandidateName[];
  /** What is not taken. @default none */
  exclude?: readonly CandidateName[];
}

/** A TensorFlow.js backend, under the name that deepend gives it. */
export type BackendName = 'webgpu' | 'simd' | 'tensorflow' | 'wasm' | 'cpu-js';

/** Bytes of a device's memory. */
export interface DeviceMemory {
  readonly total: number;
  /** By all processes, at the time of the query. */
  readonly used: number;
}

/** Hardware that computes, and the backend for it. Choosing one makes its backend current. */
export interface Device {
  /** `cuda:0`, `webgpu:0`, or `cpu` for every CPU backend. */
  readonly name: string;
  /** The backend that computes, by the name that deepend gives it. */
  readonly backend: BackendName;
  /** The processor's name and how many cores the backend uses; for `simd` also its build. */
  readonly hardware: string;
  /**
   * The build of `simd`, such as `native AVX2` or `WebAssembly, relaxed SIMD`. Results are equal
   * bit for bit only within a build. Undefined for the other backends.
   */
  readonly build?: string;
  /** Why this device was chosen, and not a better one. */
  readonly why: string;
  /** If the driver reports it. */
  readonly memory?: DeviceMemory;
}

/** A device's name for `device()` and `DEEPEND_DEVICE`. */
export type DeviceName = `cuda:${number}` | 'webgpu:0' | 'cpu' | BackendName;

/**
 * A candidate of the automatic choice: the GPU through CUDA, or a backend. `tensorflow` is
 * libtensorflow on the CPU.
 */
export type CandidateName = 'cuda' | BackendName;

export interface ChoiceOptions {
  /**
   * The candidates to try, best first; others are not used.
   * @default cuda, webgpu, simd, tensorflow, wasm, cpu-js
   * @example ['webgpu', 'simd']
   */
  order?: readonly CandidateName[];
  /**
   * Candidates that are not used. @default none
   * @example ['cuda']
   */
  exclude?: readonly CandidateName[];
}

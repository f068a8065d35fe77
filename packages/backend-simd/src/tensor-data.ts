import type { BackendValues, DataType, TensorInfo } from '@tensorflow/tfjs-core';
import type { Runtime } from './runtime';

type View = Float32Array | Int32Array | Uint8Array;
type ViewClass = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: SharedArrayBuffer, start: number, length: number): View;
};
const VIEWS: Partial<Record<DataType, ViewClass>> = {
  float32: Float32Array,
  int32: Int32Array,
  bool: Uint8Array,
};

/**
 * The values of a tensor: in JavaScript at first, and in the module's memory from the first time
 * that a kernel asks for their address.
 */
export class TensorData {
  refCount = 1;
  /** Set by the stock cpu kernels: the parts of a complex tensor. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  readonly dtype: DataType;
  readonly #runtime: Runtime;
  readonly #length: number;
  /** Values in JavaScript's memory. */
  #outside: BackendValues | undefined;
  /** Address in the module's memory, or 0. */
  #at = 0;
  #view: View | undefined;

  constructor(runtime: Runtime, dtype: DataType, length: number, values?: BackendValues) {
    this.#runtime = runtime;
    this.dtype = dtype;
    this.#length = length;
    this.#outside = values;
  }

  get inMemory(): boolean {
    return this.#at !== 0;
  }

  /** Values for stock kernels. A view into shared memory stays valid when the memory grows. */
  get values(): BackendValues | undefined {
    if (this.#at === 0) return this.#outside;
    this.#view ??= new (VIEWS[this.dtype] as ViewClass)(
      this.#runtime.memory.buffer,
      this.#at,
      this.#length,
    );
    return this.#view;
  }

  set values(values: BackendValues | undefined) {
    this.free();
    this.#outside = values;
  }

  /** Address of the values in the module's memory. The first call copies them there. */
  pointer(): number {
    if (this.#at === 0) {
      const View = VIEWS[this.dtype];
      if (!View)
        throw new TypeError(
          `[backend-simd] expected a tensor of float32, int32 or bool, got ${this.dtype}`,
        );
      this.#at = this.#runtime.alloc(this.#length * View.BYTES_PER_ELEMENT);
      if (this.#outside) (this.values as Float32Array).set(this.#outside as Float32Array);
      this.#outside = undefined;
    }
    return this.#at;
  }

  /** Address of the values in the module's memory, or 0. */
  get address(): number {
    return this.#at;
  }

  /** Called when the heap has moved the values. */
  moveTo(at: number): void {
    this.#at = at;
    this.#view = undefined;
  }

  free(): void {
    if (this.#at !== 0) this.#runtime.free(this.#at);
    this.#at = 0;
    this.#view = undefined;
    this.#outside = undefined;
  }
}

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
 * What a backend keeps of a tensor: its numbers in JavaScript or, once a kernel has asked for them,
 * in the module's memory.
 */
export class TensorData {
  refCount = 1;
  /** The stock cpu backend's own: the parts of a complex tensor. */
  complexTensorInfos?: { real: TensorInfo; imag: TensorInfo };
  private at = 0;
  private view: View | undefined;

  constructor(
    private readonly runtime: Runtime,
    readonly dtype: DataType,
    private readonly length: number,
    private own?: BackendValues,
  ) {}

  get inMemory(): boolean {
    return this.at !== 0;
  }

  /** What stock kernels read. A view into shared memory stays valid when the memory grows. */
  get values(): BackendValues | undefined {
    if (this.at === 0) return this.own;
    this.view ??= new (VIEWS[this.dtype] as ViewClass)(
      this.runtime.memory.buffer,
      this.at,
      this.length,
    );
    return this.view;
  }

  set values(values: BackendValues | undefined) {
    this.free();
    this.own = values;
  }

  pointer(): number {
    if (this.at === 0) {
      const View = VIEWS[this.dtype];
      if (!View)
        throw new TypeError(
          `[backend-simd] a tensor of ${this.dtype} has no place in WebAssembly's memory`,
        );
      this.at = this.runtime.alloc(this.length * View.BYTES_PER_ELEMENT);
      if (this.own) (this.values as Float32Array).set(this.own as Float32Array);
      this.own = undefined;
    }
    return this.at;
  }

  /** Where its numbers lie; 0 while they are JavaScript's. */
  get place(): number {
    return this.at;
  }

  /** Its numbers were moved. */
  moveTo(at: number): void {
    this.at = at;
    this.view = undefined;
  }

  free(): void {
    if (this.at !== 0) this.runtime.free(this.at);
    this.at = 0;
    this.view = undefined;
    this.own = undefined;
  }
}

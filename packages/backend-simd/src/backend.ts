import { type LentValues, OutOfMemoryError } from '@deepend/core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import {
  type BackendValues,
  backend_util,
  type DataType,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { Task } from '../assembly/ops';
import type { Layout, TaskArguments } from './generated/bindings';
import { runtime } from './runtime';
import { TensorData } from './tensor-data';

/**
 * The TensorFlow.js backend `simd`. It has every operation of stock `cpu`; the hot ones run in
 * WebAssembly on all cores. The values of a tensor are copied into the module's memory when the
 * first WebAssembly kernel asks for their address.
 */
export class SimdBackend extends MathBackendCPU {
  readonly #runtime = runtime();
  readonly #owned = new Set<TensorData>();
  readonly #lent = new Set<TensorData>();
  #outputs: object[] | undefined; // outputs of the running kernel

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    const dataId = { id: nextId() };
    this.#put(dataId, this.#adopt(values, util.sizeFromShape(shape), dtype), 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const data = new TensorData(
      this.#runtime,
      dtype,
      util.sizeFromShape(shape),
      copyIfShared(values),
    );
    if (dtype === 'complex64')
      data.complexTensorInfos = this.#splitComplex(values as Float32Array, shape);
    this.#put(dataId, data, refCount);
  }

  /**
   * The caller may reuse shared memory, so values in it are copied immediately: into the module's
   * memory if they fit.
   */
  #adopt(values: BackendValues, size: number, dtype: DataType): TensorData {
    if (!isShared(values)) return new TensorData(this.#runtime, dtype, size, values);
    const data = new TensorData(this.#runtime, dtype, size, values);
    try {
      data.pointer();
      return data;
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      return new TensorData(this.#runtime, dtype, size, (values as Float32Array).slice());
    }
  }

  /** Splits another backend's complex numbers into the two tensors that stock kernels expect. */
  #splitComplex(values: Float32Array, shape: number[]): { real: TensorInfo; imag: TensorInfo } {
    const { real, imag } = backend_util.splitRealAndImagArrays(values);
    return {
      real: this.makeTensorInfo(shape, 'float32', real),
      imag: this.makeTensorInfo(shape, 'float32', imag),
    };
  }

  /**
   * Runs a kernel. If it fails (out of memory, a dead thread), its outputs are freed, since no
   * caller will receive them. If enough memory is free but fragmented, the heap is compacted and
   * the kernel runs again. That is safe because kernels allocate all their memory before they
   * write.
   */
  attempt<T>(kernel: () => T): T {
    try {
      return this.#runOnce(kernel);
    } catch (error) {
      const isFragmented =
        error instanceof OutOfMemoryError && error.asked + error.inUse <= error.limit;
      if (!isFragmented || this.#outputs || !this.#compact()) throw error;
      return this.#runOnce(kernel);
    }
  }

  /** Compacts the heap. Only between kernels, since a running kernel holds addresses. */
  #compact(): boolean {
    const bytes = new Uint8Array(this.#runtime.memory.buffer);
    const byAddress = new Map(
      [...this.#owned].flatMap((data) =>
        data.inMemory && !this.#lent.has(data) ? [[data.address, data] as const] : [],
      ),
    );
    return this.#runtime.heap.compact(new Set(byAddress.keys()), (from, to, size) => {
      bytes.copyWithin(to, from, from + size);
      byAddress.get(from)?.moveTo(to);
    });
  }

  #runOnce<T>(kernel: () => T): T {
    const outer = this.#outputs;
    const outputs: object[] = [];
    this.#outputs = outputs;
    try {
      return kernel();
    } catch (error) {
      for (const dataId of outputs) this.disposeData(dataId, true);
      throw error;
    } finally {
      this.#outputs = outer;
    }
  }

  /** A tensor for a kernel to fill. Its values are not initialized. */
  output(shape: number[], dtype: DataType = 'float32'): TensorInfo {
    const dataId = { id: nextId() };
    const data = new TensorData(this.#runtime, dtype, util.sizeFromShape(shape));
    data.pointer();
    this.#put(dataId, data, 1);
    this.#outputs?.push(dataId);
    return { dataId, shape, dtype };
  }

  /** A tensor with the same values and another shape. */
  alias(x: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** Whether the values of a tensor really have its dtype; see `settle`. */
  hasOwnType(x: TensorInfo): boolean {
    return this.#getData(x.dataId).dtype === x.dtype;
  }

  /** A copy whose values have the dtype of the tensor. */
  retyped(x: TensorInfo): TensorInfo {
    const values = this.#getData(x.dataId).values as Float32Array;
    return this.makeTensorInfo(
      x.shape,
      x.dtype,
      util.toTypedArray(values, x.dtype) as Float32Array,
    );
  }

  /** The tensor itself if its values have its dtype; otherwise a copy that replaces it. */
  settle(x: TensorInfo): TensorInfo {
    if (!x?.dataId || this.hasOwnType(x)) return x;
    const copy = this.retyped(x);
    this.disposeIntermediateTensorInfo(x);
    return copy;
  }

  /** Address of a tensor's values in the module's memory. */
  pointer(x: TensorInfo): number {
    return this.#getData(x.dataId).pointer();
  }

  /** The module's memory. When it grows, earlier buffers are too short: ask again each time. */
  get buffer(): SharedArrayBuffer {
    return this.#runtime.memory.buffer;
  }

  /** A tensor's values in place, to be read within a kernel. */
  values(x: TensorInfo): BackendValues {
    return this.#getData(x.dataId).values as BackendValues;
  }

  /**
   * The memory of a float tensor, which stays in its place and which another thread may change
   * until it is released; undefined for a tensor whose memory others share.
   */
  lend({ dataId }: { readonly dataId: object }): LentValues | undefined {
    const data = this.#getData(dataId);
    if (data.refCount !== 1 || data.dtype !== 'float32') return undefined;
    data.pointer();
    this.#lent.add(data);
    return {
      values: data.values as Float32Array,
      release: () => {
        this.#lent.delete(data);
      },
    };
  }

  /** Runs `tiles` tiles of a kernel; see `Runtime.launch`. */
  launch<T extends Task>(task: T, args: TaskArguments[T], tiles: number): void {
    this.#runtime.launch(task, args, tiles);
  }

  /** Calls `use` with the address of temporary memory. */
  temporary<T>(bytes: number, use: (at: number) => T): T {
    const at = this.#runtime.alloc(bytes);
    try {
      return use(at);
    } finally {
      this.#runtime.free(at);
    }
  }

  /** Calls `use` with the address of a temporary copy of these 32-bit words. */
  words<T>(words: readonly number[], use: (at: number) => T): T {
    return this.temporary(words.length * 4, (at) => {
      new Int32Array(this.#runtime.memory.buffer, at, words.length).set(words);
      return use(at);
    });
  }

  /** Calls `use` with the address of a temporary array of these records. */
  records<R, T>(layout: Layout<R>, records: readonly R[], use: (at: number) => T): T {
    const length = records.length * layout.size;
    return this.temporary(length * 4, (at) => {
      const { buffer } = this.#runtime.memory;
      const words = new Int32Array(buffer, at, length);
      const floats = new Float32Array(buffer, at, length);
      records.forEach((record, i) => {
        layout.write({ words, floats }, i * layout.size, record);
      });
      return use(at);
    });
  }

  override readSync(dataId: object): BackendValues {
    // Copy: the caller may keep and change the array, while the memory is reused for other tensors.
    const { inMemory, values } = this.#getData(dataId);
    return (inMemory ? (values as Float32Array) : (super.readSync(dataId) as Float32Array)).slice();
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const data = this.#getData(dataId);
    const gone = super.disposeData(dataId, force);
    if (gone) {
      data.free();
      this.#owned.delete(data);
    }
    return gone;
  }

  override memory() {
    return {
      unreliable: false,
      reasons: [],
      numBytesInWasm: this.#runtime.heap.bytes,
    } as unknown as ReturnType<MathBackendCPU['memory']>;
  }

  /** Frees the memory of all tensors. The runtime and its threads stay for the next backend. */
  override dispose(): void {
    for (const data of this.#owned) data.free();
    this.#owned.clear();
  }

  #getData(dataId: object): TensorData {
    return this.data.get(dataId) as unknown as TensorData;
  }

  #put(dataId: object, data: TensorData, refCount: number): void {
    data.refCount = refCount;
    this.#owned.add(data);
    this.data.set(dataId, data as unknown as Parameters<typeof this.data.set>[1]);
  }
}

let ids = 0;
/** Ids distinguish data within one backend; they are never compared with another backend's. */
const nextId = () => ids++;

/** Some stock kernels return a view of their input, which may be freed first: copies it. */
function copyIfShared(values: BackendValues): BackendValues {
  return isShared(values) ? (values as Float32Array).slice() : values;
}

function isShared(values: BackendValues): boolean {
  const buffer: unknown = (values as Float32Array | undefined)?.buffer;
  // Check the tag: other realms have their own SharedArrayBuffer, and some builds of Node none.
  return Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';
}

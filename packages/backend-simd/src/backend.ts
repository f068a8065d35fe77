import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import {
  type BackendValues,
  backend_util,
  type DataType,
  type TensorInfo,
  util,
} from '@tensorflow/tfjs-core';
import type { Task } from '../assembly/task';
import { OutOfMemoryError } from './errors';
import { runtime } from './runtime';
import { TensorData } from './tensor-data';

/**
 * The TensorFlow.js backend `simd`. Every operation that stock `cpu` has is there; the hot ones run
 * in WebAssembly, on all cores.
 * A tensor's numbers move into the module's memory when the first WebAssembly kernel asks for them.
 */
export class SimdBackend extends MathBackendCPU {
  private readonly runtime = runtime();
  private readonly owned = new Set<TensorData>();
  private made: object[] | undefined; // outputs of the present kernel

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    const dataId = { id: nextId() };
    this.put(dataId, this.take(values, util.sizeFromShape(shape), dtype), 1);
    return dataId;
  }

  override move(
    dataId: object,
    values: BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    const data = new TensorData(this.runtime, dtype, util.sizeFromShape(shape), ownCopy(values));
    if (dtype === 'complex64') data.complexTensorInfos = this.parts(values as Float32Array, shape);
    this.put(dataId, data, refCount);
  }

  /**
   * What is given in shared memory is another's to use again: it is copied at once, to where
   * kernels will ask for it if there is room.
   */
  private take(values: BackendValues, size: number, dtype: DataType): TensorData {
    if (!isShared(values)) return new TensorData(this.runtime, dtype, size, values);
    const data = new TensorData(this.runtime, dtype, size, values);
    try {
      data.pointer();
      return data;
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error;
      return new TensorData(this.runtime, dtype, size, (values as Float32Array).slice());
    }
  }

  /** Another backend's complex numbers, as the stock kernels keep them. */
  private parts(values: Float32Array, shape: number[]): { real: TensorInfo; imag: TensorInfo } {
    const { real, imag } = backend_util.splitRealAndImagArrays(values);
    return {
      real: this.makeTensorInfo(shape, 'float32', real),
      imag: this.makeTensorInfo(shape, 'float32', imag),
    };
  }

  /**
   * Runs a kernel. Where it fails (no memory, a dead thread), the outputs that it has made are
   * freed: nobody will ever hold them. Where
   * there is memory enough, only in pieces, the pieces are joined and the kernel runs again:
   * kernels take all their memory first.
   */
  attempt<T>(kernel: () => T): T {
    try {
      return this.once(kernel);
    } catch (error) {
      const scattered =
        error instanceof OutOfMemoryError && error.asked + error.inUse <= error.limit;
      if (!scattered || this.made || !this.compact()) throw error;
      return this.once(kernel);
    }
  }

  /** Joins the free memory. Only between kernels: one that runs knows where its tensors lie. */
  private compact(): boolean {
    const bytes = new Uint8Array(this.runtime.memory.buffer);
    const byPlace = new Map(
      [...this.owned].flatMap((data) => (data.inMemory ? [[data.place, data] as const] : [])),
    );
    return this.runtime.heap.compact(new Set(byPlace.keys()), (from, to, size) => {
      bytes.copyWithin(to, from, from + size);
      byPlace.get(from)?.moveTo(to);
    });
  }

  private once<T>(kernel: () => T): T {
    const outer = this.made;
    const made: object[] = [];
    this.made = made;
    try {
      return kernel();
    } catch (error) {
      for (const dataId of made) this.disposeData(dataId, true);
      throw error;
    } finally {
      this.made = outer;
    }
  }

  /**
   * A tensor for a kernel to fill: float32 unless said otherwise. Its numbers are whatever lay
   * there before.
   */
  output(shape: number[], dtype: DataType = 'float32'): TensorInfo {
    const dataId = { id: nextId() };
    const data = new TensorData(this.runtime, dtype, util.sizeFromShape(shape));
    data.pointer();
    this.put(dataId, data, 1);
    this.made?.push(dataId);
    return { dataId, shape, dtype };
  }

  /** The same numbers under another shape. */
  alias(x: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(x.dataId);
    return { dataId: x.dataId, shape, dtype: x.dtype };
  }

  /** Whether a tensor's numbers are of the type that it says. */
  hasOwnType(x: TensorInfo): boolean {
    return this.dataOf(x.dataId).dtype === x.dtype;
  }

  /** A copy whose numbers are of the type that the tensor says. */
  retyped(x: TensorInfo): TensorInfo {
    const values = this.dataOf(x.dataId).values as Float32Array;
    return this.makeTensorInfo(
      x.shape,
      x.dtype,
      util.toTypedArray(values, x.dtype) as Float32Array,
    );
  }

  /** The tensor itself, or in its place a copy of the type that it says. */
  settle(x: TensorInfo): TensorInfo {
    if (!x?.dataId || this.hasOwnType(x)) return x;
    const copy = this.retyped(x);
    this.disposeIntermediateTensorInfo(x);
    return copy;
  }

  /** Where a tensor's numbers lie in the module's memory. */
  pointer(x: TensorInfo): number {
    return this.dataOf(x.dataId).pointer();
  }

  /** The module's memory as it is now: after a growth the old object ends too early. */
  get buffer(): SharedArrayBuffer {
    return this.runtime.memory.buffer;
  }

  /** A tensor's numbers where they lie, for reading within a kernel. */
  values(x: TensorInfo): BackendValues {
    return this.dataOf(x.dataId).values as BackendValues;
  }

  launch(task: Task, args: readonly number[], tiles: number): void {
    this.runtime.launch(task, args, tiles);
  }

  /** Memory for the length of a call. */
  temporary<T>(bytes: number, use: (at: number) => T): T {
    const at = this.runtime.alloc(bytes);
    try {
      return use(at);
    } finally {
      this.runtime.free(at);
    }
  }

  /** A list of 32-bit words in the module's memory, for the length of a call. */
  words<T>(words: readonly number[], use: (at: number) => T): T {
    return this.temporary(words.length * 4, (at) => {
      new Int32Array(this.runtime.memory.buffer, at, words.length).set(words);
      return use(at);
    });
  }

  override readSync(dataId: object): BackendValues {
    // What a person gets stays valid, and is theirs to change: the memory behind the tensor may
    // serve another one tomorrow.
    const { inMemory, values } = this.dataOf(dataId);
    return (inMemory ? (values as Float32Array) : (super.readSync(dataId) as Float32Array)).slice();
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const data = this.dataOf(dataId);
    const gone = super.disposeData(dataId, force);
    if (gone) {
      data.free();
      this.owned.delete(data);
    }
    return gone;
  }

  override memory() {
    return {
      unreliable: false,
      reasons: [],
      numBytesInWasm: this.runtime.heap.bytes,
    } as unknown as ReturnType<MathBackendCPU['memory']>;
  }

  /** Gives all its tensors' memory back; the memory and the threads stay for the next backend. */
  override dispose(): void {
    for (const data of this.owned) data.free();
    this.owned.clear();
  }

  private dataOf(dataId: object): TensorData {
    return this.data.get(dataId) as unknown as TensorData;
  }

  private put(dataId: object, data: TensorData, refCount: number): void {
    data.refCount = refCount;
    this.owned.add(data);
    this.data.set(dataId, data as unknown as Parameters<typeof this.data.set>[1]);
  }
}

let ids = 0;
/**
 * Ids only tell data apart within a backend's storage; they are never compared with another
 * backend's.
 */
const nextId = () => ids++;

/**
 * Some stock kernels give a part of their input for their output: such a part is copied, since its
 * owner may go first.
 */
function ownCopy(values: BackendValues): BackendValues {
  return isShared(values) ? (values as Float32Array).slice() : values;
}

function isShared(values: BackendValues): boolean {
  const buffer: unknown = (values as Float32Array | undefined)?.buffer;
  // By its tag: other realms have their own SharedArrayBuffer, and some Nodes none by that name.
  return Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]';
}

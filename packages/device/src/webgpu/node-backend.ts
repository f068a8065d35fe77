/**
 * Adapts the stock WebGPU backend to Node: `dataSync()` works, and a lost device or a full memory
 * is
 * an error.
 */
import { OutOfMemoryError } from '@deepend/core';
import { type BackendValues, util } from '@tensorflow/tfjs-core';
import type { GpuBuffer, GpuDevice, StockBackend } from './api';

/** Dawn's periodic work: it checks what the GPU has finished. */
type Tick = () => void;

// GPUBufferUsage and GPUMapMode, https://www.w3.org/TR/webgpu/#buffer-usage
const MAP_READ = 1;
const COPY_DST = 8;
const READ_MODE = 1;
const ATTEMPTS = 20;
/** Ticks without a pause; after them this thread sleeps between ticks, for a software adapter. */
const EAGER_TICKS = 50;
const PAUSE = 0.1; // ms
const SLEEP = new Int32Array(new SharedArrayBuffer(4)); // nobody wakes this thread

/**
 * Dawn schedules its next tick by the global `setImmediate`; this replaces it while `work` runs.
 */
function withTicksCaught<T>(work: () => T, onTick: (tick: Tick) => void): T {
  const real = globalThis.setImmediate;
  globalThis.setImmediate = ((tick: Tick) => onTick(tick)) as typeof setImmediate;
  try {
    return work();
  } finally {
    globalThis.setImmediate = real;
  }
}

/**
 * Catches Dawn's tick when Dawn schedules it; undefined if this Dawn schedules in another way. It
 * schedules none while one is pending, so several attempts may be needed.
 */
export async function captureTick(device: GpuDevice): Promise<Tick | undefined> {
  const buffer = device.createBuffer({ size: 4, usage: MAP_READ | COPY_DST });
  let tick: Tick | undefined;
  for (let attempt = 0; !tick && attempt < ATTEMPTS; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const mapped = withTicksCaught(
      () => buffer.mapAsync(READ_MODE),
      (scheduled) => {
        tick = scheduled;
      },
    );
    if (tick) setImmediate(tick);
    await mapped;
    buffer.unmap();
  }
  buffer.destroy();
  return tick;
}

/** Waits for a buffer without the event loop: calls Dawn's tick until the GPU has finished. */
function mapNow(buffer: GpuBuffer, tick: Tick): void {
  let next: Tick | undefined;
  withTicksCaught(
    () => {
      buffer.mapAsync(READ_MODE).catch(() => {}); // `mapState` tells
      for (let turn = 0; buffer.mapState === 'pending'; turn++) {
        tick();
        if (turn > EAGER_TICKS) Atomics.wait(SLEEP, 0, 0, PAUSE);
      }
    },
    (scheduled) => {
      next = scheduled;
    },
  );
  if (next) setImmediate(next); // for other promises of Dawn
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;

type AcquireBuffer = StockBackend['bufferManager']['acquireBuffer'];
type StockMethods = Pick<StockBackend, 'uploadToGPU' | 'read' | 'readSync' | 'dispose'>;

export interface AdapterOptions {
  /** The adapter's name, for messages. */
  readonly name: string;
  readonly hardware: string;
  /** Without it, `dataSync()` does not work. */
  readonly tick: Tick | undefined;
}

/** Replaces methods of one instance of the stock backend, and holds what they need. */
export class NodeAdapter {
  readonly hardware: string;
  readonly #backend: StockBackend;
  readonly #stock: StockMethods;
  readonly #acquire: AcquireBuffer;
  readonly #name: string;
  readonly #tick: Tick | undefined;
  /** Why the device is lost. */
  #loss: string | undefined;
  /** The device's error about earlier commands, until a method throws it. */
  #refusal: Error | undefined;

  constructor(backend: StockBackend, { name, hardware, tick }: AdapterOptions) {
    this.hardware = hardware;
    this.#name = name;
    this.#tick = tick;
    this.#backend = backend;
    const { uploadToGPU, read, readSync, dispose } = backend;
    this.#stock = {
      uploadToGPU: uploadToGPU.bind(backend),
      read: read.bind(backend),
      readSync: readSync.bind(backend),
      dispose: dispose.bind(backend),
    };
    const { device, bufferManager } = backend;
    this.#acquire = bufferManager.acquireBuffer.bind(bufferManager);
    device.lost.then(({ reason, message }) => {
      this.#loss = message || reason;
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault?.();
      this.#refusal ??= event.error;
    });
    this.#replaceMethods();
  }

  get isLost(): boolean {
    return this.#loss !== undefined;
  }

  #replaceMethods(): void {
    const backend = this.#backend;
    backend.bufferManager.acquireBuffer = (...args) => this.#allocate(args);
    backend.uploadToGPU = (dataId) => {
      this.#check();
      this.#stock.uploadToGPU(dataId);
    };
    backend.read = (dataId) => this.#read(dataId);
    backend.readSync = (dataId) => this.#readSync(dataId);
    backend.dispose = () => {
      this.#stock.dispose();
      backend.device.destroy();
    };
  }

  /** @throws Error when the device is lost, or has refused a command, so that numbers are wrong */
  #check(): void {
    if (this.#loss !== undefined)
      throw new Error(
        `[webgpu] ${this.#name} was lost: ${this.#loss}; its tensors are gone: choose a device ` +
          'again and load a checkpoint',
      );
    const refusal = this.#refusal;
    this.#refusal = undefined;
    if (refusal) throw new Error(`[webgpu] ${this.#name} refused a command: ${refusal.message}`);
  }

  /** @throws OutOfMemoryError */
  #allocate(args: Parameters<AcquireBuffer>): GpuBuffer {
    this.#check();
    const [size] = args;
    const { device, bufferManager } = this.#backend;
    const { maxBufferSize = size, maxStorageBufferBindingSize = size } = device.limits;
    const largest = Math.min(maxBufferSize, maxStorageBufferBindingSize);
    const inUse = bufferManager.numBytesUsed;
    if (size > largest)
      throw this.#outOfMemory(size, {
        limit: inUse + largest,
        why: `one tensor has at most ${mib(largest)} on ${this.#name}`,
      });
    const buffer = this.#tryAllocate(args);
    if (buffer) return buffer;
    this.#freeUnused();
    const second = this.#tryAllocate(args);
    if (second) return second;
    throw this.#outOfMemory(size, { limit: inUse, why: `${this.#name} has no more` });
  }

  #outOfMemory(asked: number, { limit, why }: { limit: number; why: string }): OutOfMemoryError {
    const inUse = this.#backend.bufferManager.numBytesUsed;
    return new OutOfMemoryError(
      `[webgpu] out of memory: ${mib(asked)} asked for, ${mib(inUse)} in use; ${why}`,
      { asked, inUse, limit },
    );
  }

  /** Dawn reports a full memory while it creates the buffer. */
  #tryAllocate(args: Parameters<AcquireBuffer>): GpuBuffer | undefined {
    let buffer: GpuBuffer | undefined;
    try {
      buffer = this.#acquire(...args);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // WebGPU's error for a mapped buffer
      return undefined;
    }
    if (this.#refusal?.constructor.name !== 'GPUOutOfMemoryError') return buffer;
    this.#refusal = undefined;
    this.#backend.bufferManager.releaseBuffer(buffer, false);
    return undefined;
  }

  /** Frees the buffers that the backend keeps for later tensors of the same size. */
  #freeUnused(): void {
    const { commandEncoder, bufferManager } = this.#backend;
    if (commandEncoder) {
      this.#backend.endComputePassEncoder();
      this.#backend.submitQueue(); // releases buffers that waited for it
    }
    for (const buffers of bufferManager.freeBuffers.values())
      for (const buffer of buffers.splice(0)) {
        bufferManager.numBytesAllocated -= buffer.size;
        bufferManager.numFreeBuffers--;
        buffer.destroy();
      }
  }

  async #read(dataId: object): Promise<BackendValues> {
    this.#check();
    const values = await this.#stock.read(dataId).catch(async (error: Error) => {
      await new Promise((resolve) => setTimeout(resolve)); // Dawn reports the loss a bit later
      this.#check();
      throw new Error(`[webgpu] ${this.#name}: reading failed: ${error.message || error.name}`);
    });
    this.#check();
    return values;
  }

  /** Stock reads synchronously through a canvas, which Node does not have. */
  #readSync(dataId: object): BackendValues {
    const backend = this.#backend;
    const { values, dtype, resource } = backend.tensorMap.get(dataId);
    if (values != null || dtype === 'string' || dtype === 'complex64')
      return this.#stock.readSync(dataId);
    this.#check();
    if (!this.#tick || !resource)
      throw new Error(
        `[webgpu] ${this.#name}: dataSync() does not work with this Dawn; use await data()`,
      );
    const staging = backend.bufferManager.acquireBuffer(resource.size, COPY_DST | MAP_READ);
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.commandEncoder?.copyBufferToBuffer(resource, 0, staging, 0, resource.size);
    backend.submitQueue();
    mapNow(staging, this.#tick);
    this.#check();
    if (staging.mapState !== 'mapped')
      throw new Error(`[webgpu] ${this.#name}: reading failed: the device is gone`);
    const bytes = staging.getMappedRange().slice(0);
    staging.unmap();
    backend.bufferManager.releaseBuffer(staging);
    return toValues(bytes, dtype);
  }
}

/** The values in the stock backend's form. A boolean is an int32 on the GPU. */
function toValues(bytes: ArrayBuffer, dtype: string): BackendValues {
  if (dtype === 'float32') return new Float32Array(bytes);
  const words = new Int32Array(bytes);
  if (dtype === 'int32') return words;
  util.assert(dtype === 'bool', () => `[webgpu] expected float32, int32 or bool, got ${dtype}`);
  return Uint8Array.from(words);
}

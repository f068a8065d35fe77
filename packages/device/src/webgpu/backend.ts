/**
 * The stock WebGPU backend made fit for Node: values are read at once too, and a lost device or a
 * full memory is an error.
 */
import { type BackendValues, util } from '@tensorflow/tfjs-core';
import type { GpuBuffer, GpuDevice, StockBackend, StockBackendClass } from './api';

/** Dawn's own work of a moment: it looks what the GPU has finished. */
type Tick = () => void;

// GPUBufferUsage and GPUMapMode, https://www.w3.org/TR/webgpu/#buffer-usage
const [MAP_READ, COPY_DST, READ_MODE] = [1, 8, 1];
const ATTEMPTS = 20;
/**
 * So many looks without a pause, then so many ms between two: a software adapter needs the
 * processor itself.
 */
const [EAGER, PAUSE] = [50, 0.1];
const NOBODY = new Int32Array(new SharedArrayBuffer(4)); // wakes this thread

/**
 * How Dawn asks Node for its next tick: by the global `setImmediate`, which this takes the place of
 * while `work` runs.
 */
function catching<T>(work: () => T, caught: (tick: Tick) => void): T {
  const real = globalThis.setImmediate;
  globalThis.setImmediate = ((tick: Tick) => caught(tick)) as typeof setImmediate;
  try {
    return work();
  } finally {
    globalThis.setImmediate = real;
  }
}

/**
 * Dawn's tick, caught when it asks for one; undefined where this Dawn asks in another way. It asks
 * for none while one is under way, so that
 * more than one attempt may be needed.
 */
export async function captureTick(device: GpuDevice): Promise<Tick | undefined> {
  const buffer = device.createBuffer({ size: 4, usage: MAP_READ | COPY_DST });
  let tick: Tick | undefined;
  for (let attempt = 0; !tick && attempt < ATTEMPTS; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 1));
    const mapped = catching(
      () => buffer.mapAsync(READ_MODE),
      (asked) => {
        tick = asked;
      },
    );
    if (tick) setImmediate(tick);
    await mapped;
    buffer.unmap();
  }
  buffer.destroy();
  return tick;
}

/**
 * Waits for a buffer without giving way to the event loop: Dawn's tick is called until the GPU has
 * finished.
 */
function mapNow(buffer: GpuBuffer, tick: Tick): void {
  let next: Tick | undefined;
  catching(
    () => {
      buffer.mapAsync(READ_MODE).catch(() => {}); // the state below tells
      for (let turn = 0; buffer.mapState === 'pending'; turn++) {
        tick();
        if (turn > EAGER) Atomics.wait(NOBODY, 0, 0, PAUSE);
      }
    },
    (asked) => {
      next = asked;
    },
  );
  if (next) setImmediate(next); // others wait for theirs
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0)} MiB`;

/** The adapter has no room. A plan adds which batch would fit. */
export class OutOfMemoryError extends Error {
  override readonly name = 'OutOfMemoryError';
  /** Bytes: what was asked for, what tensors held then, and the most that has fitted. */
  constructor(
    readonly asked: number,
    readonly inUse: number,
    readonly limit: number,
    why: string,
  ) {
    super(`[webgpu] out of memory: ${mib(asked)} asked for, ${mib(inUse)} in use; ${why}`);
  }
}

interface Setting {
  /** The adapter's, for messages. */
  readonly name: string;
  readonly hardware: string;
  readonly tick: Tick | undefined;
}

type NodeBackendClass = new (
  device: GpuDevice,
  info: object,
  setting: Setting,
) => StockBackend & {
  readonly isLost: boolean;
  readonly hardware: string;
};

/** The backend's class, over the stock one. */
export function nodeBackend(Stock: StockBackendClass): NodeBackendClass {
  return class NodeWebGPUBackend extends Stock {
    private readonly setting: Setting;
    /** Why the device is gone. */
    private loss: string | undefined;
    /** What the device said against the last commands, until somebody is told. */
    private refusal: Error | undefined;

    constructor(device: GpuDevice, info: object, setting: Setting) {
      super(device, info);
      this.setting = setting;
      device.lost.then(({ reason, message }) => {
        this.loss = message || reason;
      });
      device.addEventListener('uncapturederror', (event) => {
        event.preventDefault?.();
        this.refusal ??= event.error;
      });
      const { bufferManager: manager } = this;
      const acquire = manager.acquireBuffer.bind(manager);
      manager.acquireBuffer = (...args) => this.allocate(acquire, args);
    }

    get hardware(): string {
      return this.setting.hardware;
    }

    get isLost(): boolean {
      return this.loss !== undefined;
    }

    /**
     * @throws Error when the device is gone, or refused what it was told to do: the numbers are not
     * what they should be then
     */
    private check(): void {
      if (this.loss !== undefined)
        throw new Error(
          `[webgpu] ${this.setting.name} was lost: ${this.loss}; what was on it is gone: take a device again and load a checkpoint`,
        );
      const { refusal } = this;
      this.refusal = undefined;
      if (refusal)
        throw new Error(`[webgpu] ${this.setting.name} refused a command: ${refusal.message}`);
    }

    private allocate(
      acquire: StockBackend['bufferManager']['acquireBuffer'],
      args: Parameters<typeof acquire>,
    ): GpuBuffer {
      this.check();
      const [size] = args;
      const { maxBufferSize = size, maxStorageBufferBindingSize = size } = this.device.limits;
      const largest = Math.min(maxBufferSize, maxStorageBufferBindingSize);
      const inUse = this.bufferManager.numBytesUsed;
      if (size > largest)
        throw new OutOfMemoryError(
          size,
          inUse,
          inUse + largest,
          `one tensor has at most ${mib(largest)} on ${this.setting.name}`,
        );
      const buffer = this.tryAllocate(acquire, args);
      if (buffer) return buffer;
      this.freeUnused();
      const second = this.tryAllocate(acquire, args);
      if (second) return second;
      throw new OutOfMemoryError(size, inUse, inUse, `${this.setting.name} has no more`);
    }

    /** Dawn tells of a full memory while the buffer is made. */
    private tryAllocate(
      acquire: StockBackend['bufferManager']['acquireBuffer'],
      args: Parameters<typeof acquire>,
    ): GpuBuffer | undefined {
      let buffer: GpuBuffer | undefined;
      try {
        buffer = acquire(...args);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error; // WebGPU's own error for a mapped buffer without room
        return undefined;
      }
      if (this.refusal?.constructor.name !== 'GPUOutOfMemoryError') return buffer;
      this.refusal = undefined;
      this.bufferManager.releaseBuffer(buffer, false);
      return undefined;
    }

    /** Gives back what has been released and kept for later tensors of the same size. */
    private freeUnused(): void {
      if (this.commandEncoder) {
        this.endComputePassEncoder();
        this.submitQueue(); // what waited for its commands to be sent is released by this
      }
      const { bufferManager: manager } = this;
      for (const buffers of manager.freeBuffers.values())
        for (const buffer of buffers.splice(0)) {
          manager.numBytesAllocated -= buffer.size;
          manager.numFreeBuffers--;
          buffer.destroy();
        }
    }

    override uploadToGPU(dataId: object): void {
      this.check();
      super.uploadToGPU(dataId);
    }

    override async read(dataId: object): Promise<BackendValues> {
      this.check();
      const values = await super.read(dataId).catch(async (error: Error) => {
        await new Promise((resolve) => setTimeout(resolve)); // the loss is told a moment later than the failure
        this.check();
        throw new Error(
          `[webgpu] ${this.setting.name}: reading failed: ${error.message || error.name}`,
        );
      });
      this.check();
      return values;
    }

    /** Stock reads at once through a canvas, which Node has not. */
    override readSync(dataId: object): BackendValues {
      const { values, dtype, resource } = this.tensorMap.get(dataId);
      if (values != null || dtype === 'string' || dtype === 'complex64')
        return super.readSync(dataId);
      this.check();
      const { tick, name } = this.setting;
      if (!tick || !resource)
        throw new Error(
          `[webgpu] ${name}: dataSync() does not work with this Dawn; use await data()`,
        );
      const staging = this.bufferManager.acquireBuffer(resource.size, COPY_DST | MAP_READ);
      this.ensureCommandEncoderReady();
      this.endComputePassEncoder();
      this.commandEncoder?.copyBufferToBuffer(resource, 0, staging, 0, resource.size);
      this.submitQueue();
      mapNow(staging, tick);
      this.check();
      if (staging.mapState !== 'mapped')
        throw new Error(`[webgpu] ${name}: reading failed: the device is gone`);
      const bytes = staging.getMappedRange().slice(0);
      staging.unmap();
      this.bufferManager.releaseBuffer(staging);
      return toValues(bytes, dtype);
    }

    override dispose(): void {
      super.dispose();
      this.device.destroy();
    }
  };
}

/** As the stock backend gives them: a boolean is an int32 on the GPU. */
function toValues(bytes: ArrayBuffer, dtype: string): BackendValues {
  if (dtype === 'float32') return new Float32Array(bytes);
  const words = new Int32Array(bytes);
  if (dtype === 'int32') return words;
  util.assert(dtype === 'bool', () => `[webgpu] expected float32, int32 or bool, got ${dtype}`);
  return Uint8Array.from(words);
}

/**
 * Types of the parts of WebGPU and of `@tensorflow/tfjs-backend-webgpu` 4.22 that deepend uses.
 * Both
 * packages are optional, so their own types may be absent.
 */
import type { BackendValues, DataStorage, DataType, KernelBackend } from '@tensorflow/tfjs-core';

export interface GpuBuffer {
  readonly size: number;
  readonly mapState: 'unmapped' | 'pending' | 'mapped';
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
  destroy(): void;
}

export interface GpuDevice {
  readonly limits: Readonly<Record<string, number>>;
  /** Settles when the device is lost. */
  readonly lost: Promise<{ readonly reason: string; readonly message: string }>;
  createBuffer(descriptor: { size: number; usage: number; mappedAtCreation?: boolean }): GpuBuffer;
  addEventListener(type: 'uncapturederror', listener: (event: GpuErrorEvent) => void): void;
  destroy(): void;
}

export interface GpuErrorEvent {
  readonly error: Error;
  preventDefault?(): void;
}

export interface GpuAdapter {
  readonly info: object;
  readonly limits: Readonly<Record<string, number>>;
  readonly features: ReadonlySet<string>;
  requestDevice(descriptor: object): Promise<GpuDevice>;
}

interface TensorData {
  values: BackendValues | null;
  readonly dtype: DataType;
  readonly resource?: GpuBuffer | null;
}

interface BufferManager {
  acquireBuffer(
    size: number,
    usage: number,
    mappedAtCreation?: boolean,
    reuse?: boolean,
  ): GpuBuffer;
  releaseBuffer(buffer: GpuBuffer, reuse?: boolean): void;
  /** Released buffers that are kept for reuse, by size and usage. */
  freeBuffers: Map<string, GpuBuffer[]>;
  numFreeBuffers: number;
  numBytesUsed: number;
  numBytesAllocated: number;
}

export interface StockBackend extends KernelBackend {
  readonly device: GpuDevice;
  readonly bufferManager: BufferManager;
  readonly tensorMap: DataStorage<TensorData>;
  readonly commandEncoder: {
    copyBufferToBuffer(
      from: GpuBuffer,
      start: number,
      to: GpuBuffer,
      at: number,
      size: number,
    ): void;
  } | null;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  submitQueue(): void;
  uploadToGPU(dataId: object): void;
  readSync(dataId: object): BackendValues;
  read(dataId: object): Promise<BackendValues>;
}

export type StockBackendClass = new (device: GpuDevice, info: object) => StockBackend;

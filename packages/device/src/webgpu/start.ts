/** Starts the backend `webgpu`: Dawn under TensorFlow.js's WebGPU backend. */
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { setBackend } from '../backend';
import { resolvePackage } from '../packages';
import type { GpuAdapter, StockBackend, StockBackendClass } from './api';
import { captureTick, NodeAdapter } from './node-backend';
import { probeWebgpu, type WebgpuAdapter } from './probe';

/** A backend that this module has made. */
type AdaptedBackend = StockBackend & { nodeAdapter?: NodeAdapter };

/** The adapter of the backend that is registered; undefined for the stock backend, or none. */
export const runningAdapter = (): NodeAdapter | undefined =>
  (tf.findBackend('webgpu') as AdaptedBackend | null)?.nodeAdapter;

/**
 * Makes `webgpu` the current backend. A lost device is replaced by a new one; its tensors stay
 * lost.
 * @throws Error when WebGPU does not work here
 */
export async function startWebgpu(): Promise<void> {
  const { fault, adapter } = await probeWebgpu();
  if (fault || !adapter) throw new Error(`[device] webgpu: ${fault}`);
  const gpu = await openDawn();
  const { WebGPUBackend } = (await import(resolvedUrl('@tensorflow/tfjs-backend-webgpu'))) as {
    WebGPUBackend: StockBackendClass;
  };
  if (runningAdapter()?.isLost !== false) {
    // The stock backend requests lower limits, and has no dataSync() in Node.
    tf.removeBackend('webgpu');
    tf.registerBackend('webgpu', () => makeBackend(gpu, { WebGPUBackend, found: adapter }), 3);
  }
  await setBackend('webgpu');
}

const resolvedUrl = (name: string): string => pathToFileURL(resolvePackage(name) as string).href;

interface Gpu {
  requestAdapter(options: object): Promise<GpuAdapter | null>;
}

/**
 * Defines WebGPU where TensorFlow.js's backend looks for it: `navigator.gpu`, and global classes
 * such
 * as `GPUBuffer`.
 */
async function openDawn(): Promise<Gpu> {
  const place = globalThis as { navigator?: { gpu?: Gpu } };
  if (place.navigator?.gpu) return place.navigator.gpu;
  const { create, globals } = (await import(resolvedUrl('webgpu'))) as {
    create(options: string[]): Gpu;
    globals: object;
  };
  Object.assign(globalThis, globals);
  if (!place.navigator)
    Object.defineProperty(globalThis, 'navigator', {
      value: {},
      configurable: true,
      writable: true,
    });
  const gpu = create([]);
  Object.defineProperty(place.navigator, 'gpu', { value: gpu, configurable: true });
  return gpu;
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const;

async function makeBackend(
  gpu: Gpu,
  {
    WebGPUBackend,
    found: { name, software },
  }: { WebGPUBackend: StockBackendClass; found: WebgpuAdapter },
): Promise<tf.KernelBackend> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter)
    throw new Error('[device] webgpu: Dawn found an adapter before, but finds none now');
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const requiredFeatures = ['timestamp-query'].filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  process.once('exit', () => device.destroy()); // pending work can crash Dawn at the process's end
  const hardware = software ? `${name}, a software adapter: the CPU computes` : name;
  const tick = await captureTick(device);
  const backend: AdaptedBackend = new WebGPUBackend(device, adapter.info);
  backend.nodeAdapter = new NodeAdapter(backend, { name, hardware, tick });
  return backend;
}

/**
 * The engine `webgpu` in Node: Dawn, which the npm package `webgpu` holds, under
 * `@tensorflow/tfjs-backend-webgpu`. Both are optional. One
 * adapter is used, the one that Dawn offers for high performance: `webgpu:0`.
 */
import { execFile } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { resolvePackage } from '../resolve';
import { state } from '../state';
import type { GpuAdapter, StockBackendClass } from './api';
import { captureTick, nodeBackend } from './backend';

const PACKAGES = { webgpu: '0.6.2', '@tensorflow/tfjs-backend-webgpu': '4.22.0' } as const;
const PROBE_TIMEOUT = 60_000; // ms

/** What WebGPU computes on here. */
export interface WebgpuAdapter {
  /** As the driver calls it: `nvidia-h100-80gb-hbm3 (NVIDIA: 570.86)`. */
  readonly name: string;
  /**
   * A program on the CPU that stands for a GPU, such as SwiftShader or llvmpipe: right, and slow.
   */
  readonly software: boolean;
}

/** What WebGPU can do here. */
export interface WebgpuProbe {
  readonly adapter?: WebgpuAdapter;
  /** Why it cannot compute, and what to do; undefined when it can. */
  readonly fault?: string;
}

/**
 * Looks once in a process for an adapter, in a child process: Dawn is a native library, and a
 * driver can take its process along.
 */
export function probeWebgpu(): Promise<WebgpuProbe> {
  const shared = state();
  shared.webgpu ??= probe();
  return shared.webgpu;
}

async function probe(): Promise<WebgpuProbe> {
  const names = Object.keys(PACKAGES) as (keyof typeof PACKAGES)[];
  const absent = names.filter((name) => !resolvePackage(name));
  if (absent.length > 0) {
    const wanted = absent.map((name) => `${name}@${PACKAGES[name]}`).join(' ');
    return {
      fault: `${absent.join(' and ')} ${absent.length > 1 ? 'are' : 'is'} not installed; npm i ${wanted}`,
    };
  }
  return tryInChild(resolvePackage('webgpu') as string);
}

const MARK = 'deepend-probe:';

/** Asks Dawn for an adapter, and the adapter for a device. */
async function tryInChild(file: string): Promise<WebgpuProbe> {
  const script = `
    const { create } = await import(process.argv[1]);
    const adapter = await create([]).requestAdapter({ powerPreference: 'high-performance' });
    const device = await adapter?.requestDevice();
    const { vendor, device: model, description, isFallbackAdapter } = adapter?.info ?? {};
    console.log('${MARK}' + JSON.stringify({ found: Boolean(device), vendor, model, description, isFallbackAdapter }));
    device?.destroy();`;
  try {
    const args = ['--input-type=module', '-e', script, pathToFileURL(file).href];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
      timeout: PROBE_TIMEOUT,
    });
    const line = stdout.split('\n').find((text) => text.startsWith(MARK));
    if (!line) return { fault: 'webgpu (Dawn) ended without an answer' };
    const answer = JSON.parse(line.slice(MARK.length)) as AdapterAnswer;
    return answer.found ? { adapter: describeAdapter(answer) } : { fault: noAdapter(stderr) };
  } catch (error) {
    const { signal, stderr = '', message } = error as Error & { signal?: string; stderr?: string };
    if (signal) return { fault: `webgpu (Dawn) was ended by ${signal}` };
    const reason =
      stderr.split('\n').find((text) => /Error:|cannot open|no such file/i.test(text)) ??
      message.split('\n')[0];
    return { fault: `webgpu does not load: ${reason?.trim()}` };
  }
}

interface AdapterAnswer {
  readonly found: boolean;
  readonly vendor?: string;
  readonly model?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|basic.render|\bwarp\b/i;

/** A driver may keep quiet about being software: the well-known ones are known by their names. */
export function describeAdapter({
  vendor = '',
  model = '',
  description = '',
  isFallbackAdapter,
}: Omit<AdapterAnswer, 'found'>): WebgpuAdapter {
  const known = model.replace(/-+$/, '') || vendor || 'an adapter without a name';
  const name = description ? `${known} (${description})` : known;
  return { name, software: isFallbackAdapter === true || SOFTWARE.test(`${model} ${description}`) };
}

/** Dawn's own warnings say which part of Vulkan is missing. */
export function noAdapter(stderr: string): string {
  if (/no drivers|INCOMPATIBLE_DRIVER/i.test(stderr))
    return "Dawn found no Vulkan driver; install the GPU's";
  const warning = stderr.split('\n').find((line) => line.startsWith('Warning:'));
  if (/libvulkan/i.test(stderr))
    return `Dawn found no Vulkan loader; install it (Debian: libvulkan1)`;
  return `Dawn found no adapter${warning ? `: ${warning.slice(8).trim()}` : ''}; see that the GPU's Vulkan driver is installed and new enough`;
}

/**
 * Makes `webgpu` the current backend. One whose adapter was lost is made anew; what was on it stays
 * lost.
 */
export async function startWebgpu(): Promise<void> {
  const { fault, adapter } = await probeWebgpu();
  if (fault || !adapter) throw new Error(`[device] webgpu: ${fault}`);
  const gpu = await openDawn();
  const { WebGPUBackend } = (await import(resolvedUrl('@tensorflow/tfjs-backend-webgpu'))) as {
    WebGPUBackend: StockBackendClass;
  };
  if (!isRunning()) {
    tf.removeBackend('webgpu'); // the stock one asks for fewer limits, and cannot read at once in Node
    tf.registerBackend('webgpu', () => makeBackend(gpu, { WebGPUBackend, found: adapter }), 3);
  }
  if (!(await tf.setBackend('webgpu')))
    throw new Error('[device] webgpu: TensorFlow.js could not start this backend; see its warning');
}

const resolvedUrl = (name: string): string => pathToFileURL(resolvePackage(name) as string).href;

/** A backend of ours that has not lost its adapter. */
const isRunning = (): boolean => {
  const backend = tf.findBackend('webgpu') as { isLost?: boolean } | null;
  return backend?.isLost === false;
};

/** The adapter that the running backend computes on. */
export function webgpuHardware(): string {
  const backend = tf.findBackend('webgpu') as { hardware?: string } | null;
  return backend?.hardware ?? 'a WebGPU adapter';
}

/** Whether the current engine has lost its adapter, so that it has to be started anew. */
export const lostWebgpu = (): boolean => tf.getBackend() === 'webgpu' && !isRunning();

interface Gpu {
  requestAdapter(options: object): Promise<GpuAdapter | null>;
}

/**
 * Puts WebGPU where the backend looks for it: `navigator.gpu`, and classes such as `GPUBuffer`
 * among the globals.
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
  if (!adapter) throw new Error('[device] webgpu: Dawn found an adapter before, and now none');
  const requiredLimits = Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]]));
  const requiredFeatures = ['timestamp-query'].filter((feature) => adapter.features.has(feature));
  const device = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  process.once('exit', () => device.destroy()); // else work that is under way can crash Dawn's end
  const Backend = nodeBackend(WebGPUBackend);
  const hardware = software ? `${name}, a software adapter: the CPU computes` : name;
  return new Backend(device, adapter.info, { name, hardware, tick: await captureTick(device) });
}

/**
 * Devices of a browser. `deepend/browser` is built with this module in place of those that look
 * for the devices of Node: WebGPU is the browser's own, and CUDA is not there.
 */
import { registerFusedKernels } from '@deepend/compiler';
import { type Backend, setBackend } from './backend';
import { WEBGPU_KERNELS } from './webgpu/kernels';

const NODE_ONLY = 'it needs Node.js';

export const TENSORFLOW: Backend = {
  name: 'tensorflow',
  tfjsName: 'tensorflow',
  runsInThreads: false,
  probe: async () => NODE_ONLY,
  start: async () => {
    throw new Error(`[device] tensorflow: ${NODE_ONLY}`);
  },
  describe: () => ({ name: 'cpu', hardware: NODE_ONLY }),
};
export const probeNative = async () => ({ file: undefined, faults: [NODE_ONLY], usesGpu: false });
export const startNative = TENSORFLOW.start;
export const cudaFault = async () => 'CUDA needs Node.js';
export const cudaGpus = cudaFault;
export const startCuda = TENSORFLOW.start;

interface Scope {
  readonly navigator: { readonly gpu?: { requestAdapter(): Promise<Adapter | null> } };
}

interface Adapter {
  readonly info?: { vendor?: string; architecture?: string; description?: string };
  readonly isFallbackAdapter?: boolean;
}

let hardware = 'a WebGPU adapter';

export async function probeWebgpu() {
  const { gpu } = (globalThis as unknown as Scope).navigator;
  if (!gpu) return { fault: 'this browser has no WebGPU' };
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return { fault: 'WebGPU finds no adapter here' };
  const { vendor = '', architecture = '', description = '' } = adapter.info ?? {};
  const name = [vendor, architecture, description].filter(Boolean).join(' ') || hardware;
  hardware = name;
  const software = adapter.isFallbackAdapter === true || /swiftshader|llvmpipe/i.test(name);
  return { adapter: { name, software } };
}

export const WEBGPU: Backend = {
  name: 'webgpu',
  tfjsName: 'webgpu',
  traits: { isAsynchronous: true },
  runsInThreads: false,
  registerKernels: () => registerFusedKernels('webgpu', WEBGPU_KERNELS),
  probe: async () => (await probeWebgpu()).fault,
  start: async () => {
    await import('@tensorflow/tfjs-backend-webgpu' as string);
    await setBackend('webgpu');
  },
  describe: () => ({ name: 'webgpu:0', hardware }),
};

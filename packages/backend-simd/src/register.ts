/**
 * Registers the backend with TensorFlow.js: every stock cpu kernel under the name `simd`, with the
 * hot ones replaced by WebAssembly kernels.
 */
import { version_cpu } from '@tensorflow/tfjs-backend-cpu';
import {
  findBackendFactory,
  getKernel,
  getKernelsForBackend,
  type KernelConfig,
  registerBackend,
  registerKernel,
  unregisterKernel,
} from '@tensorflow/tfjs-core';
import { SimdBackend } from './backend';
import { KERNELS } from './kernels';
import { kernelFunc, settled } from './kernels/types';

// Importing it registers the kernels that are not in WebAssembly. It says that it has no side
// effects, so a bundler drops an import of which nothing is used.
if (version_cpu === undefined)
  throw new Error(
    '[backend-simd] expected @tensorflow/tfjs-backend-cpu 4.22.0, got another module',
  );

export const BACKEND_NAME = 'simd';
/** Above stock cpu (1) and wasm (2), so that importing this package makes it the default. */
const PRIORITY = 3;

/** Registers the backend once, even if several copies of this module (ESM and CJS) are loaded. */
export function register(): void {
  if (findBackendFactory(BACKEND_NAME)) return;
  const own = new Map(KERNELS.map((kernel) => [kernel.name, kernel]));
  for (const config of getKernelsForBackend('cpu')) {
    const kernel = own.get(config.kernelName);
    const { kernelFunc: stock } = config;
    registerOnce({
      ...config,
      backendName: BACKEND_NAME,
      kernelFunc: kernel ? kernelFunc(kernel, stock) : settled(stock),
    });
  }
  for (const kernel of KERNELS) {
    if (!getKernel(kernel.name, BACKEND_NAME)) {
      registerKernel({
        kernelName: kernel.name,
        backendName: BACKEND_NAME,
        kernelFunc: kernelFunc(kernel, undefined),
        ...(kernel.takes && { supports: kernel.takes }), // `hasFusedKernel` asks
      });
    }
  }
  registerBackend(BACKEND_NAME, () => new SimdBackend(), PRIORITY);
}

function registerOnce(config: KernelConfig): void {
  if (getKernel(config.kernelName, BACKEND_NAME)) unregisterKernel(config.kernelName, BACKEND_NAME);
  registerKernel(config);
}

/** The backend `webgpu`: Dawn, through the npm package `webgpu`. */
import { registerFusedKernels } from '@deepend/compiler';
import * as tf from '@tensorflow/tfjs-core';
import type { Backend } from '../backend';
import { WEBGPU_KERNELS } from './kernels';
import { probeWebgpu } from './probe';
import { runningAdapter, startWebgpu } from './start';

export const WEBGPU: Backend = {
  name: 'webgpu',
  tfjsName: 'webgpu',
  traits: { isAsynchronous: true },
  runsInThreads: false, // a GPU's driver may end its process
  registerKernels: () => registerFusedKernels('webgpu', WEBGPU_KERNELS),
  probe: async () => (await probeWebgpu()).fault,
  start: startWebgpu,
  isCurrent: () => tf.getBackend() === 'webgpu' && runningAdapter()?.isLost === false,
  describe: () => ({
    name: 'webgpu:0',
    hardware: runningAdapter()?.hardware ?? 'a WebGPU adapter',
  }),
};

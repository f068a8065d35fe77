/** The backend `tensorflow`: libtensorflow through tfjs-node-gpu or tfjs-node. */
import { registerFusedKernels } from '@deepend/compiler';
import type { Backend } from '../backend';
import { cpuHardware } from '../hardware';
import { state } from '../state';
import { TENSORFLOW_KERNELS } from './kernels';
import { probeNative, startNative } from './native';

export const TENSORFLOW: Backend = {
  name: 'tensorflow',
  tfjsName: 'tensorflow',
  // oneDNN in TensorFlow 2.21 computes wrong numbers for one channel with unequal strides.
  traits: { explicitPadding: false, unequalStrides: false },
  // libtensorflow cannot be loaded in two threads, uses one GPU per process, and may abort.
  runsInThreads: false,
  registerKernels: () => registerFusedKernels('tensorflow', TENSORFLOW_KERNELS),
  probe: async () => {
    const { file, faults } = await probeNative();
    return file ? undefined : faults.join(', ');
  },
  start: () => startNative(),
  describe: () => {
    const { loaded, gpus } = state();
    if (!loaded?.usesGpu) {
      const name = loaded && `${loaded.package.replace('@tensorflow/', '')} on the CPU`;
      return { name: 'cpu', hardware: [cpuHardware('all'), name].filter(Boolean).join(', ') };
    }
    const index = loaded.gpu ?? 0;
    const gpu = gpus?.[index];
    return {
      name: `cuda:${index}`,
      hardware: gpu?.name ?? 'NVIDIA GPU',
      ...(gpu?.memory && { memory: gpu.memory }),
    };
  },
};

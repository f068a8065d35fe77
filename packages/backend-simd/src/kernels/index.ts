/** Every kernel that runs in WebAssembly. */
import { convKernels } from './conv';
import { depthwiseKernels } from './depthwise';
import { fusedKernels } from './fused';
import { fusedConvKernels } from './fused-conv';
import { matMulKernels } from './matmul';
import { normKernels } from './norm';
import { poolKernels } from './pooling';
import type { Kernel } from './types';

export const KERNELS: readonly Kernel[] = [
  ...matMulKernels,
  ...convKernels,
  ...depthwiseKernels,
  ...poolKernels,
  ...normKernels,
  ...fusedConvKernels,
  ...fusedKernels,
];

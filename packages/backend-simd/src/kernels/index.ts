/** Every kernel that runs in WebAssembly. */
import { convKernels } from './conv';
import { depthwiseKernels } from './depthwise';
import { matMulKernels } from './matmul';
import type { Kernel } from './types';

export const KERNELS: readonly Kernel[] = [...matMulKernels, ...convKernels, ...depthwiseKernels];

/** All kernels that run in WebAssembly. */
import { attentionKernels } from './attention';
import { castKernels } from './cast';
import { convKernels } from './conv';
import { depthwiseKernels } from './depthwise';
import { elementwiseKernels } from './elementwise';
import { functionalKernels } from './functional';
import { fusedKernels } from './fused';
import { fusedConvKernels } from './fused-conv';
import { gatherKernels } from './gather';
import { logicalKernels } from './logical';
import { matMulKernels } from './matmul';
import { moveKernels } from './move';
import { normKernels } from './norm';
import { poolKernels } from './pooling';
import { randomKernels } from './random';
import { recurrentKernels } from './recurrent';
import { reduceKernels } from './reduce';
import { resizeKernels } from './resize';
import { softmaxKernels } from './softmax';
import { topKKernels } from './top-k';
import type { Kernel } from './types';
import { unaryKernels } from './unary';

export const KERNELS: readonly Kernel[] = [
  ...matMulKernels,
  ...convKernels,
  ...depthwiseKernels,
  ...poolKernels,
  ...normKernels,
  ...fusedConvKernels,
  ...fusedKernels,
  ...recurrentKernels,
  ...functionalKernels,
  ...attentionKernels,
  ...unaryKernels,
  ...elementwiseKernels,
  ...logicalKernels,
  ...reduceKernels,
  ...softmaxKernels,
  ...moveKernels,
  ...gatherKernels,
  ...topKKernels,
  ...castKernels,
  ...resizeKernels,
  ...randomKernels,
];

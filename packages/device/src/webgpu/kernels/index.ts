/** The fused kernels of WebGPU, as compute shaders. */
import type { FusedKernelTable } from '@deepend/compiler';
import { activationGradient, dropout, softmaxCrossEntropy } from './basic';
import { channelSums } from './channels';
import { conv2d, conv2dFilterGradient } from './conv';
import type { GpuBackend } from './launch';
import { batchNorm, normalize } from './norm';
import { batchNormGradient } from './norm-gradient';
import { maxPool, maxPoolGradient } from './pool';
import { update } from './update';

export const WEBGPU_KERNELS: FusedKernelTable<GpuBackend> = {
  'deepend.conv2d': conv2d,
  'deepend.conv2dFilterGradient': conv2dFilterGradient,
  'deepend.channelSums': channelSums,
  'deepend.activationGradient': activationGradient,
  'deepend.batchNorm': batchNorm,
  'deepend.normalize': normalize,
  'deepend.batchNormGradient': batchNormGradient,
  'deepend.maxPool': maxPool,
  'deepend.maxPoolGradient': maxPoolGradient,
  'deepend.dropout': dropout,
  'deepend.softmaxCrossEntropy': softmaxCrossEntropy,
  'deepend.update': update,
};

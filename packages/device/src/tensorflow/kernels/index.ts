/** The fused kernels of tfjs-node's backend, by libtensorflow's own operations. */
import type { FusedKernelTable } from '@deepend/compiler';
import {
  activationGradient,
  channelSums,
  maxPool,
  maxPoolGradient,
  softmaxCrossEntropy,
} from './basic';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv';
import type { NodeBackend } from './native';
import { batchNorm, batchNormGradient, normalize } from './norm';
import { update } from './update';

export const TENSORFLOW_KERNELS: FusedKernelTable<NodeBackend> = {
  'deepend.conv2d': conv2d,
  'deepend.conv2dInputGradient': conv2dInputGradient,
  'deepend.conv2dFilterGradient': conv2dFilterGradient,
  'deepend.channelSums': channelSums,
  'deepend.activationGradient': activationGradient,
  'deepend.batchNorm': batchNorm,
  'deepend.normalize': normalize,
  'deepend.batchNormGradient': batchNormGradient,
  'deepend.maxPool': maxPool,
  'deepend.maxPoolGradient': maxPoolGradient,
  'deepend.softmaxCrossEntropy': softmaxCrossEntropy,
  'deepend.update': update,
};

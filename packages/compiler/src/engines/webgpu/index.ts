/** The fused operations' forms on WebGPU, as compute shaders. They are rows in TensorFlow.js's registry of kernels, which needs no engine to be there. */
import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from '../../fast';
import { activationGradient, softmaxCrossEntropy } from './basic';
import type { Form } from './launch';
import { batchNorm, batchNormGradient, channelSums, normalize } from './norm';
import { maxPool, maxPoolGradient } from './pool';
import { update } from './update';

const FORMS: Partial<Record<FastKernel, Form>> = {
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

/** Adds the rows. */
export function registerWebgpu(): void {
  for (const [kernelName, form] of Object.entries(FORMS)) {
    if (tf.getKernel(kernelName, 'webgpu')) continue; // by another copy of this module: ESM beside CJS
    tf.registerKernel({ kernelName, backendName: 'webgpu', kernelFunc: form as unknown as tf.KernelFunc });
  }
}

/** The fused operations' forms on WebGPU, as compute shaders. They are rows in TensorFlow.js's registry of kernels, which needs no engine to be there. */
import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from '../../fast';
import { activationGradient, dropout, softmaxCrossEntropy } from './basic';
import { channelSums } from './channels';
import { conv2d, conv2dFilterGradient } from './conv';
import type { Form, Given } from './launch';
import { batchNorm, normalize } from './norm';
import { batchNormGradient } from './norm-gradient';
import { maxPool, maxPoolGradient } from './pool';
import { update } from './update';

const FORMS: Partial<Record<FastKernel, Form>> = {
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

/** Adds the rows. */
export function registerWebgpu(): void {
  for (const [kernelName, form] of Object.entries(FORMS)) {
    if (tf.getKernel(kernelName, 'webgpu')) continue; // by another copy of this module: ESM beside CJS
    const kernelFunc = (given: unknown) => tf.tidy(() => form(given as Given) as unknown as tf.Tensor);
    tf.registerKernel({ kernelName, backendName: 'webgpu', kernelFunc: kernelFunc as tf.KernelFunc });
  }
}

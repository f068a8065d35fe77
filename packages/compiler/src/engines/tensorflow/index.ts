/**
 * The fused operations' forms on tfjs-node's engine. They are rows in TensorFlow.js's registry of kernels, which needs no engine to be there:
 * so they are in place whichever of the two packages was imported first.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { FastKernel } from '../../fast';
import { activationGradient, channelSums, maxPool, maxPoolGradient, softmaxCrossEntropy } from './basic';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv';
import type { Form, Given } from './native';
import { batchNorm, batchNormGradient, normalizeBy } from './norm';
import { update } from './update';

const FORMS: Partial<Record<FastKernel, Form>> = {
  'deepend.conv2d': conv2d,
  'deepend.conv2dInputGradient': conv2dInputGradient,
  'deepend.conv2dFilterGradient': conv2dFilterGradient,
  'deepend.channelSums': channelSums,
  'deepend.activationGradient': activationGradient,
  'deepend.batchNorm': batchNorm,
  'deepend.normalize': normalizeBy,
  'deepend.batchNormGradient': batchNormGradient,
  'deepend.maxPool': maxPool,
  'deepend.maxPoolGradient': maxPoolGradient,
  'deepend.softmaxCrossEntropy': softmaxCrossEntropy,
  'deepend.update': update,
};

/** Adds the rows. */
export function registerTensorflow(): void {
  for (const [kernelName, form] of Object.entries(FORMS)) {
    if (tf.getKernel(kernelName, 'tensorflow')) continue; // by another copy of this module: ESM beside CJS
    const kernelFunc = (given: unknown) => tf.tidy(() => form(given as Given));
    tf.registerKernel({ kernelName, backendName: 'tensorflow', kernelFunc: kernelFunc as tf.KernelFunc });
  }
}

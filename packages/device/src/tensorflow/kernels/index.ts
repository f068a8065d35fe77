/** The fused operations' forms on tfjs-node's engine. */
import type { FusedKernel } from '@deepend/compiler';
import { registerForms } from '../../register-kernels';
import {
  activationGradient,
  channelSums,
  maxPool,
  maxPoolGradient,
  softmaxCrossEntropy,
} from './basic';
import { conv2d, conv2dFilterGradient, conv2dInputGradient } from './conv';
import type { Form, Given } from './native';
import { batchNorm, batchNormGradient, normalizeBy } from './norm';
import { update } from './update';

const FORMS: Partial<Record<FusedKernel, Form>> = {
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
export const registerTensorflow = (): void => registerForms<Given>('tensorflow', FORMS);

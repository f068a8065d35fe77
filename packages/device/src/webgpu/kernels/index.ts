/** The fused operations' forms on WebGPU, as compute shaders. */
import type { FusedKernel } from '@deepend/compiler';
import { registerForms } from '../../register-kernels';
import { activationGradient, dropout, softmaxCrossEntropy } from './basic';
import { channelSums } from './channels';
import { conv2d, conv2dFilterGradient } from './conv';
import type { Form, Given } from './launch';
import { batchNorm, normalize } from './norm';
import { batchNormGradient } from './norm-gradient';
import { maxPool, maxPoolGradient } from './pool';
import { update } from './update';

const FORMS: Partial<Record<FusedKernel, Form>> = {
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
export const registerWebgpu = (): void => registerForms<Given>('webgpu', FORMS);

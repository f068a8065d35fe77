/** Every layer that can be exported: TensorFlow.js's class → the function that adds its nodes. */
import { ACTIVATION_LAYERS } from './activations';
import { CONVOLUTION_LAYERS } from './convolutions';
import { MERGE_LAYERS } from './merges';
import { NORMALIZATION_LAYERS } from './normalization';
import { POOL_LAYERS } from './pools';
import type { Rows } from './row';
import { SHAPE_LAYERS } from './shapes';

export const LAYERS: Rows = {
  ...ACTIVATION_LAYERS,
  ...CONVOLUTION_LAYERS,
  ...MERGE_LAYERS,
  ...NORMALIZATION_LAYERS,
  ...POOL_LAYERS,
  ...SHAPE_LAYERS,
};

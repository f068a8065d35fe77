/**
 * Transforms: what is done to images between the set and the net. Each is a name and plain options,
 * so that it can be sent to a thread.
 */
export { applyTransforms, isBatchwise, outputShape, transformToFloats } from './apply';
export { cutMix, type MixOptions, mixUp } from './factories/mixing';
export { type CustomOptions, custom } from './factories/own';
export type { CropSize } from './factories/rules';
export {
  centerCrop,
  type RandomCropOptions,
  type RandomResizedCropOptions,
  type ResizeTransformOptions,
  randomCrop,
  randomResizedCrop,
  resize,
} from './factories/sizing';
export {
  type RandomFlipOptions,
  type RandomRotationOptions,
  randomHorizontalFlip,
  randomRotation,
  randomVerticalFlip,
} from './factories/turning';
export {
  type ColorJitterOptions,
  type CutoutOptions,
  colorJitter,
  cutout,
  type NormalizeOptions,
  normalize,
  type RandomErasingOptions,
  randomErasing,
  toRgb,
} from './factories/values';
export { toFloats } from './floats';

/**
 * Transforms: preprocessing of images between the dataset and the model. Each is a name and plain
 * options, so that it can be sent to a worker thread.
 */
export {
  type RandAugmentOptions,
  randAugment,
  type TrivialAugmentWideOptions,
  trivialAugmentWide,
} from './augment';
export { type ColorJitterOptions, colorJitter, toRgb } from './color';
export {
  centerCrop,
  type RandomCropOptions,
  type RandomResizedCropOptions,
  randomCrop,
  randomResizedCrop,
} from './crop';
export { type CustomOptions, custom } from './custom';
export {
  type CutoutOptions,
  cutout,
  type RandomErasingOptions,
  randomErasing,
} from './erasing';
export {
  type RandomFlipOptions,
  type RandomRotationOptions,
  randomHorizontalFlip,
  randomRotation,
  randomVerticalFlip,
} from './geometry';
export { cutMix, type MixOptions, mixUp } from './mixing';
export { type NormalizeOptions, normalize } from './normalize';
export type { CropSize } from './option-rules';
export type { ResizeTo } from './resample/layout';
export { type ResizeOptions, resize, resizeImages } from './resize';

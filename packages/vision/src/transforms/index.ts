/** Transforms of an image together with its boxes and its mask. */
export { type CropWindow, crop, horizontalFlip, resize, rotate } from './geometry';
export {
  applyJoint,
  type JointTransform,
  randomCrop,
  randomHorizontalFlip,
  randomRotation,
  resizeTo,
} from './random';
export type { VisionImage, VisionSample } from './sample';

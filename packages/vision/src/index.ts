/** Vision: boxes, anchors, detection data sets, scores and models. */
export type { VisionBatch, VisionLoader } from './loader';
export {
  type FashionScenesOptions,
  fashionScenes,
  type SceneLabels,
  type SceneLoaderOptions,
  type SceneOptions,
  sceneLoader,
} from './scenes/fashion-scenes';
export type { Scene } from './scenes/scene';
export * from './segmentation/index';
export * from './style/index';
export type { Box, JointTransform, VisionImage, VisionSample } from './transforms/index';
export * as joint from './transforms/index';

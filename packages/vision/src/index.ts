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

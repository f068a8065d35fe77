/** Vision: boxes, anchors, detection data sets, scores and models. */

export {
  type DetectionOptions,
  type Detections,
  multiboxDetection,
  type Predicted,
  predictBoxes,
} from './anchors/detection';
export { offsetBoxes, offsetInverse } from './anchors/offsets';
export { multiboxPrior, type PriorOptions } from './anchors/prior';
export {
  type AssignOptions,
  assignAnchors,
  type MultiboxTarget,
  multiboxTarget,
  type TargetOptions,
} from './anchors/target';
export { boxCenterToCorner, boxCornerToCenter, type ClipOptions, clipBoxes } from './boxes/convert';
export type { Box, Boxes, BoxesLike } from './boxes/format';
export { boxIou } from './boxes/iou';
export { type NmsOptions, nms } from './boxes/nms';
export { type RoiPoolOptions, roiPool } from './boxes/roi-pool';
export {
  type BananasOptions,
  type LoadBananasOptions,
  loadDataBananas,
  readBoxFolder,
  readDataBananas,
} from './datasets/bananas';
export {
  type DetectionData,
  type DetectionLoaderOptions,
  detectionLoader,
} from './datasets/detection-data';
export { readImage } from './images';
export type { VisionBatch, VisionLoader } from './loader';
export {
  type Detector,
  type DetectorOutputs,
  detectObjects,
  evaluateDetector,
  ssdLoss,
  targetLoader,
  truthsOf,
} from './models/detector';
export { TinySSD, type TinySSDOptions } from './models/tiny-ssd';
export {
  VITS,
  VisionTransformer,
  type VisionTransformerOptions,
  type ViTName,
  type ViTSpec,
} from './models/vision-transformer';
export {
  type FashionScenesOptions,
  fashionScenes,
  type SceneLabels,
  type SceneLoaderOptions,
  type SceneOptions,
  sceneLoader,
} from './scenes/fashion-scenes';
export type { Scene } from './scenes/scene';
export {
  type MeanAveragePrecision,
  type MeanAveragePrecisionOptions,
  meanAveragePrecision,
  type Truth,
} from './scores/mean-average-precision';
export * from './segmentation/index';
export * from './style/index';
export type { JointTransform, VisionImage, VisionSample } from './transforms/index';
export * as joint from './transforms/index';

/**
 * The namespace `plots`: everything of `@deepend/plot`, and the figures that need a model and data.
 */
export type * from '@deepend/plot';
export {
  Animator,
  curves,
  drawFeatureMaps,
  drawFilters,
  Figure,
  figureStyle,
  heatmap,
  hoverScript,
  ProgressBoard,
  plot,
  plotBand,
  plotBars,
  plotConfusionMatrix,
  plotContours,
  plotRuns,
  show,
  showBoxes,
  showFunctionClasses,
  showGridWorld,
  showHeatmaps,
  showHeatOverlay,
  showImages,
  showObjects,
  showTrace2d,
} from '@deepend/plot';
export { showFeatureMaps, showFilters } from './filters';
export {
  type GradCam,
  type GradCamOptions,
  gradCam,
  type ShowGradCamOptions,
  showGradCam,
} from './grad-cam';
export { type LossLandscape, type LossLandscapeOptions, lossLandscape } from './loss-landscape';
export { plotLrFind } from './lr-find';
export { showPredictions } from './predictions';
export { type PlotSearchOptions, plotSearch } from './search';
export { showTopLosses } from './top-losses';

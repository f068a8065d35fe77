/** Charts and image grids as SVG, PNG, HTML and text, without a browser. */
export { Animator } from './animator';
export type { Annotation } from './annotate';
export { type BandLine, type BandOptions, plotBand } from './band';
export { type BarError, type BarsOptions, plotBars } from './bars';
export {
  type ImageObjects,
  type ShowBoxesOptions,
  type ShowObjectsOptions,
  showBoxes,
  showObjects,
} from './boxes';
export type { TerminalOptions } from './characters';
export type { ColormapName } from './colormap';
export { type ConfusionMatrixOptions, plotConfusionMatrix } from './confusion-matrix';
export type { Grid } from './contour-lines';
export { type ContourOptions, plotContours, showTrace2d } from './contours';
export { curves, type HistoryRecord } from './curves';
export { show } from './display';
export { Figure, type FigureOptions, type FigurePoint, type MimeBundle } from './figure';
export {
  drawFeatureMaps,
  drawFilters,
  type FeatureMapsOptions,
  type FiltersOptions,
} from './filters';
export { type FunctionClassesOptions, showFunctionClasses } from './function-classes';
export { type GridWorldOptions, type GridWorldStep, showGridWorld } from './grid-world';
export { type HeatMaps, type ShowHeatOverlayOptions, showHeatOverlay } from './heat-overlay';
export { type HeatmapOptions, heatmap, type ShowHeatmapsOptions, showHeatmaps } from './heatmap';

export { figureStyle, hoverScript } from './html';
export { type ShowImagesOptions, showImages } from './images';
export type { ImageBatch } from './pixels';
export { plot } from './plot';
export { ProgressBoard, type ProgressBoardOptions } from './progress-board';
export { type PlotRunsOptions, type PlottedRun, plotRuns } from './runs';
export type { ChartOptions, Limits } from './series';
export type { Theme } from './theme';
export type { VegaLiteSpec } from './vega';

/** Charts, image grids and exports of histories, as SVG and PNG, without a browser. */
export { Animator } from './animator';
export { toCsv, toJsonl } from './history';
export { type ShowImagesOptions, showImages } from './images';
export { Picture } from './picture';
export { curves, plot } from './plot';
export type { ChartOptions, Limits } from './series';
export type { TerminalOptions } from './terminal';
export type { HistoryRecord, ImageBatch } from './types';

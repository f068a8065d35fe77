/** Generative adversarial networks. */
export type { ForBoth, GanOptions, GanRecord } from './options';
export { discriminatorStep, type GanNetworks, type GanStepOptions, generatorStep } from './steps';
export { type GanResult, trainGan } from './train-gan';

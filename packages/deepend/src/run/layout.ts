/** The names of what a run's folder holds. */
import path from 'node:path';

/** All that a run writes; anything else in its folder belongs to the user. */
export const RUN_FILES = {
  /** Written first: it marks a folder as a run's. */
  config: 'config.json',
  /** The layers of the model without weights, so that a checkpoint's model can be built again. */
  architecture: 'architecture.json',
  /** The tokens of a language model, as `deepend train --task language-model` writes them. */
  vocab: 'vocab.json',
  /** A line an epoch. */
  history: 'history.jsonl',
  /** Some five lines an epoch, and a last one if the run is interrupted or fails. */
  steps: 'steps.jsonl',
  checkpoints: 'checkpoints',
  /** `model.json` and `weights.bin` of the final model. */
  model: 'model',
  curvesSvg: 'curves.svg',
  curvesPng: 'curves.png',
  /** Written after the model, before the pictures: the run has ended. */
  result: 'result.json',
  tensorBoard: 'tensorboard',
  report: 'report.html',
  exports: 'exports',
} as const;

export type RunFile = keyof typeof RUN_FILES;

export const runFile = (dir: string, file: RunFile): string => path.join(dir, RUN_FILES[file]);

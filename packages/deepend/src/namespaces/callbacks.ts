/** The namespace `callbacks`: objects that `train` calls at each step and epoch. */
export { tensorBoard } from '@deepend/export';
export { Animator } from '@deepend/plot';
export {
  checkpoints,
  csvHistory,
  earlyStopping,
  jsonlHistory,
  samplesPerSecond,
  stopOnNaN,
  timeLimit,
} from '@deepend/trainer';
export { type SaveRunOptions, saveRun } from '../run/save-run';

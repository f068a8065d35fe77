/** What can be hung on a run. Each function gives a callback for `train`. */
export { samplesPerSecond, timeLimit } from './clock';
export { type EarlyStoppingOptions, earlyStopping } from './early-stopping';
export { csvHistory, jsonlHistory } from './history-files';
export { stopOnNaN } from './stop-on-nan';

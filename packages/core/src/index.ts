/**
 * Internal: code that several packages of deepend share. Its names may change in any release, so do
 * not import it from outside.
 */

export {
  automaticBackend,
  type BackendTraits,
  backendTraits,
  type LentValues,
  registerBackendTraits,
  setAutomaticBackend,
  type WorkspaceQuery,
} from './backends';
export { cacheFolder, EnvironmentError, type EnvRule, envRule, readEnv } from './environment';
export { type OutOfMemoryDetails, OutOfMemoryError } from './errors';
export {
  appendToFile,
  type FileContent,
  publishFile,
  removeAbandonedIn,
  stagingName,
  type WriteOptions,
  writeFileAtomic,
  writeFolderAtomic,
} from './files';
export { lockFolder } from './folder-lock';
export { toCsv, toJson, toJsonl } from './history';
export { type Launcher, type LauncherFamily, readLauncher } from './launcher';
export { type LiveOutput, registerLiveOutput, releaseLiveOutput } from './live-output';
export { type Bundle, type Notebook, type NotebookOutput, notebook } from './notebook';
export { checkOptions, closest, formatValue } from './options';
export {
  type EpochLoops,
  type EpochSpec,
  epochLoops,
  type LoaderState,
  type LoopPosition,
  Position,
} from './position';
export { mixSeed } from './random';
export {
  isDate,
  isError,
  isFloat32Array,
  isFloat64Array,
  isInt32Array,
  isSharedBuffer,
  isUint8Array,
} from './realms';
export type { EpochRecord, StepRecord } from './records';
export * as rule from './rules';
export { deserializeError, type SerializedError, serializeError } from './serialized-error';
export type { ImageShape } from './shapes';
export { type Part, partOf, type Share, splitBatch } from './split-batch';

/** Internal: what the other packages of deepend share. Its names may change in any release. */
export {
  type BackendTraits,
  backendTraits,
  registerBackendTraits,
  type WorkspaceQuery,
} from './backends';
export { type OutOfMemoryDetails, OutOfMemoryError } from './errors';
export {
  appendToFile,
  type FileContent,
  publishFile,
  type WriteOptions,
  writeFileAtomic,
  writeFolderAtomic,
} from './files';
export { toCsv, toJson, toJsonl } from './history';
export { type Bundle, type Notebook, type NotebookOutput, notebook } from './notebook';
export { checkOptions, closest, formatValue } from './options';
export type { EpochRecord, StepRecord } from './records';
export * as rule from './rules';

export { type Bundle, type Notebook, type NotebookOutput, notebook } from './notebook';
export { checkOptions, closest, show } from './options';
export * as rule from './rules';

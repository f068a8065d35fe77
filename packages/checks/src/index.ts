export { checkOptions, closest, show } from './options';
export * as rule from './rules';

/** Text from models: continuations and translations. */
export { type Beam, type BeamSearchOptions, beamSearch } from './beam-search';
export { type Generated, type GenerateOptions, generate } from './generate';
export type { Stepper } from './session';
export {
  type TranslateOptions,
  type Translation,
  type TranslationAttention,
  translate,
} from './translate';

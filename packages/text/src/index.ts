/** Text: tokens, vocabularies, data sets, loaders, word vectors and scores. */
export { type BleuOptions, bleu } from './bleu';

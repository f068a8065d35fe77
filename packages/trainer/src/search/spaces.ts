/** The namespace `spaces`: what values a hyperparameter may have, for `search`. */
export { choice, int, logUniform, sample, uniform } from './domains';

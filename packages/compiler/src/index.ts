export { type LossResult, softmaxCrossEntropy } from './loss';
export { compile, Plan, type StepResult } from './plan';
export type { Parameter } from './program';
export { type ParameterGradient, sgd } from './updates';

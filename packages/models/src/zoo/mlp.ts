/**
 * The book's models without convolutions: softmax regression (chapter 4) and the multilayer
 * perceptron (chapter 5).
 */
import { checkOptions, rule } from '@deepend/core';
import {
  chain,
  dense,
  flatten,
  type ImageShape,
  type ModelOptions,
  modelRules,
  relu,
  sequential,
  withDefaults,
} from '@deepend/nn';
import type { LayersModel } from '@tensorflow/tfjs-layers';

export interface MlpOptions extends ModelOptions {
  /** Units of each hidden layer, such as [512, 256]. @default [256] */
  hidden?: readonly number[];
}

const ROWS = { softmax_regression: { hidden: [] }, mlp: { hidden: [256] } } as const;
const HIDDEN = 'a list of integers of at least 1';
const mlpOptions = rule.object({
  ...modelRules,
  hidden: rule.list(rule.positiveInteger(), HIDDEN).optional(),
});

/**
 * Builds a model of linear layers with ReLUs between them: `[batch, height, width, channels]` →
 * logits `[batch, numClasses]`.
 */
export function bookMlp(name: keyof typeof ROWS, options: MlpOptions = {}): LayersModel {
  const schema = name === 'mlp' ? mlpOptions : rule.object(modelRules);
  const { numClasses, hidden, ...rest } = withDefaults(
    {
      inputShape: [28, 28, 1] as ImageShape,
      numClasses: 10,
      hidden: ROWS[name].hidden as readonly number[],
    },
    checkOptions(`[models] book.${name}`, schema, options) as MlpOptions,
  );
  const layers = hidden.map((units, i) =>
    chain(dense(units, `dense${i + 1}`), relu(`relu${i + 1}`)),
  );
  const last = dense(numClasses, hidden.length ? `dense${hidden.length + 1}` : 'dense');
  return sequential([flatten('flatten'), ...layers, last], { name: `book/${name}`, ...rest });
}

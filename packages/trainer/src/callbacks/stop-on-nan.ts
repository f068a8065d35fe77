/** A callback that ends a run at the first NaN or infinite number, and says where it arose. */

import type { NonFinite } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { AnyModel } from '../model';
import type { Callback, RunInfo } from './callback';

const WHERE = '[trainer] stopOnNaN';
const rules = rule.object({ every: rule.positiveInteger().optional() });

const PLACES: Record<NonFinite['what'], (layers: string) => string> = {
  weight: (layers) => `the weights of ${layers}`,
  output: (layers) => `the output of ${layers}`,
  loss: () => 'the loss',
  gradient: (layers) => (layers ? `the gradient of ${layers}` : 'the gradient of the loss'),
};

/**
 * Checks after each step whether loss and weights are finite. When they are not, it repeats the
 * step from the weights before it, to name the first layer whose output or gradient is not finite,
 * and ends the run. The model keeps the last finite weights. It costs a second copy of the weights,
 * and reading one number from the device in each check.
 * @param settings.every steps from one check to the next; with more than 1 the faulty step may be
 *   past, and the error then names weights @default 1
 * @throws Error from `train`, which names the layer
 * @example
 * callbacks: [stopOnNaN({ every: 10 })]
 */
export function stopOnNaN(settings: { every?: number } = {}): Callback {
  const { every = 1 } = checkOptions(WHERE, rules, settings);
  let run: RunInfo | undefined;
  let lastFinite: tf.Tensor[] = [];
  const forget = () => {
    tf.dispose(lastFinite);
    lastFinite = [];
  };
  const remember = (model: AnyModel) => {
    forget();
    lastFinite = model.getWeights().map((weight) => weight.clone());
  };
  return {
    name: 'stopOnNaN',
    onTrainBegin(info) {
      run = info;
      remember(run.model);
    },
    async onStep({ epoch, step, globalStep, loss, lr }) {
      if (!run || (globalStep % every !== 0 && Number.isFinite(loss))) return;
      if (Number.isFinite(loss) && (await areWeightsFinite(run.model))) return remember(run.model);
      const after = firstNonFinite(run);
      run.model.setWeights(lastFinite);
      const found = firstNonFinite(run) ?? after;
      const place = found
        ? PLACES[found.what](found.layers.map((layer) => `'${layer}'`).join(', '))
        : 'the loss of an earlier step';
      throw new Error(
        `${WHERE}: ${place} became not finite at step ${step} of epoch ${epoch}; ` +
          `lower the learning rate, which was ${lr}, or look at the batch`,
      );
    },
    onTrainEnd: forget,
    onFailure: forget,
  };
}

function firstNonFinite({ control }: RunInfo): NonFinite | undefined {
  const batch = control.lastBatch();
  return batch && control.plan.firstNonFinite(batch.features, batch.labels, { loss: control.loss });
}

/** A finite number times 0 is 0, any other is NaN: one sum shows whether all weights are finite. */
async function areWeightsFinite(model: AnyModel): Promise<boolean> {
  const sum = tf.tidy(() => tf.addN(model.getWeights().map((weight) => tf.sum(tf.mul(weight, 0)))));
  try {
    const [value] = await sum.data();
    return value === 0;
  } finally {
    sum.dispose();
  }
}

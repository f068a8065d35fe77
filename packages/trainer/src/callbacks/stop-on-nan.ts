/** Ends a run at the first number that is not finite, and says where it arose. */

import type { NonFinite } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Callback, RunInfo } from '../types';

const WHERE = '[trainer] stopOnNaN';
const rules = rule.object({ every: rule.positiveInteger().optional() });

const PLACES: Record<NonFinite['what'], (layers: string) => string> = {
  weight: (layers) => `the weights of ${layers}`,
  output: (layers) => `the output of ${layers}`,
  loss: () => 'the loss',
  gradient: (layers) => (layers ? `the gradient of ${layers}` : 'the gradient of the loss'),
};

/**
 * Looks after each step whether loss and weights are finite, and where they are not, takes that
 * step again from the weights before it to name
 * the first layer whose output or gradient is not. The net is left with those last finite weights.
 * It costs a second copy of the weights,
 * and a number read from the device for each look.
 * @param settings.every how often it looks, in steps; beyond 1 the step that went wrong may be
 *   past, and the place is the weights' @default 1
 * @throws Error out of the run, that names the layer
 */
export function stopOnNaN(settings: { every?: number } = {}): Callback {
  const { every = 1 } = checkOptions(WHERE, rules, settings);
  let run: RunInfo | undefined;
  let before: tf.Tensor[] = [];
  const forget = () => {
    tf.dispose(before);
    before = [];
  };
  const remember = (net: LayersModel) => {
    forget();
    before = net.getWeights().map((weight) => weight.clone());
  };
  return {
    onTrainBegin(info) {
      run = info;
      remember(run.model);
    },
    async onStep({ epoch, step, globalStep, loss, lr }) {
      if (!run || (globalStep % every !== 0 && Number.isFinite(loss))) return;
      if (Number.isFinite(loss) && (await allFinite(run.model))) return remember(run.model);
      const now = find(run);
      run.model.setWeights(before);
      const found = find(run) ?? now;
      const place = found
        ? PLACES[found.what](found.layers.map((layer) => `'${layer}'`).join(', '))
        : 'the loss of an earlier step';
      throw new Error(
        `${WHERE}: ${place} became not finite at step ${step} of epoch ${epoch}; lower the learning rate, which was ${lr}, or look at the batch`,
      );
    },
    onTrainEnd: forget,
    onFailure: forget,
  };
}

function find({ control }: RunInfo): NonFinite | undefined {
  const batch = control.lastBatch();
  return batch && control.plan.firstNonFinite(batch.features, batch.labels, { loss: control.loss });
}

/** A number times 0 is 0, but for what is not finite: so one sum tells of all weights. */
async function allFinite(net: LayersModel): Promise<boolean> {
  const sum = tf.tidy(() => tf.addN(net.getWeights().map((weight) => tf.sum(tf.mul(weight, 0)))));
  try {
    const [value] = await sum.data();
    return value === 0;
  } finally {
    sum.dispose();
  }
}

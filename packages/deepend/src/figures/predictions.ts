import { describeTensors, isTensor, type Tensors } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import { type Figure, showImages } from '@deepend/plot';
import { type Loader, predict } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { BookNet } from '../from-scratch';

const options = rule.object({
  count: rule.positiveInteger().optional(),
  cols: rule.positiveInteger().optional(),
});

const RIGHT = '#262626';
const WRONG = '#C03A00';

/**
 * Draws the first images of a loader with their true and predicted classes, wrong ones in red. The
 * book's `predict_ch3`.
 * @param net a model of layers, a module, or a function of the features
 * @param settings.count number of images, at most a batch @default 18
 * @param settings.cols number of images in a row @default 6
 */
export async function showPredictions(
  net: BookNet,
  loader: Loader,
  settings: { count?: number; cols?: number } = {},
): Promise<Figure> {
  const { count = 18, cols = 6 } = checkOptions('[deepend] showPredictions', options, settings);
  for await (const { features, labels } of loader) {
    try {
      return await drawBatch(
        net,
        { features, labels },
        { count, cols, classNames: loader.classNames },
      );
    } finally {
      tf.dispose([features, labels]);
    }
  }
  throw new RangeError(
    '[deepend] showPredictions: the loader gave no batch; expected at least one',
  );
}

function requireClasses(outputs: Tensors): asserts outputs is tf.Tensor2D {
  if (isTensor(outputs) && outputs.rank === 2) return;
  throw new RangeError(
    '[deepend] showPredictions: expected a model that gives [batch, numClasses], got ' +
      describeTensors(outputs),
  );
}

interface Drawing {
  count: number;
  cols: number;
  classNames: readonly string[] | undefined;
}

async function drawBatch(
  net: BookNet,
  batch: { features: tf.Tensor; labels: tf.Tensor },
  drawing: Drawing,
): Promise<Figure> {
  const { cols, classNames } = drawing;
  const count = Math.min(drawing.count, batch.features.shape[0] ?? 0);
  const rest = batch.features.shape.slice(1);
  const images = tf.slice(batch.features, 0, [count, ...rest]); // [count, height, width, channels]
  const outputs =
    typeof net === 'function' ? tf.tidy(() => net(images)) : await predict(net, images);
  requireClasses(outputs);
  const classes = tf.argMax(outputs, 1);
  try {
    const [predicted, truth] = await Promise.all([classes.data(), batch.labels.data()]);
    const name = (index: number | undefined) => classNames?.[index ?? -1] ?? `class ${index}`;
    const each = Array.from({ length: count }, (_, i) => i);
    return await showImages(images, {
      cols: Math.min(cols, count),
      titles: each.map((i) => `${name(truth[i])}\n→ ${name(predicted[i])}`),
      titleColors: each.map((i) => (truth[i] === predicted[i] ? RIGHT : WRONG)),
    });
  } finally {
    tf.dispose([images, outputs, classes]);
  }
}

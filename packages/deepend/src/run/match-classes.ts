/**
 * Compares the classes of data with those of a run by their names: the same label may stand for
 * another class in each, which no accuracy would show.
 */
import { formatValue } from '@deepend/core';
import type { Batch, Loader } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';

/**
 * The loader with its labels numbered as in the run. Data may lack classes of the run.
 * @param classNames of the run; without them, or without names in the data, nothing is compared
 * @throws RangeError when the data have a class that the run does not have
 */
export function matchClasses(
  where: string,
  loader: Loader,
  classNames: readonly string[] | undefined,
): Loader {
  const names = loader.classNames;
  if (!names || !classNames || names.every((name, i) => name === classNames[i])) return loader;
  const unknown = names.find((name) => !classNames.includes(name));
  if (unknown !== undefined)
    throw new RangeError(
      `${where}: expected data with the classes of the run (${list(classNames)}), got the class ` +
        `${formatValue(unknown)} (${list(names)}); name the data that the run was trained for, ` +
        'or rename its classes',
    );
  return renumbered(loader, names, classNames);
}

const list = (names: readonly string[]) =>
  names.length > 12 ? `${names.slice(0, 12).join(', ')}, ...` : names.join(', ');

function renumbered(
  loader: Loader,
  names: readonly string[],
  classNames: readonly string[],
): Loader {
  const numbers = names.map((name) => classNames.indexOf(name));
  const { numSamples, numBatches, batchSize, inputShape } = loader;
  return {
    ...{ numSamples, numBatches, batchSize, classNames, numClasses: classNames.length },
    ...(inputShape && { inputShape }),
    async *[Symbol.asyncIterator]() {
      for await (const batch of loader) yield renumber(batch, numbers, classNames.length);
    },
  };
}

/** Labels of `[batch]`, or probabilities of `[batch, classes]`, whose columns move. */
function renumber({ features, labels }: Batch, numbers: readonly number[], count: number): Batch {
  const moved = tf.tidy(() => {
    if (labels.rank === 1) return tf.gather(numbersOf(numbers), tf.cast(labels, 'int32'));
    const places = tf.cast(tf.oneHot(numbersOf(numbers), count), 'float32');
    return tf.matMul(labels as tf.Tensor2D, places as tf.Tensor2D); // [batch, count]
  });
  labels.dispose();
  return { features, labels: moved };
}

const numbersOf = (numbers: readonly number[]) => tf.tensor1d([...numbers], 'int32');

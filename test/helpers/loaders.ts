import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { mix } from './fill';

export interface FakeLoader {
  numSamples: number;
  numBatches: number;
  batchSize: number;
  imageShape?: number[];
  classNames?: string[];
  numClasses?: number;
  /** How often it was looped over. */
  loops: number;
  [Symbol.asyncIterator](): AsyncGenerator<{ features: tf.Tensor; labels: tf.Tensor }>;
}

/** Images of `shape` whose class shows in their brightness, so that a small net learns them. */
export function fakeLoader(
  numSamples: number,
  batchSize: number,
  {
    shape = [4, 4, 1],
    classes = 3,
    soft = false,
  }: { shape?: [number, number, number]; classes?: number; soft?: boolean } = {},
): FakeLoader {
  const size = tf.util.sizeFromShape(shape);
  const noise = mix(numSamples * size, 'noise');
  return {
    numSamples,
    batchSize,
    numBatches: Math.ceil(numSamples / batchSize),
    imageShape: shape,
    loops: 0,
    async *[Symbol.asyncIterator]() {
      this.loops++;
      for (let start = 0; start < numSamples; start += batchSize) {
        const count = Math.min(batchSize, numSamples - start);
        const label = (i: number) => (start + i) % classes;
        const values = Float32Array.from({ length: count * size }, (_, j) => {
          const i = Math.floor(j / size);
          return (label(i) + 0.3 * (noise[start * size + j] ?? 0)) / classes;
        });
        const indices = tf.tensor1d(
          Int32Array.from({ length: count }, (_, i) => label(i)),
          'int32',
        );
        const labels = soft
          ? tf.tidy(() => tf.cast(tf.oneHot(indices, classes), 'float32'))
          : indices;
        if (soft) indices.dispose();
        yield { features: tf.tensor4d(values, [count, ...shape]), labels };
      }
    },
  };
}

/** Flatten and a linear layer: the smallest net that learns `fakeLoader`'s images. */
export function linearNet(
  shape: [number, number, number] = [4, 4, 1],
  classes = 3,
  seed = 1,
): tfl.LayersModel {
  return tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: shape }),
      tfl.layers.dense({
        units: classes,
        kernelInitializer: tfl.initializers.glorotUniform({ seed }),
      }),
    ],
  });
}

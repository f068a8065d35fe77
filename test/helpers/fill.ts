/** Numbers that TypeScript and test/golden/*.py make alike, so that a net can be the same in both without a file of weights. */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** The sum of a name's character codes. */
const phase = (name: string) => [...name].reduce((sum, character) => sum + character.charCodeAt(0), 0);

/** `count` numbers in [0, 1): a 32-bit mix of index and phase, the constants are xxHash's. */
export function mix(count: number, name: string): Float32Array {
  const start = Math.imul(phase(name), 2654435761);
  return Float32Array.from({ length: count }, (_, i) => {
    let h = Math.imul((start + i) | 0, 2246822519);
    h = Math.imul(h ^ (h >>> 15), 3266489917);
    return ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
  });
}

/** The value that a weight of that name and shape has in the golden nets. */
export function weightValues(name: string, shape: readonly number[]): Float32Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const spread = mix(size, name).map((value) => 2 * value - 1);
  const kind = name.slice(name.lastIndexOf('/') + 1);
  if (kind === 'moving_mean') return spread.fill(0);
  if (kind === 'moving_variance') return spread.fill(1);
  if (kind === 'gamma') return spread.map((value) => 1 + 0.1 * value);
  if (kind !== 'kernel') return spread.map((value) => 0.1 * value);
  const fanIn = size / (shape.at(-1) ?? 1);
  return spread.map((value) => value * Math.sqrt(3 / fanIn));
}

/** Gives every weight of a net its golden value. */
export function fillNet(net: LayersModel): void {
  for (const weight of net.weights) {
    const shape = weight.shape.map((size) => size ?? 1);
    const value = tf.tensor(weightValues(weight.originalName, shape), shape);
    weight.write(value);
    value.dispose();
  }
}

/** A batch of the golden runs: features `[batch, height, width, channels]` in [0, 1], labels `[batch]` in 0 … 9. */
export function goldenBatch(shape: [number, number, number, number], name: string) {
  const features = tf.tensor4d(mix(tf.util.sizeFromShape(shape), name), shape);
  const labels = tf.tensor1d(
    Int32Array.from({ length: shape[0] }, (_, i) => (7 * i + 3) % 10),
    'int32',
  );
  return { features, labels };
}

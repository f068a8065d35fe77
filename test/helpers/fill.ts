/**
 * Numbers that TypeScript and test/golden/*.py make alike, so that a net can be the same in both
 * without a file of weights.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';

/** The sum of a name's character codes. */
const phase = (name: string) =>
  [...name].reduce((sum, character) => sum + character.charCodeAt(0), 0);

/** FNV-1a: names of the same letters in another order have other numbers. */
const hashed = (name: string) =>
  [...name].reduce(
    (h, character) => Math.imul(h ^ character.charCodeAt(0), 16_777_619),
    2_166_136_261,
  ) >>> 0;

/** `count` numbers in [0, 1): a 32-bit mix of index and start, the constants are xxHash's. */
function numbers(count: number, start: number): Float32Array {
  const begin = Math.imul(start, 2654435761);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    let h = Math.imul((begin + i) | 0, 2246822519);
    h = Math.imul(h ^ (h >>> 15), 3266489917);
    values[i] = ((h ^ (h >>> 13)) >>> 0) / 2 ** 32;
  }
  return values;
}

export const mix = (count: number, name: string): Float32Array => numbers(count, phase(name));

/** The middle and the half width of a weight's numbers. */
function scale(name: string, shape: readonly number[]): [middle: number, half: number] {
  const kind = name.slice(name.lastIndexOf('/') + 1);
  // A bottleneck's last: at full size gradients grow by half from block to block, and rounding with
  // them.
  if (name.endsWith('.bn3/gamma')) return [0.25, 0.05];
  if (kind === 'gamma') return [1, 0.2];
  if (kind === 'moving_variance') return [1, 0.5];
  if (kind === 'moving_mean') return [0, 0.2];
  if (!kind.endsWith('kernel')) return [0, 0.1];
  const [inputs = 1, outputs = 1] = shape.slice(-2);
  const fanIn =
    tf.util.sizeFromShape([...shape]) / (kind === 'depthwise_kernel' ? inputs * outputs : outputs);
  return [0, Math.sqrt(6 / fanIn)]; // He et al. 2015: nets without normalization keep their signal
}

/** The value that a weight of that name (`layer/kernel`) and shape has in the golden nets. */
export function weightValues(name: string, shape: readonly number[]): Float32Array {
  const [middle, half] = scale(name, shape);
  const values = numbers(tf.util.sizeFromShape([...shape]), hashed(name));
  for (let i = 0; i < values.length; i++)
    values[i] = middle + half * Math.fround(2 * (values[i] as number) - 1);
  return values;
}

/** Gives every weight of a net its golden value; the constants of `_fixed` layers stay. */
export function fillNet(net: LayersModel): void {
  for (const layer of net.layers.filter(({ name }) => !name.endsWith('_fixed'))) {
    for (const weight of layer.weights) {
      const shape = weight.shape.map((size) => size ?? 1);
      const kind = weight.originalName.slice(weight.originalName.lastIndexOf('/') + 1);
      const value = tf.tensor(weightValues(`${layer.name}/${kind}`, shape), shape);
      weight.write(value);
      value.dispose();
    }
  }
}

/**
 * A batch of the golden runs: features `[batch, height, width, channels]` in [0, 1], noise times
 * 4×4 squares of other brightness, so that places
 * and images differ; labels `[batch]` in 0 … numClasses − 1.
 */
export function goldenBatch(
  shape: [number, number, number, number],
  name: string,
  { numClasses = 10 } = {},
) {
  const [batch, height, width, channels] = shape;
  const values = mix(tf.util.sizeFromShape(shape), name);
  const squares = mix(batch * 16 * channels, `${name} squares`);
  for (let pixel = 0; pixel < batch * height * width; pixel++) {
    const [image, y, x] = [
      Math.floor(pixel / (height * width)),
      Math.floor(pixel / width) % height,
      pixel % width,
    ];
    const square = (image * 4 + Math.floor((4 * y) / height)) * 4 + Math.floor((4 * x) / width);
    for (let c = 0; c < channels; c++) {
      const at = pixel * channels + c;
      values[at] = (values[at] as number) * (squares[square * channels + c] as number);
    }
  }
  const labels = Int32Array.from({ length: batch }, (_, i) => (7 * i + 3) % numClasses);
  return { features: tf.tensor4d(values, shape), labels: tf.tensor1d(labels, 'int32') };
}

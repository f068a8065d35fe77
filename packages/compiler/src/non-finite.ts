/** Where numbers stop being finite. */
import * as tf from '@tensorflow/tfjs-core';

export interface NonFinite {
  readonly what: 'weight' | 'output' | 'loss' | 'gradient';
  /**
   * The layers of the operation, more than one where they are fused; the input layer where the
   * features are not finite; none for the loss.
   */
  readonly layers: readonly string[];
}

/** A number times 0 is 0, unless it is NaN or infinite: then the sum is NaN. One scalar is read. */
export function areFinite(tensor: tf.Tensor): boolean {
  const sum = tf.tidy(() => tf.sum(tf.mul(tensor, 0)));
  const [value] = sum.dataSync();
  sum.dispose();
  return value === 0;
}

/** Remembers the first that is not finite, and looks no further. */
export class NonFiniteDetector {
  first: NonFinite | undefined;

  check(
    what: NonFinite['what'],
    layers: readonly string[],
    tensors: readonly (tf.Tensor | null)[],
  ): void {
    if (this.first || tensors.every((tensor) => !tensor || areFinite(tensor))) return;
    this.first = { what, layers };
  }
}

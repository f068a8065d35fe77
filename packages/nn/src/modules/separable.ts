/** Linear maps of images along height and width: resizing and adaptive pooling. */
import * as tf from '@tensorflow/tfjs-core';

/** Weights of the old places for each new place along one axis, `[to][from]` in one array. */
export interface AxisMap {
  readonly from: number;
  readonly to: number;
  readonly weights: Float32Array;
}

function axisMap(from: number, to: number, fill: (set: Setter) => void): AxisMap {
  const weights = new Float32Array(to * from);
  fill((i, j, weight) => {
    const at = i * from + Math.min(j, from - 1);
    weights[at] = (weights[at] ?? 0) + weight;
  });
  return { from, to, weights };
}

type Setter = (to: number, from: number, weight: number) => void;

interface ResizeOptions {
  mode: 'nearest' | 'bilinear';
  alignCorners: boolean;
  /** Old places for each new one. @default by the sizes */
  scale?: number | undefined;
}

/** PyTorch's resizing of one axis, half-pixel centres. */
export function linearResize(from: number, to: number, options: ResizeOptions): AxisMap {
  const { mode, alignCorners, scale = from / to } = options;
  return axisMap(from, to, (set) => {
    for (let i = 0; i < to; i++) {
      if (mode === 'nearest') set(i, Math.floor(i * scale), 1);
      else {
        const corner = to > 1 ? (i * (from - 1)) / (to - 1) : 0;
        const place = alignCorners ? corner : Math.max(0, (i + 0.5) * scale - 0.5);
        const before = Math.min(Math.floor(place), from - 1);
        set(i, before, 1 - (place - before));
        set(i, before + 1, place - before);
      }
    }
  });
}

/** Means of windows that cover an axis: PyTorch's adaptive average pooling. */
export const adaptiveMean = (from: number, to: number): AxisMap =>
  axisMap(from, to, (set) => {
    for (let i = 0; i < to; i++) {
      const start = Math.floor((i * from) / to);
      const end = Math.ceil(((i + 1) * from) / to);
      for (let j = start; j < end; j++) set(i, j, 1 / (end - start));
    }
  });

const matrixOf = ({ from, to, weights }: AxisMap) => tf.tensor(weights, [to, from], 'float32');

/** Applies one map to the height and one to the width of `[batch, height, width, channels]`. */
export function separable(x: tf.Tensor, rows: AxisMap, columns: AxisMap): tf.Tensor {
  return tf.tidy(() => {
    const [batch = 0, height = 0, width = 0, channels = 0] = x.shape;
    // [height, batch·width·channels] → [rows, batch, width, channels]
    const byRow = tf.reshape(tf.transpose(x, [1, 0, 2, 3]), [height, -1]);
    const high = tf.reshape(tf.matMul(matrixOf(rows), byRow), [rows.to, batch, width, channels]);
    // [width, rows·batch·channels] → [columns, rows, batch, channels]
    const byColumn = tf.reshape(tf.transpose(high, [2, 0, 1, 3]), [width, -1]);
    const both = tf.matMul(matrixOf(columns), byColumn);
    const shape = [columns.to, rows.to, batch, channels];
    return tf.transpose(tf.reshape(both, shape), [2, 1, 0, 3]);
  });
}

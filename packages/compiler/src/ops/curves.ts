/** Activations whose gradient needs their input: GELU, its approximation with tanh, and SiLU. */
import * as tf from '@tensorflow/tfjs-core';
import { type CurveName, runFusedKernel } from '../fused-kernels';
import type { OperationKind } from '../program';

/** An activation's value and slope, in core ops. */
interface Curve {
  value(x: tf.Tensor): tf.Tensor;
  slope(x: tf.Tensor): tf.Tensor;
}

/** Φ(x), the normal distribution's cumulative function. */
const cumulative = (x: tf.Tensor): tf.Tensor =>
  tf.mul(0.5, tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2))));
const density = (x: tf.Tensor): tf.Tensor =>
  tf.mul(1 / Math.sqrt(2 * Math.PI), tf.exp(tf.mul(-0.5, tf.square(x))));

/** tanh(√(2/π) · (x + 0.044715 x³)) */
const ROOT = Math.sqrt(2 / Math.PI);
const CUBE = 0.044715;
const inner = (x: tf.Tensor): tf.Tensor =>
  tf.tanh(tf.mul(tf.mul(x, ROOT), tf.add(1, tf.mul(CUBE, tf.square(x)))));

const CURVES: Readonly<Record<CurveName, Curve>> = {
  gelu: {
    value: (x) => tf.mul(x, cumulative(x)),
    slope: (x) => tf.add(cumulative(x), tf.mul(x, density(x))),
  },
  geluTanh: {
    value: (x) => tf.mul(tf.mul(0.5, x), tf.add(1, inner(x))),
    slope(x) {
      const t = inner(x);
      const dInner = tf.mul(ROOT, tf.add(1, tf.mul(3 * CUBE, tf.square(x))));
      const bend = tf.mul(tf.mul(tf.mul(0.5, x), tf.sub(1, tf.square(t))), dInner);
      return tf.add(tf.mul(0.5, tf.add(1, t)), bend);
    },
  },
  silu: {
    value: (x) => tf.mul(x, tf.sigmoid(x)),
    slope(x) {
      const s = tf.sigmoid(x);
      return tf.mul(s, tf.add(1, tf.mul(x, tf.sub(1, s))));
    },
  },
};

/** The activation, in one kernel on backends that have it. */
export const curve = (name: CurveName, x: tf.Tensor): tf.Tensor =>
  runFusedKernel('deepend.curve', { x }, { name })?.[0] ?? CURVES[name].value(x);

/** Its gradient, from its input. */
export const curveGradient = (name: CurveName, dy: tf.Tensor, x: tf.Tensor): tf.Tensor =>
  runFusedKernel('deepend.curveGradient', { dy, x }, { name })?.[0] ??
  tf.mul(dy, CURVES[name].slope(x));

/** By TensorFlow.js's names of activations. */
export const CURVE_NAMES: Readonly<Record<string, CurveName>> = { swish: 'silu', gelu: 'gelu' };

export const curved: OperationKind<{ name: CurveName }> = {
  name: 'curve',
  reads: () => ({ inputs: true, output: false }),
  forward: ({ inputs, attrs }) => ({ output: curve(attrs.name, inputs[0] as tf.Tensor) }),
  backward: ({ dy, inputs, attrs }) => ({
    inputs: [curveGradient(attrs.name, dy, inputs[0] as tf.Tensor)],
    params: [],
  }),
};

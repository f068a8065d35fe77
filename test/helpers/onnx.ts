/** Nets as ONNX files, beside TensorFlow.js: what both compute of the same numbers. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exportOnnx } from '@deepend/export';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { expect } from 'vitest';
import { mix, weightValues } from './fill';
import { runOnnx, type Values } from './onnxruntime';

/** Every weight random, those of nets inside the net too, and nothing as it began. */
export function fillAll(net: tfl.LayersModel): void {
  net.weights.forEach((weight, i) => {
    if (weight.originalName.includes('_fixed/')) return;
    const shape = weight.shape.map((size) => size ?? 1);
    const kind = weight.originalName.slice(weight.originalName.lastIndexOf('/'));
    tf.tidy(() => {
      weight.write(tf.tensor(weightValues(`${i}${kind}`, shape), shape));
    });
  });
}

type Layout = 'nhwc' | 'nchw';

/** Four axes go as ONNX has them, where the file was asked to. */
const laid = (tensor: tf.Tensor, layout: Layout): Values =>
  tf.tidy(() => {
    const turned =
      layout === 'nchw' && tensor.rank === 4 ? tf.transpose(tensor, [0, 3, 1, 2]) : tensor;
    return { data: turned.dataSync() as Float32Array, dims: turned.shape };
  });

/**
 * Both layouts, with and without folding: TensorFlow.js's shapes, and its values to 1e-4 of the
 * largest.
 * @param options.sizes stand for open ones
 * @param options.alive whether the values must not be 0 everywhere @default true
 * @param options.like a net of the same values, where TensorFlow.js computes this one wrongly
 */
export async function expectSame(
  net: tfl.LayersModel,
  {
    sizes = [7, 6],
    like = net,
    alive = true,
  }: { sizes?: number[]; like?: tfl.LayersModel; alive?: boolean } = {},
): Promise<void> {
  const inputs = net.inputs.map(({ shape }, i) => {
    const known = shape.map((size, axis) => size ?? (axis === 0 ? 2 : (sizes[axis - 1] as number)));
    return tf.tidy(() =>
      tf.sub(tf.mul(tf.tensor(mix(tf.util.sizeFromShape(known), `input ${i}`), known), 4), 2),
    );
  });
  const wanted = [like.predict(inputs.length === 1 ? (inputs[0] as tf.Tensor) : inputs)].flat();
  const dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  const file = path.join(dir, 'net.onnx');
  try {
    for (const layout of ['nhwc', 'nchw'] as const) {
      for (const fuse of [false, true]) {
        await exportOnnx(net, file, { layout, fuse });
        const feeds = inputs.map((input) => laid(input, layout));
        const { outputs } = await runOnnx(file, feeds);
        expect(outputs.length).toBe(wanted.length);
        for (const [i, tensor] of wanted.entries())
          expectClose(outputs[i] as Values, laid(tensor, layout), alive);
      }
    }
  } finally {
    tf.dispose([inputs, wanted]);
    await fs.remove(dir);
  }
}

function expectClose(got: Values, wanted: Values, alive: boolean): void {
  expect(got.dims).toEqual(wanted.dims);
  const largest = Math.max(...wanted.data.map(Math.abs));
  const distance = Math.max(
    ...wanted.data.map((value, i) => Math.abs(value - (got.data[i] as number))),
  );
  expect(distance).toBeLessThanOrEqual(1e-4 * largest);
  if (alive) expect(largest).toBeGreaterThan(0);
}

/** Layers one after the other. */
export const chain = (
  shape: readonly (number | null)[],
  ...layers: tfl.layers.Layer[]
): tfl.LayersModel => {
  const x = tfl.input({ shape: [...shape] });
  return tfl.model({
    inputs: x,
    outputs: layers.reduce((at, layer) => layer.apply(at) as tfl.SymbolicTensor, x),
  });
};

/** Moves tensors and models from one backend to another. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { BACKENDS } from './backends';
import { activate } from './devices';
import type { Device } from './types';

/** A `tf.LayersModel`, as far as it is used here. */
interface Model {
  readonly name: string;
  readonly weights: readonly { read(): tf.Tensor }[];
}

const isModel = (what: unknown): what is Model => Array.isArray((what as Model | null)?.weights);

/**
 * Copies a tensor to a device; the caller disposes the copy. Or moves the weights of a model there,
 * in place. The current backend stays current. `train` with a `device` moves its model itself.
 * @returns the copy, or the model
 * @throws TypeError when `what` is neither
 * @example
 * const gpu = await tryGpu();
 * await toDevice(model, gpu);
 */
export async function toDevice<T extends tf.Tensor | Model>(
  what: T,
  device: Pick<Device, 'backend'>,
): Promise<T> {
  const isTensor = what instanceof tf.Tensor;
  if (!isTensor && !isModel(what))
    throw new TypeError(
      `[device] toDevice: expected a tensor or a model, got ${formatValue(what)}`,
    );
  const before = tf.getBackend();
  try {
    await activate(device);
    if (isTensor) return (await copy(what)) as T;
    for (const weight of what.weights) await move(weight.read() as tf.Variable, device);
    return what;
  } finally {
    if (before && tf.getBackend() !== before) await tf.setBackend(before);
  }
}

/** A copy on the current backend. */
const copy = async (tensor: tf.Tensor): Promise<tf.Tensor> =>
  tf.tensor(await tensor.data(), tensor.shape, tensor.dtype as 'float32');

async function move(variable: tf.Variable, { backend }: Pick<Device, 'backend'>): Promise<void> {
  if (backendOf(variable) === BACKENDS[backend].tfjsName) return;
  const moved = await copy(variable);
  variable.assign(moved);
  moved.dispose();
}

/** The TensorFlow.js name of the backend that holds a tensor. */
export function backendOf({ dataId }: tf.Tensor): string | undefined {
  const { registry, state } = tf.engine() as unknown as {
    registry: Record<string, tf.KernelBackend>;
    state: { tensorInfo: { get(id: object): { backend: tf.KernelBackend } | undefined } };
  };
  const holder = state.tensorInfo.get(dataId)?.backend;
  return Object.keys(registry).find((name) => registry[name] === holder);
}

/** Moving tensors and nets from one engine to another. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { BACKENDS } from './backends';
import { activate } from './devices';
import type { Device } from './types';

/** What has weights: a `tf.LayersModel`, by the part that is used here. */
interface Net {
  readonly name: string;
  readonly weights: readonly { read(): tf.Tensor }[];
}

const isNet = (what: unknown): what is Net => Array.isArray((what as Net | null)?.weights);

/**
 * A tensor's copy on a device, which is the caller's to dispose; or a net, whose weights are moved
 * there in place. The engine that was
 * current stays current. `train` with a `device` moves its net by itself.
 * @throws TypeError when it is neither
 * @example
 * const gpu = await tryGpu();
 * await toDevice(net, gpu);
 */
export async function toDevice<T extends tf.Tensor | Net>(
  what: T,
  device: Pick<Device, 'backend'>,
): Promise<T> {
  const isTensor = what instanceof tf.Tensor;
  if (!isTensor && !isNet(what))
    throw new TypeError(`[device] toDevice: expected a tensor or a net, got ${formatValue(what)}`);
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

/** Under a current engine, numbers read from wherever they are. */
const copy = async (tensor: tf.Tensor): Promise<tf.Tensor> =>
  tf.tensor(await tensor.data(), tensor.shape, tensor.dtype as 'float32');

async function move(
  variable: tf.Variable,
  { backend: engine }: Pick<Device, 'backend'>,
): Promise<void> {
  if (backendOf(variable) === BACKENDS[engine].backend) return;
  const there = await copy(variable);
  variable.assign(there);
  there.dispose();
}

/** The TensorFlow.js name of the backend that holds a tensor's numbers. */
export function backendOf({ dataId }: tf.Tensor): string | undefined {
  const { registry, state } = tf.engine() as unknown as {
    registry: Record<string, tf.KernelBackend>;
    state: { tensorInfo: { get(id: object): { backend: tf.KernelBackend } | undefined } };
  };
  const holder = state.tensorInfo.get(dataId)?.backend;
  return Object.keys(registry).find((name) => registry[name] === holder);
}

/** Which backend holds a model's weights. */
import { automaticBackend, backendTraits } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from './program';

/** The part of `tf.engine()` that knows which backend holds a tensor. */
interface TensorPlaces {
  readonly registry: Readonly<Record<string, tf.KernelBackend>>;
  readonly state: {
    readonly tensorInfo: {
      get(dataId: object): { readonly backend: tf.KernelBackend } | undefined;
    };
  };
}

/**
 * Checks that the current backend holds the weights: TensorFlow.js would silently copy them there,
 * one by one. Weights on the backend that started by itself may be copied, since a model that is
 * built before any device is chosen has them there; so may those on plain JavaScript.
 * @throws Error when another backend holds a weight
 */
export function checkPlacement(model: string, parameters: readonly Parameter[]): void {
  const current = tf.backend();
  const { registry, state } = tf.engine() as unknown as TensorPlaces;
  const places = [current, registry.cpu, registry[automaticBackend() ?? 'cpu']];
  for (const { name, variable } of parameters) {
    const holder = state.tensorInfo.get(variable.dataId)?.backend;
    if (holder === undefined || places.includes(holder)) continue;
    const found = Object.keys(registry).find((key) => registry[key] === holder);
    const lives = found ? backendTraits(found).name : 'another backend';
    const computes = backendTraits(tf.getBackend()).name;
    throw new Error(
      `[compiler] model '${model}' lives on ${lives} (its weight ${name} does), and ${computes} ` +
        'computes now; move it by `await toDevice(model, device)`, pass the device to ' +
        '`train`, or choose the device before you build the model',
    );
  }
}

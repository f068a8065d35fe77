/**
 * Where a net's weights are. TensorFlow.js would copy them to the engine that computes, one by one
 * and without a word. What plain JavaScript
 * holds may go: a net that was built before any device was chosen is there.
 */
import * as tf from '@tensorflow/tfjs-core';
import type { Parameter } from './program';

interface Engine {
  readonly registry: Readonly<Record<string, tf.KernelBackend>>;
  readonly state: {
    readonly tensorInfo: {
      get(dataId: object): { readonly backend: tf.KernelBackend } | undefined;
    };
  };
}

/** As deepend's devices call the engine. */
const engineName = (backend: string) => (backend === 'cpu' ? 'cpu-js' : backend);

/** @throws Error when a weight is on another engine than the one that is current, `cpu-js` apart */
export function checkPlacement(net: string, parameters: readonly Parameter[]): void {
  const current = tf.backend();
  const { registry, state } = tf.engine() as unknown as Engine;
  for (const { name, variable } of parameters) {
    const holder = state.tensorInfo.get(variable.dataId)?.backend;
    if (holder === undefined || holder === current || holder === registry.cpu) continue;
    const lives = Object.keys(registry).find((key) => registry[key] === holder) ?? 'another engine';
    throw new Error(
      `[compiler] net '${net}' lives on ${engineName(lives)} (its weight ${name} does), and ${engineName(tf.getBackend())} computes now; ` +
        'move it by `await toDevice(net, device)`, give `train` the device, or take the device before the net is built',
    );
  }
}

/** The states that `stateful` recurrent layers of TensorFlow.js keep from batch to batch. */
import * as tf from '@tensorflow/tfjs-core';
import type { Layer } from './layer-walk';

/** Fields of a recurrent layer, which tfjs hides. */
interface Recurrent {
  readonly stateful: boolean;
  states_: tf.Tensor[] | null;
  /** States before the present ones, which tfjs keeps until a reset. */
  keptStates: tf.Tensor[][];
  resetStates(): void;
}

const recurrent = (layers: readonly Layer[]): Recurrent[] =>
  layers.filter((layer) => layer.stateful && 'states_' in layer) as unknown as Recurrent[];

/** Sets the states to zero. */
export function resetStates(layers: readonly Layer[]): void {
  for (const layer of recurrent(layers)) if (layer.states_) layer.resetStates();
}

/** Frees the states before the present ones, once the backward pass has read them. */
export function releaseOldStates(layers: readonly Layer[]): void {
  for (const layer of recurrent(layers)) {
    const present = new Set(layer.states_);
    for (const state of layer.keptStates.flat())
      if (!present.has(state) && !state.isDisposed) state.dispose();
    layer.keptStates = [];
  }
}

/** Restores the states after `work`. */
export function keepingStates<T>(layers: readonly Layer[], work: () => T): T {
  const kept = recurrent(layers).map((layer) => ({
    layer,
    states: layer.states_?.map((state) => tf.keep(tf.clone(state))) ?? null,
  }));
  try {
    return work();
  } finally {
    for (const { layer, states } of kept) {
      tf.dispose(layer.states_ ?? []);
      layer.states_ = states;
    }
  }
}

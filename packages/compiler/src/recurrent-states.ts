/** The states that `stateful` recurrent layers of TensorFlow.js keep from batch to batch. */
import * as tf from '@tensorflow/tfjs-core';
import { type FlatState, flattenState, restoreState } from './carried-state';
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

/** The states of all stateful layers that have some; undefined where none has. */
export function presentStates(layers: readonly Layer[]): FlatState | undefined {
  const states = recurrent(layers).map(({ states_ }) => states_ ?? []);
  if (states.every((list) => list.length === 0)) return undefined;
  return flattenState('[compiler] stateful layers', states);
}

/**
 * Continues from copies of states that `presentStates` gave.
 * @throws RangeError when they are of other layers
 */
export function restoreStates(layers: readonly Layer[], state: FlatState): void {
  const lists = restoreState(state) as readonly (readonly tf.Tensor[])[];
  const found = recurrent(layers);
  if (lists.length !== found.length) {
    throw new RangeError(
      `[compiler] stateful layers: expected states of ${found.length} layers, got ` +
        `${lists.length}; restore the states of this model`,
    );
  }
  found.forEach((layer, i) => {
    tf.dispose(layer.states_ ?? []);
    const copies = (lists[i] ?? []).map((tensor) => tf.keep(tensor.clone()));
    layer.states_ = copies.length > 0 ? copies : null;
  });
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

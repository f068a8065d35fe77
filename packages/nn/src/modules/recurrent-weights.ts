/** What recurrent layers and their single steps share: gates, initial values, an LSTM's state. */
import type * as tf from '@tensorflow/tfjs-core';
import { CELLS } from '../functional/recurrent-cells';
import * as init from '../init';
import { checkTensor, shown } from './checks';

/** Rows of a layer's weights: those of its gates lie one below the other. */
export const gateRows = (cell: keyof typeof CELLS, hiddenSize: number): number =>
  CELLS[cell] * hiddenSize;

/** PyTorch's initial values of weights and biases: uniform within ±1/√hiddenSize. */
export function uniformWithin(hiddenSize: number): init.Initializer {
  const bound = 1 / Math.sqrt(hiddenSize);
  return init.uniform({ low: -bound, high: bound });
}

/** @throws TypeError when an LSTM's state is no pair of tensors; `what` names them: `[h, c]` */
export function checkPair(
  where: string,
  state: readonly [h: tf.Tensor, c: tf.Tensor] | undefined,
  what: string,
): void {
  if (state !== undefined && !(Array.isArray(state) && state.length === 2))
    throw new TypeError(`${where}: expected a state ${what}, got ${shown(state)}`);
  for (const tensor of state ?? []) checkTensor(where, tensor, `a state ${what}`);
}

/**
 * The state that a module passes from batch to batch, for truncated backpropagation through time
 * (the book's 8.5; en 9.7): tensors in any structure of lists and records.
 */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { isTensor } from './tensors';

/** A tensor, or lists and records of such states: `[h, c]`, `{ encoder: h, steps: [...] }`. */
export type ModuleState =
  | tf.Tensor
  | readonly ModuleState[]
  | { readonly [name: string]: ModuleState };

/** Where in a state each tensor is, as plain JSON: a number is the tensor's place in the list. */
export type StateStructure =
  | number
  | readonly StateStructure[]
  | { readonly [name: string]: StateStructure };

/** A state as a list of tensors and its structure, as a checkpoint saves it. */
export interface FlatState {
  readonly structure: StateStructure;
  readonly tensors: readonly tf.Tensor[];
}

/** @throws TypeError when something in the state is no tensor */
export function flattenState(where: string, state: ModuleState): FlatState {
  const tensors: tf.Tensor[] = [];
  const visit = (part: ModuleState): StateStructure => {
    if (isTensor(part)) return tensors.push(part) - 1;
    if (Array.isArray(part)) return part.map(visit);
    if (typeof part === 'object' && part !== null)
      return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, visit(inner)]));
    throw new TypeError(
      `${where}: expected the state to be tensors, in lists and records, got ${formatValue(part)}`,
    );
  };
  return { structure: visit(state), tensors };
}

/** The inverse of `flattenState`. */
export function restoreState({ structure, tensors }: FlatState): ModuleState {
  const visit = (part: StateStructure): ModuleState => {
    if (typeof part === 'number') return tensors[part] as tf.Tensor;
    if (Array.isArray(part)) return part.map(visit);
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, visit(inner)]));
  };
  return visit(structure);
}

/** Holds the present state, and the one that a pass has computed until the pass has succeeded. */
export class CarriedState {
  #now: FlatState | undefined;
  #next: FlatState | undefined;

  /** What `forward` gets: undefined where a sequence begins. */
  get value(): ModuleState | undefined {
    return this.#now && restoreState(this.#now);
  }

  /** The present state, whose tensors stay this object's; undefined where a sequence begins. */
  get flat(): FlatState | undefined {
    return this.#now;
  }

  /** Keeps copies of what `forward` returned; `accept` or `discard` ends the pass. */
  propose(where: string, state: ModuleState): void {
    const { structure, tensors } = flattenState(where, state);
    this.discard();
    this.#next = { structure, tensors: tensors.map((tensor) => tf.keep(tensor.clone())) };
  }

  accept(): void {
    if (!this.#next) return;
    tf.dispose([...(this.#now?.tensors ?? [])]);
    this.#now = this.#next;
    this.#next = undefined;
  }

  discard(): void {
    tf.dispose([...(this.#next?.tensors ?? [])]);
    this.#next = undefined;
  }

  /** Begins a sequence, or continues with a copy of a state. */
  set(state?: FlatState): void {
    const copies = state?.tensors.map((tensor) => tf.keep(tensor.clone()));
    tf.dispose([...(this.#now?.tensors ?? [])]);
    this.discard();
    this.#now = state && { structure: state.structure, tensors: copies as tf.Tensor[] };
  }
}

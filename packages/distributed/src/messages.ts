/**
 * What a device's worker is asked, and what it answers: one question at a time. Arrays lie in
 * shared memory, which threads read where it is;
 * between processes their numbers go through files.
 */
import type { SerializedError } from '@deepend/core';
import type { Sketch } from './net-text';

/** A net as another thread or process can build it again. */
export interface NetText {
  /** As tfjs writes it: `net.toJSON()`. */
  readonly topology: object;
  /**
   * Of each layer, nets inside the net too, in their order: whether it learns, and each of its
   * weights.
   */
  readonly learns: readonly { readonly layer: boolean; readonly weights: readonly boolean[] }[];
  /** The files that make classes of layers known which tfjs does not have, by class. */
  readonly files: Readonly<Record<string, string>>;
}

export interface Tasks {
  begin: { readonly device: string; readonly net: NetText };
  forward: {
    /** Float32 features of the device's part, and their shape. */
    readonly features: Float32Array;
    readonly shape: readonly number[];
    /** What the net learns and its moving statistics, one weight after another. */
    readonly moving: Float32Array;
    /** All its other weights; with the first part alone. */
    readonly fixed?: Float32Array;
    readonly seed: number;
  };
  backward: { readonly dLogits: Float32Array };
}

export interface Answers {
  begin: { readonly sketch: Sketch };
  /** `[part, numClasses]` */
  forward: { readonly logits: Float32Array };
  backward: {
    /** Of all parameters, one after another. */
    readonly gradients: Float32Array;
    /** What the forward pass made of the moving statistics, one after another. */
    readonly statistics: Float32Array;
  };
}

export type Question = keyof Tasks;
/** `id` counts what a worker is asked. */
export type Task<Q extends Question = Question> = {
  [K in Q]: { readonly question: K; readonly id: number } & Tasks[K];
}[Q];

/**
 * A worker process's descriptors of the files through which numbers go: with what it is asked, and
 * with what it answers.
 */
export const SPOOLS = { tasks: 4, answers: 5 } as const;

/** `loaded` comes once, before anything was asked. */
export type Reply =
  | { readonly loaded: true }
  | { readonly id: number; readonly answer: Answers[Question] }
  | { readonly id: number; readonly fault: SerializedError };

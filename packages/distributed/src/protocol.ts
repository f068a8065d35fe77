/**
 * The protocol between the training thread and a device's worker: one request at a time. The
 * threads share the memory of arrays.
 */
import type { SerializedError } from '@deepend/core';
import type { ModelSignature, SerializedModel } from './model-copy';

export interface Requests {
  begin: { readonly device: string; readonly model: SerializedModel };
  forward: {
    /** Float32 features of the device's part of the batch. */
    readonly features: Float32Array;
    readonly shape: readonly number[];
    /** Trainable weights and moving statistics, one after another. */
    readonly moving: Float32Array;
    /** All other weights; only in the first request. */
    readonly fixed?: Float32Array;
    readonly seed: number;
  };
  backward: { readonly dLogits: Float32Array };
}

export interface Responses {
  begin: { readonly signature: ModelSignature };
  /** `[part, numClasses]` */
  forward: { readonly logits: Float32Array };
  backward: {
    /** Of all parameters, one after another. */
    readonly gradients: Float32Array;
    /** The moving statistics after the forward pass, one after another. */
    readonly statistics: Float32Array;
  };
}

export type RequestName = keyof Requests;

/** `id` counts a worker's requests. */
export type Request<N extends RequestName = RequestName> = {
  [K in N]: { readonly request: K; readonly id: number } & Requests[K];
}[N];

/** `loaded` comes once, before any response. */
export type Reply =
  | { readonly loaded: true }
  | { readonly id: number; readonly response: Responses[RequestName] }
  | { readonly id: number; readonly error: SerializedError };

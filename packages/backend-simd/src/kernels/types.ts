import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { SimdBackend } from '../backend';

// biome-ignore lint/suspicious/noExplicitAny: attributes are as many types as there are kernels
export type Attrs = Record<string, any>;

export interface Call {
  readonly inputs: Record<string, TensorInfo>;
  readonly attrs: Attrs;
  readonly backend: SimdBackend;
}

/** One kernel: a row of the table that index.ts registers. */
export interface Kernel {
  /** TensorFlow.js's name for it, or deepend's for a fused operation. */
  readonly name: string;
  /** Whether it computes these; the stock cpu kernel does otherwise. All float32 inputs, when left out. */
  takes?(call: Call): boolean;
  run(call: Call): TensorInfo | TensorInfo[];
}

export const isFloat = ({ inputs }: Call): boolean => Object.values(inputs).every((x) => !x || x.dtype === 'float32');

export const size = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** The kernel as TensorFlow.js registers it. */
export function kernelFunc({ takes = isFloat, run }: Kernel, stock: KernelFunc | undefined): KernelFunc {
  return ({ inputs, attrs, backend }) => {
    const call: Call = { inputs: inputs as Record<string, TensorInfo>, attrs: attrs ?? {}, backend: backend as SimdBackend };
    if (!stock || takes(call)) return run(call);
    return stock({ inputs, attrs, backend });
  };
}

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
  /**
   * Whether it computes these; the stock cpu kernel does otherwise. All float32 inputs, when left
   * out.
   */
  takes?(call: Call): boolean;
  run(call: Call): TensorInfo | TensorInfo[];
}

export const isFloat = ({ inputs }: Call): boolean =>
  Object.values(inputs).every((x) => !x || x.dtype === 'float32');

export const size = (shape: readonly number[]): number =>
  shape.reduce((product, n) => product * n, 1);

/** The kernel as TensorFlow.js registers it. */
export function kernelFunc(
  { takes = isFloat, run }: Kernel,
  stock: KernelFunc | undefined,
): KernelFunc {
  const other = stock && settled(stock);
  return ({ inputs, attrs, backend }) => {
    const call: Call = {
      inputs: inputs as Call['inputs'],
      attrs: attrs ?? {},
      backend: backend as SimdBackend,
    };
    if (other && !takes(call)) return other({ inputs, attrs, backend });
    return call.backend.attempt(() => (hasOwnTypes(call) ? run(call) : runRetyped(call, run)));
  };
}

/**
 * A stock kernel whose outputs hold numbers of the type that they say. Stock's cast to a wider type
 * only renames: an int32
 * tensor's numbers then pass for float32, which JavaScript does not notice and WebAssembly does.
 */
export function settled(stock: KernelFunc): KernelFunc {
  return (args) => {
    const backend = args.backend as SimdBackend;
    const out = stock(args);
    return Array.isArray(out) ? out.map((x) => backend.settle(x)) : backend.settle(out);
  };
}

function hasOwnTypes({ inputs, backend }: Call): boolean {
  for (const name in inputs) {
    const x = inputs[name];
    if (x && !backend.hasOwnType(x)) return false;
  }
  return true;
}

/** For tensors that another backend's cast has renamed. */
function runRetyped(call: Call, run: Kernel['run']): TensorInfo | TensorInfo[] {
  const { inputs, backend } = call;
  const copies: TensorInfo[] = [];
  const retyped = (x: TensorInfo) => {
    if (!x || backend.hasOwnType(x)) return x;
    const copy = backend.retyped(x);
    copies.push(copy);
    return copy;
  };
  const own = Array.isArray(inputs)
    ? inputs.map(retyped)
    : Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, retyped(x)]));
  try {
    return run({ ...call, inputs: own as Call['inputs'] });
  } finally {
    for (const copy of copies) backend.disposeIntermediateTensorInfo(copy);
  }
}

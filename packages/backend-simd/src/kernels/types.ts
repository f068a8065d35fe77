import type { FusedKernelName } from '@deepend/compiler';
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { SimdBackend } from '../backend';

// biome-ignore lint/suspicious/noExplicitAny: attributes are as many types as there are kernels
export type Attrs = Record<string, any>;

export interface Call {
  readonly inputs: Record<string, TensorInfo>;
  readonly attrs: Attrs;
  readonly backend: SimdBackend;
}

/** A kernel; register.ts registers those in index.ts. */
export interface Kernel {
  /** TensorFlow.js's name, or that of a fused kernel. */
  readonly name: string;
  /**
   * Whether it can compute this call; if not, the stock cpu kernel does.
   * @default all inputs are float32
   */
  takes?(call: Call): boolean;
  run(call: Call): TensorInfo | TensorInfo[];
}

/** A fused kernel of `compiler`'s contract, `FusedKernels`, or one that only this backend has. */
export interface FusedKernel extends Kernel {
  readonly name: FusedKernelName | 'deepend.randomUniform';
}

export const isFloat = ({ inputs }: Call): boolean =>
  Object.values(inputs).every((x) => !x || x.dtype === 'float32');

export const size = (shape: readonly number[]): number =>
  shape.reduce((product, n) => product * n, 1);

/** The function that TensorFlow.js registers for a kernel. */
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
 * A stock kernel whose outputs really hold values of their dtype. The stock cast to a wider type
 * only changes the dtype and keeps the int32 values as they are. JavaScript does not notice, but
 * WebAssembly would read them as float32.
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

/** Runs a kernel on copies of inputs whose values do not have their dtype. */
function runRetyped(call: Call, run: Kernel['run']): TensorInfo | TensorInfo[] {
  const { inputs, backend } = call;
  const copies: TensorInfo[] = [];
  const retyped = (x: TensorInfo) => {
    if (!x || backend.hasOwnType(x)) return x;
    const copy = backend.retyped(x);
    copies.push(copy);
    return copy;
  };
  const converted = Array.isArray(inputs)
    ? inputs.map(retyped)
    : Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, retyped(x)]));
  try {
    return run({ ...call, inputs: converted as Call['inputs'] });
  } finally {
    for (const copy of copies) backend.disposeIntermediateTensorInfo(copy);
  }
}

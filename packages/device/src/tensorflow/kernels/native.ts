/** libtensorflow's own operations by name, through tfjs-node's backend. */
import type { FusedKernel, FusedKernelName } from '@deepend/compiler';
import type * as tf from '@tensorflow/tfjs-core';

/** tfjs-node's binding, with its codes for the types of attributes. */
interface Binding {
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_INT: number;
  readonly TF_ATTR_FLOAT: number;
  readonly TF_ATTR_BOOL: number;
  readonly TF_ATTR_STRING: number;
  readonly TF_ATTR_SHAPE: number;
  readonly TF_FLOAT: number;
  readonly TF_INT32: number;
  executeOp(
    name: string,
    attrs: readonly OpAttr[],
    inputs: readonly number[],
    numOutputs: number,
  ): unknown[];
  deleteTensor(id: number): void;
}

/** A tensor's entry in the backend. */
interface TensorEntry {
  id: number;
  readonly refCount: number;
}

/** The part of tfjs-node's `NodeJSKernelBackend` that the kernels use. */
export interface NodeBackend extends tf.KernelBackend {
  readonly binding: Binding;
  readonly tensorMap: { get(dataId: object): TensorEntry };
  getInputTensorIds(tensors: readonly tf.TensorInfo[]): number[];
  executeSingleOutput(
    name: string,
    attrs: readonly OpAttr[],
    inputs: readonly tf.TensorInfo[],
  ): tf.Tensor;
  executeMultipleOutputs(
    name: string,
    attrs: readonly OpAttr[],
    inputs: readonly tf.TensorInfo[],
    count: number,
  ): tf.Tensor[];
}

interface OpAttr {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

type Kind = 'type' | 'int' | 'float' | 'bool' | 'string' | 'shape';
/** An attribute's kind and value; the value of a type is `float32` or `int32`. */
export type Attr = readonly [kind: Kind, value: unknown];

/** libtensorflow's attributes from a table of names; `T`, the type of the tensors, comes first. */
export function attributes(
  { binding }: NodeBackend,
  table: Readonly<Record<string, Attr>>,
): OpAttr[] {
  const types = {
    type: binding.TF_ATTR_TYPE,
    int: binding.TF_ATTR_INT,
    float: binding.TF_ATTR_FLOAT,
    bool: binding.TF_ATTR_BOOL,
    string: binding.TF_ATTR_STRING,
    shape: binding.TF_ATTR_SHAPE,
  };
  const dtypes: Record<string, number> = { float32: binding.TF_FLOAT, int32: binding.TF_INT32 };
  return Object.entries(table).map(([name, [kind, value]]) => ({
    name,
    type: types[kind],
    value: kind === 'type' ? dtypes[value as string] : value,
  }));
}

export const FLOAT: Attr = ['type', 'float32'];

/** A fused kernel of this backend. */
export type Kernel<K extends FusedKernelName> = FusedKernel<K, NodeBackend>;

export interface ProductOptions {
  /** @default false */
  readonly transposeA?: boolean;
  /** @default false */
  readonly transposeB?: boolean;
}

/** A matrix product. `tf.matMul` reshapes to batches of one first, and back. */
export function product(
  backend: NodeBackend,
  a: tf.Tensor,
  b: tf.Tensor,
  { transposeA = false, transposeB = false }: ProductOptions = {},
): tf.Tensor {
  const attrs = attributes(backend, {
    T: FLOAT,
    adj_x: ['bool', transposeA],
    adj_y: ['bool', transposeB],
  });
  return backend.executeSingleOutput('BatchMatMulV2', attrs, [a, b]);
}

/**
 * libtensorflow's own operations, by name: what tfjs-node's backend offers beside TensorFlow.js's
 * kernels.
 */
import type * as tf from '@tensorflow/tfjs-core';

/** What `@tensorflow/tfjs-node` calls its attributes' types; numbers that the binding gives. */
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

/** Where a tensor's numbers lie. */
interface TensorEntry {
  id: number;
  readonly refCount: number;
}

/** The part of tfjs-node's `NodeJSKernelBackend` that is used here. */
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
/** An attribute by its kind and value; a type is float32 or int32. */
export type Attr = readonly [kind: Kind, value: unknown];

/** libtensorflow's attributes from a table of names, with `T`, the type of the tensors, first. */
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

/**
 * What each of these forms is given: the inputs are tensors, since the plan calls them with
 * tensors.
 */
export interface Given {
  readonly backend: NodeBackend;
  readonly inputs: Readonly<Record<string, tf.Tensor | undefined>>;
  // biome-ignore lint/suspicious/noExplicitAny: every kernel has other attributes
  readonly attrs: Record<string, any>;
}

export type Form = (given: Given) => tf.Tensor | tf.Tensor[];

interface Turned {
  readonly a?: boolean;
  readonly b?: boolean;
}

/**
 * A product of two matrices, of which each may be turned. TensorFlow.js's own goes through batches
 * of one, with three reshapes.
 */
export function product(
  backend: NodeBackend,
  a: tf.Tensor,
  b: tf.Tensor,
  turned: Turned = {},
): tf.Tensor {
  const attrs = attributes(backend, {
    T: FLOAT,
    adj_x: ['bool', turned.a === true],
    adj_y: ['bool', turned.b === true],
  });
  return backend.executeSingleOutput('BatchMatMulV2', attrs, [a, b]);
}

/**
 * TensorFlow's graphs (tensorflow/core/framework/graph.proto) in JSON, as TensorFlow.js's graph
 * models hold them.
 */

export type Attribute =
  | { readonly type: string }
  | { readonly b: boolean }
  | { readonly f: number }
  | { readonly i: number }
  | { readonly s: string }
  | { readonly list: { readonly i: readonly string[] } }
  | { readonly shape: { readonly dim: readonly { readonly size: string }[] } };

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  readonly input: readonly string[];
  readonly attr: Readonly<Record<string, Attribute>>;
}

/** A constant of the graph; `values` is called when it is written. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  readonly values: () => Promise<Float32Array | Int32Array>;
}

export const text = (value: string): Attribute => ({ s: Buffer.from(value).toString('base64') });
export const integers = (values: readonly number[]): Attribute => ({
  list: { i: values.map(String) },
});

const TYPES: Readonly<Record<string, string>> = { float32: 'DT_FLOAT', int32: 'DT_INT32' };

/** TensorFlow's name of a type; undefined for a type that graphs here do not have. */
export const typeOf = (dtype: string): string | undefined =>
  Object.hasOwn(TYPES, dtype) ? TYPES[dtype] : undefined;

/** Unknown sizes, such as the batch, are −1. */
export const shapeOf = (shape: readonly (number | null)[]) => ({
  dim: shape.map((size) => ({ size: String(size ?? -1) })),
});

/** A graph under construction, in the order of computation. */
export class GraphDef {
  readonly nodes: GraphNode[] = [];
  readonly tensors: StoredTensor[] = [];
  readonly #names = new Set<string>();

  /** Adds a float32 node and returns its name: `name`, or `name_1`, ... where that is taken. */
  node(
    op: string,
    inputs: readonly string[],
    { name, ...attr }: { name: string } & Readonly<Record<string, Attribute | string>>,
  ): string {
    const unique = this.#unique(name);
    const type = { T: { type: 'DT_FLOAT' } };
    this.nodes.push({
      name: unique,
      op,
      input: inputs,
      attr: { ...type, ...(attr as Record<string, Attribute>) },
    });
    return unique;
  }

  placeholder(
    name: string,
    { shape, dtype }: { shape: readonly (number | null)[]; dtype: string },
  ): string {
    const unique = this.#unique(name);
    const attr = { dtype: { type: dtype }, shape: { shape: shapeOf(shape) } };
    this.nodes.push({ name: unique, op: 'Placeholder', input: [], attr });
    return unique;
  }

  /** Adds a constant whose numbers are stored in the weight files. */
  constant({ name, dtype, ...tensor }: StoredTensor): string {
    const unique = this.#unique(name);
    this.nodes.push({
      name: unique,
      op: 'Const',
      input: [],
      attr: { dtype: { type: typeOf(dtype) as string } },
    });
    this.tensors.push({ ...tensor, name: unique, dtype });
    return unique;
  }

  /** Adds an int32 constant: axes, sizes, paddings. `shape` [] makes a scalar. */
  integers(
    name: string,
    values: readonly number[],
    shape: readonly number[] = [values.length],
  ): string {
    return this.constant({
      name,
      shape,
      dtype: 'int32',
      values: async () => Int32Array.from(values),
    });
  }

  scalar(name: string, value: number): string {
    return this.constant({
      name,
      shape: [],
      dtype: 'float32',
      values: async () => Float32Array.of(value),
    });
  }

  #unique(name: string): string {
    let free = name;
    for (let count = 1; this.#names.has(free); count++) free = `${name}_${count}`;
    this.#names.add(free);
    return free;
  }
}

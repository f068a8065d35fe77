/**
 * An ONNX graph under construction: nodes in the order of computation, weights and constants, all
 * with unique names.
 */
import type { layers } from '@tensorflow/tfjs-layers';
import { nameOf, weightKind } from '../flat-graph';
import { permuted } from './axes';
import type { Attributes, OnnxNode, OnnxTensor } from './model-proto';

/** PyTorch's names of weights, by TensorFlow.js's. */
const TORCH_NAMES: Readonly<Record<string, string>> = {
  kernel: 'weight',
  depthwise_kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
  alpha: 'weight',
};

/** The layout of a weight in the file. */
export interface WeightLayout {
  /** TensorFlow.js's shape, or one with the same numbers in more axes. */
  readonly view: readonly number[];
  /** Axis i of the file's numbers is axis `order[i]` of `view`. */
  readonly order: readonly number[];
  /** The file's shape. @default the sizes of `view` in that order */
  readonly shape?: readonly number[];
}

export class OnnxGraph {
  readonly nodes: OnnxNode[] = [];
  readonly tensors = new Map<string, OnnxTensor>();
  /** Beginning of each error. */
  readonly where: string;
  readonly #names: ReadonlyMap<unknown, string>;
  readonly #taken = new Set<string>();
  readonly #renames = new Map<string, string>();
  readonly #made = new Map<string, unknown>();

  /** @param names of the layers */
  constructor({ where, names }: { where: string; names: ReadonlyMap<unknown, string> }) {
    this.where = where;
    this.#names = names;
  }

  nameOf(layer: layers.Layer): string {
    return this.#names.get(layer) as string;
  }

  /** `name`, or `name_1`, `name_2`, ... where it is taken. */
  unique(name: string): string {
    let free = name;
    for (let count = 1; this.#taken.has(free); count++) free = `${name}_${count}`;
    this.#taken.add(free);
    return free;
  }

  /** Adds a node; its output has the node's name. */
  node(
    op: string,
    inputs: readonly string[],
    { name, ...attributes }: { name: string } & Attributes,
  ): string {
    const unique = this.unique(name);
    this.nodes.push({ op, name: unique, inputs, output: unique, attributes });
    return unique;
  }

  /** Renames a node's output. Another value with that name is renamed after its operator. */
  rename(from: string, to: string): void {
    const other = this.nodes.find(({ output }) => output === to);
    const names = new Map([[from, to]]);
    if (other) names.set(to, this.unique(`${to}/${other.op}`));
    for (const [old, now] of names) this.#renames.set(old, now);
    const nameNow = (name: string) => names.get(name) ?? name;
    this.nodes.splice(
      0,
      this.nodes.length,
      ...this.nodes.map((node) => ({
        ...node,
        inputs: node.inputs.map(nameNow),
        output: nameNow(node.output),
      })),
    );
    this.#taken.add(to);
  }

  /** The current name of a value. */
  renamed(name: string): string {
    return this.#renames.get(name) ?? name;
  }

  /**
   * Calls `make` once per key and reuses its result: a transposition of a value, a weight of a
   * layer that is called twice.
   */
  once<T>(key: string, make: () => T): T {
    if (!this.#made.has(key)) this.#made.set(key, make());
    return this.#made.get(key) as T;
  }

  /**
   * Adds a constant filled with one number.
   * @param shape empty for a scalar
   */
  constant(value: number, shape: readonly number[] = []): string {
    const plain = ['constant', value, ...shape].join('_');
    return this.once(plain, () => {
      const count = shape.reduce((a, b) => a * b, 1);
      return this.#tensor({
        name: this.unique(plain),
        type: 'float32',
        shape,
        values: async () => new Float32Array(count).fill(value),
      });
    });
  }

  /** Adds a constant list of integers: a shape, axes, paddings. */
  integers(values: readonly number[]): string {
    return this.once(`integers ${values}`, () => {
      const name = this.unique(`integers_${values.join('_')}`);
      return this.#tensor({
        name,
        type: 'int64',
        shape: [values.length],
        values: async () => BigInt64Array.from(values, BigInt),
      });
    });
  }

  floats(values: readonly number[]): string {
    return this.once(`floats ${values}`, () => {
      const name = this.unique(`floats_${values.join('_')}`);
      return this.#tensor({
        name,
        type: 'float32',
        shape: [values.length],
        values: async () => Float32Array.from(values),
      });
    });
  }

  /**
   * Adds a layer's weight, under PyTorch's name.
   * @param kind TensorFlow.js's name of it, such as `kernel`
   * @param options.suffix the last part of its name @default PyTorch's name for this kind
   */
  weight(
    layer: layers.Layer,
    kind: string,
    { suffix, view, order, shape }: WeightLayout & { suffix?: string },
  ): string {
    const variable = layer.weights.find((one) => weightKind(one) === kind);
    if (!variable) throw this.refuse(layer, { expected: `a weight '${kind}'`, got: 'none' });
    const sizes = shape ?? order.map((axis) => view[axis] as number);
    const plain = `${this.nameOf(layer)}.${suffix ?? TORCH_NAMES[kind] ?? kind}`;
    return this.once(`weight ${plain} ${view} ${order} ${sizes}`, () => {
      const values = async () =>
        permuted((await variable.read().data()) as Float32Array, view, order);
      return this.#tensor({ name: this.unique(plain), type: 'float32', shape: sizes, values });
    });
  }

  #tensor(tensor: OnnxTensor): string {
    this.tensors.set(tensor.name, tensor);
    return tensor.name;
  }

  /** The error for a layer that cannot be exported. */
  refuse(layer: layers.Layer, { expected, got }: { expected: string; got: string }): Error {
    return new Error(
      `${this.where}: ${nameOf(layer)}: expected ${expected}, got ${got}; build the model ` +
        `without it, or keep it with saveModel`,
    );
  }
}

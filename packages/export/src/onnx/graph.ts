/**
 * An ONNX graph while it is put together: nodes in the order of computation, weights and constants,
 * each under a name of its own.
 */
import type { layers } from '@tensorflow/tfjs-layers';
import { nameOf, weightKind } from '../flat-graph';
import { permuted } from './axes';
import type { Attributes, OnnxNode, OnnxTensor } from './model-proto';

/** What PyTorch calls the weights that TensorFlow.js calls so. */
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

/** How a weight's numbers go into the file. */
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
  private readonly names: ReadonlyMap<unknown, string>;
  private readonly taken = new Set<string>();
  private readonly renames = new Map<string, string>();
  private readonly made = new Map<string, unknown>();

  /** @param names of the layers */
  constructor({ where, names }: { where: string; names: ReadonlyMap<unknown, string> }) {
    this.where = where;
    this.names = names;
  }

  nameOf(layer: layers.Layer): string {
    return this.names.get(layer) as string;
  }

  /** `name`, or where it is taken `name_1`, `name_2`, ... */
  unique(name: string): string {
    let free = name;
    for (let count = 1; this.taken.has(free); count++) free = `${name}_${count}`;
    this.taken.add(free);
    return free;
  }

  /** Adds a node; its value has its name. */
  node(
    op: string,
    inputs: readonly string[],
    { name, ...attributes }: { name: string } & Attributes,
  ): string {
    const unique = this.unique(name);
    this.nodes.push({ op, name: unique, inputs, output: unique, attributes });
    return unique;
  }

  /**
   * Gives a node's value another name; a value that has it already is called after its operator.
   */
  rename(from: string, to: string): void {
    const other = this.nodes.find(({ output }) => output === to);
    const names = new Map([[from, to]]);
    if (other) names.set(to, this.unique(`${to}/${other.op}`));
    for (const [old, now] of names) this.renames.set(old, now);
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
    this.taken.add(to);
  }

  /** What a value is called now. */
  renamed(name: string): string {
    return this.renames.get(name) ?? name;
  }

  /**
   * What is made once and then used again: a transposition of a value, a weight of a layer that is
   * called twice.
   */
  once<T>(key: string, make: () => T): T {
    if (!this.made.has(key)) this.made.set(key, make());
    return this.made.get(key) as T;
  }

  /** One number everywhere. @param shape none for a scalar */
  constant(value: number, shape: readonly number[] = []): string {
    const plain = ['constant', value, ...shape].join('_');
    return this.once(plain, () => {
      const count = shape.reduce((a, b) => a * b, 1);
      return this.tensor({
        name: this.unique(plain),
        type: 'float32',
        shape,
        values: async () => new Float32Array(count).fill(value),
      });
    });
  }

  /** A list of integers: a shape, axes, paddings. */
  integers(values: readonly number[]): string {
    return this.once(`integers ${values}`, () => {
      const name = this.unique(`integers_${values.join('_')}`);
      return this.tensor({
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
      return this.tensor({
        name,
        type: 'float32',
        shape: [values.length],
        values: async () => Float32Array.from(values),
      });
    });
  }

  /**
   * A layer's weight, under PyTorch's name.
   * @param kind TensorFlow.js's name of it: `kernel`
   * @param options.suffix the end of its name where it is not the usual one
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
      return this.tensor({ name: this.unique(plain), type: 'float32', shape: sizes, values });
    });
  }

  private tensor(tensor: OnnxTensor): string {
    this.tensors.set(tensor.name, tensor);
    return tensor.name;
  }

  /** Why a layer cannot be exported. */
  refuse(layer: layers.Layer, { expected, got }: { expected: string; got: string }): Error {
    return new Error(
      `${this.where}: ${nameOf(layer)}: expected ${expected}, got ${got}; build the net without it, or keep it with saveModel`,
    );
  }
}

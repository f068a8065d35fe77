/** Parameters and buffers of modules. */
import { nextSeed } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type InitialValues, initialValues } from './init';
import { isTensor, mark, toLayout, type WeightTraits } from './weight-traits';

export interface ParameterOptions {
  /**
   * Where a shape is given: the initial values, a name (`'xavier-uniform'`, `'zeros'`, ...), one of
   * `nn.init`, or your own `(shape, seed) => values`. @default 'kaiming-uniform' for two axes or
   * more, 'zeros' for fewer
   */
  init?: InitialValues;
  /** Whether training changes it. @default true */
  trainable?: boolean;
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
  /**
   * For layers of your own whose kernel wants other axes than PyTorch's state dict: the order of
   * the given shape's axes in memory. @default as given
   */
  layout?: readonly number[];
}

/** A variable with the values that `make` gives; the tensors made on the way are disposed. */
const variableOf = (make: () => tf.Tensor, trainable: boolean): tf.Variable =>
  tf.tidy(() => tf.variable(make(), trainable));

function checkShape(where: string, shape: unknown): asserts shape is readonly number[] {
  if (Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0)) return;
  throw new RangeError(
    `${where}: expected a tensor or a shape, a list of integers of at least 0, got ` +
      `${formatValue(shape)}`,
  );
}

/**
 * A parameter: a `tf.Variable` that a module finds in its properties and that training changes.
 * @param from the parameter's shape, or a tensor with its first values. The tensor is copied; you
 *   still dispose it
 * @throws RangeError for a shape that is none; TypeError for an `init` that does not exist
 * @example
 * class Scale extends nn.Module {
 *   readonly factor = nn.parameter([1], { init: 'ones' });
 *   forward(x: tf.Tensor) { return tf.mul(x, this.factor); }
 * }
 */
export function parameter(
  from: readonly number[] | tf.Tensor,
  options: ParameterOptions = {},
): tf.Variable {
  const { init, trainable = true, seed, layout } = options;
  const traits: WeightTraits = { kind: 'parameter', layout };
  if (isTensor(from)) {
    if (init !== undefined) {
      throw new TypeError(
        '[nn] parameter: a tensor has its values already; leave out "init", or give a shape',
      );
    }
    return mark(
      variableOf(() => toLayout(from, layout), trainable),
      traits,
    );
  }
  checkShape('[nn] parameter', from);
  const values = initialValues(
    '[nn] parameter',
    init ?? (from.length < 2 ? 'zeros' : 'kaiming-uniform'),
  );
  const make = () => toLayout(values([...from], seed ?? nextSeed()), layout);
  return mark(variableOf(make, trainable), traits);
}

/**
 * A buffer: state that is saved with the module but not learned, such as running statistics.
 * Change it by `assign`.
 * @param tensor its first values. The tensor is copied; you still dispose it
 */
export function buffer(tensor: tf.Tensor): tf.Variable {
  if (!isTensor(tensor)) {
    throw new TypeError(`[nn] buffer: expected a tensor, got ${formatValue(tensor)}`);
  }
  return mark(
    variableOf(() => tensor, false),
    { kind: 'buffer' },
  );
}

/** A buffer whose first values `make` computes; what it makes on the way is disposed. */
export const bufferOf = (make: () => tf.Tensor): tf.Variable => tf.tidy(() => buffer(make()));

/** A module whose forward pass is made of known kernels only: `nn.compile`. */
import * as tf from '@tensorflow/tfjs-core';
import { argumentsOf, inMode, type ModuleLike } from './module-contract';
import { withSeed } from './random-seeds';
import { Recordings } from './recording/recordings';
import { gradientsOf, keepingValues } from './tape';
import { areTensors, describeTensors, isTensor, listTensors, type Tensors } from './tensors';

/** What must not change from the example to a batch. */
interface Layout {
  /** Names of inputs, ranks and types. */
  readonly key: string;
  readonly described: string;
}

function layoutOf(tensors: Tensors): Layout {
  const named = isTensor(tensors) ? [tensors] : tensors; // a list of one is one argument, too
  const parts = Object.entries(named).map(([name, { rank, dtype }]) => `${name} ${rank} ${dtype}`);
  const types = listTensors(tensors).map(({ dtype }) => dtype);
  return {
    key: `${Array.isArray(named) ? 'list' : 'record'} ${parts.sort().join()}`,
    described: `${describeTensors(tensors)} ${types.join(', ')}`,
  };
}

/** What `nn.compile` makes of a module; all plans of it share the recordings. */
export class CompiledForward {
  readonly module: ModuleLike;
  readonly recordings: Recordings;
  readonly #where: string;
  readonly #layout: Layout;

  /**
   * @param example inputs as `forward` takes them, which stay the caller's
   * @throws Error that names an operation without a gradient, or what a replay would not repeat
   */
  constructor(module: ModuleLike, example: Tensors) {
    this.module = module;
    this.#where = `[nn] compile: module '${module.name}'`;
    if (!areTensors(example)) {
      throw new TypeError(
        `${this.#where}: expected example inputs, a tensor, a list or a record of tensors as ` +
          `forward takes them, got ${describeTensors(example)}`,
      );
    }
    this.#layout = layoutOf(example);
    this.recordings = new Recordings(this.#where, () =>
      module.namedBuffers().map(([, variable]) => variable),
    );
    this.#rehearse(example);
  }

  /** @throws RangeError for features of other names, ranks or types than the example has */
  check(features: Tensors): void {
    const { key, described } = areTensors(features)
      ? layoutOf(features)
      : { key: '', described: describeTensors(features) };
    if (key === this.#layout.key) return;
    throw new RangeError(
      `${this.#where}: expected inputs with the names, ranks and types of the example, ` +
        `${this.#layout.described}, got ${described}; compile the module with such an example`,
    );
  }

  /** Computes everything twice in both modes, which finds what a replay would not repeat. */
  #rehearse(example: Tensors): void {
    const { module } = this;
    const buffers = module.namedBuffers().map(([, variable]) => variable);
    try {
      for (const training of [true, false]) {
        inMode(module, training, () => {
          for (const seed of [1, 2])
            keepingValues(buffers, () => this.#rehearseOnce(example, { training, seed }));
        });
      }
    } finally {
      this.recordings.dispose();
    }
  }

  #rehearseOnce(example: Tensors, { training, seed }: { training: boolean; seed: number }): void {
    const variables = this.module
      .namedParameters()
      .flatMap(([, variable]) => (variable.trainable ? variable : []));
    const run = () => sumOf(this.module.forward(...argumentsOf(example)));
    const compute = () => {
      if (!training || variables.length === 0) return [tf.tidy(run)];
      const { value, gradients } = gradientsOf(run, variables);
      return [value, ...gradients.flatMap((gradient) => gradient ?? [])];
    };
    try {
      const { tensors } = this.recordings.run({
        key: `rehearsal ${training}`,
        inputs: listTensors(example),
        seed,
        eagerly: () => ({ tensors: withSeed(seed, compute), meta: undefined }),
      });
      tf.dispose([...tensors]);
    } catch (error) {
      throw namingKernel(this.#where, error);
    }
  }
}

/** A scalar that depends on all float outputs. */
function sumOf(outputs: tf.TensorContainer): tf.Scalar {
  const floats = tf.tensor_util
    .getTensorsInContainer([outputs] as tf.TensorContainer)
    .filter(({ dtype }) => dtype === 'float32');
  return tf.addN([tf.scalar(0), ...floats.map((tensor) => tf.mean(tensor))]) as tf.Scalar;
}

/** TensorFlow.js's message for an operation without a gradient, with what to do. */
function namingKernel(where: string, error: unknown): unknown {
  const [, kernel] = /gradient function not found for (\w+)/.exec(String(error)) ?? [];
  if (!kernel) return error;
  return new Error(
    `${where}: forward uses ${kernel}, which has no gradient; compute it from operations that ` +
      'have one, or leave the module eager and freeze what stands before it',
    { cause: error },
  );
}

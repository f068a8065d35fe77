/** A replica of the model in a worker, on the worker's device. */
import { compile, type ForwardPass, type Plan } from '@deepend/compiler';
import { type DeviceName, device } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import {
  ensureLength,
  forEachTensor,
  readTensors,
  sharedArray,
  tensorOf,
  totalSize,
} from './arrays';
import { deserializeModel, fixedWeights, type ModelSignature, modelSignature } from './model-copy';
import type { Requests, Responses } from './protocol';

/** A model and its plan on the worker's device. */
export class Replica {
  readonly #model: LayersModel;
  readonly #plan: Plan;
  readonly #fixed: readonly tf.Variable[];
  readonly #gradients: Float32Array;
  readonly #statistics: Float32Array;
  #logits: Float32Array | undefined;
  /** Between `forward` and `backward`. */
  #step: { pass: ForwardPass; features: tf.Tensor; shape: [number, number] } | undefined;

  private constructor(model: LayersModel) {
    this.#model = model;
    this.#plan = compile(model);
    this.#fixed = fixedWeights(model, this.#plan);
    this.#gradients = sharedArray(totalSize(this.#plan.parameters));
    this.#statistics = sharedArray(totalSize(this.#plan.statistics));
  }

  /** Starts the device and builds the model there. */
  static async begin({ device: name, model }: Requests['begin']): Promise<Replica> {
    await device(name as DeviceName);
    return new Replica(await deserializeModel(model));
  }

  signature(): ModelSignature {
    return modelSignature(this.#model, this.#plan);
  }

  async forward({
    features: values,
    shape,
    moving,
    fixed,
    seed,
  }: Requests['forward']): Promise<Responses['forward']> {
    this.#close(); // a step that was given up
    this.#assignWeights(moving, fixed);
    const features = tensorOf(values, shape);
    try {
      const pass = this.#plan.forward(features, { seed });
      const { logits } = pass;
      this.#step = { pass, features, shape: logits.shape };
      this.#logits = ensureLength(this.#logits, logits.size);
      await readTensors(this.#logits, [logits]);
      const values = this.#logits.subarray(0, logits.size);
      logits.dispose();
      return { logits: values };
    } catch (error) {
      features.dispose();
      throw error;
    }
  }

  async backward({ dLogits }: Requests['backward']): Promise<Responses['backward']> {
    if (!this.#step) throw new Error('backward was requested before forward');
    const { pass, features, shape } = this.#step;
    this.#step = undefined;
    const { parameters, statistics } = this.#plan;
    const found = pass.backward(tensorOf(dLogits, shape) as tf.Tensor2D);
    features.dispose();
    const byVariable = new Map(
      found.map(({ parameter, gradient }) => [parameter.variable.id, gradient]),
    );
    const all = parameters.map(
      ({ variable }) => byVariable.get(variable.id) ?? tf.zeros(variable.shape),
    );
    await readTensors(this.#gradients, all);
    tf.dispose(all);
    await readTensors(
      this.#statistics,
      statistics.map(({ variable }) => variable),
    );
    return { gradients: this.#gradients, statistics: this.#statistics };
  }

  /** Copies the weights of the training thread's model. */
  #assignWeights(moving: Float32Array, fixed: Float32Array | undefined): void {
    const { parameters, statistics } = this.#plan;
    const assign = (part: Float32Array, variable: tf.Variable) =>
      variable.assign(tensorOf(part, variable.shape));
    tf.tidy(() => {
      const variables = [...parameters, ...statistics].map(({ variable }) => variable);
      forEachTensor(moving, variables, assign);
      if (fixed) forEachTensor(fixed, this.#fixed, assign);
    });
  }

  #close(): void {
    this.#step?.pass.dispose();
    this.#step?.features.dispose();
    this.#step = undefined;
  }
}

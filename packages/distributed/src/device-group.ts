/**
 * Data-parallel training (the book's section 13.5). Each device has a replica of the model and
 * computes the outputs and gradients of its part of a batch. The loss is computed once, in the
 * training process, from the outputs of the whole batch, so that it can be any function; the
 * devices'
 * gradients are parts of the gradient that one device would compute, and are summed.
 */
import type { ForwardPass, Loss, ParameterGradient, Plan, StepResult } from '@deepend/compiler';
import { mixSeed, type Part, splitBatch } from '@deepend/core';
import { type CoreShare, type Device, shareCores, workerEnvironment } from '@deepend/device';
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
import { describePlace } from './devices';
import { firstDifference, fixedWeights, modelSignature, serializeModel } from './model-copy';
import type { Responses } from './protocol';
import { type StartTransport, startThread } from './transport';
import { WorkerHandle } from './worker-handle';

/** One minibatch; the first axis is the samples. */
interface Batch {
  readonly features: tf.Tensor;
  readonly labels: tf.Tensor;
}

const WHERE = '[trainer] train';
const MINUTE = 60_000;
const BEGIN_TIMEOUT = 5 * MINUTE;
const STEP_TIMEOUT = 2 * MINUTE;
/** A device may take this many times as long as the first one. */
const SLOWDOWN = 20;

export interface GroupOptions {
  readonly model: LayersModel;
  readonly plan: Plan;
  readonly loss: Loss<tf.Scalar | null>;
  /** The first one computes in this thread. */
  readonly devices: readonly Device[];
  /**
   * Milliseconds that a device may be silent.
   * @default 5 minutes to begin; 2 minutes a step, or 20 times what the first device takes
   */
  readonly timeout?: number;
  /** Starts every worker; for tests. @default a thread */
  readonly start?: StartTransport;
}

/** The first device's part of a step. */
interface LocalPass {
  readonly features: tf.Tensor;
  readonly pass: ForwardPass;
}

/** The devices of a run, and their workers. */
export class DeviceGroup {
  readonly #options: GroupOptions;
  #workers: WorkerHandle[] = [];
  #cores: CoreShare | undefined;
  #features: Float32Array[] = [];
  readonly #moving: Float32Array;
  readonly #numClasses: number;
  readonly #withFixed = new Set<WorkerHandle>(); // have received the weights that do not change

  constructor(options: GroupOptions) {
    this.#options = options;
    const { parameters, statistics, numClasses } = options.plan;
    if (numClasses === undefined) {
      throw new TypeError(
        `${WHERE}: several devices train models of outputs [batch, numClasses]; ` +
          `'${options.model.name}' has outputs for each pixel; use one device`,
      );
    }
    this.#numClasses = numClasses;
    this.#moving = sharedArray(totalSize([...parameters, ...statistics]));
  }

  /** Starts the workers. @throws Error when one does not start, or its copy of the model differs */
  async begin(): Promise<void> {
    const { model, plan, devices, start, timeout = BEGIN_TIMEOUT } = this.#options;
    this.#cores = await shareCores(devices);
    const env = workerEnvironment(this.#cores.threads);
    const serialized = serializeModel(model);
    const places = devices.map((device, i) => describePlace(device, i, devices.length));
    this.#workers = devices.slice(1).map((device, i) => {
      const name = `${WHERE}: ${places[i + 1]}`;
      const worker = new WorkerHandle({ name, env, start: start ?? startThread });
      // A backend's own name, since `cpu` means the best.
      worker.send('begin', { device: device.backend, model: serialized });
      return worker;
    });
    const expected = modelSignature(model, plan);
    await Promise.all(
      this.#workers.map(async (worker, i) => {
        const { signature } = await worker.receive<'begin'>(timeout);
        const difference = firstDifference(expected, signature);
        if (!difference) return;
        throw new Error(
          `${WHERE}: ${places[i + 1]}: its copy of the model '${model.name}' differs: ` +
            `${difference}; train it on one device`,
        );
      }),
    );
  }

  /**
   * Computes a batch's mean loss, number of correct predictions, and gradients, like
   * `plan.forwardBackward`. The caller disposes them.
   */
  async step({ features, labels }: Batch, seed: number): Promise<StepResult<tf.Scalar | null>> {
    const { plan, devices } = this.#options;
    const [first, ...others] = splitBatch(features.shape[0] ?? 0, devices.length) as [
      Part,
      ...Part[],
    ];
    const parts = others.filter(({ length }) => length > 0);
    const workers = this.#workers.slice(0, parts.length);
    await this.#sendForward(features, { parts, seed });
    const began = performance.now();
    const own = sliceRows(features, first);
    let pass: ForwardPass | undefined;
    try {
      pass = plan.forward(own, { seed: mixSeed(seed, 0) });
      const responses = await Promise.all(
        workers.map((worker) => worker.receive<'forward'>(this.#timeoutSince(began))),
      );
      const { loss, correct, dLogits } = this.#computeLoss(pass.logits, responses, labels);
      try {
        const gradients = await this.#backward(dLogits, {
          first,
          parts,
          local: { features: own, pass },
        });
        return { loss, correct, gradients };
      } catch (error) {
        tf.dispose(correct ? [loss, correct] : [loss]);
        throw error;
      } finally {
        dLogits.dispose();
      }
    } catch (error) {
      if (pass && !pass.logits.isDisposed) pass.logits.dispose();
      pass?.dispose();
      throw error;
    } finally {
      own.dispose();
    }
  }

  /** Ends the workers. */
  async end(): Promise<void> {
    this.#cores?.restore();
    this.#cores = undefined;
    await Promise.all(this.#workers.map((worker) => worker.end()));
  }

  async #sendForward(
    features: tf.Tensor,
    { parts, seed }: { parts: readonly Part[]; seed: number },
  ): Promise<void> {
    const { model, plan } = this.#options;
    if (parts.length === 0) return;
    const [values] = await Promise.all([
      features.data() as Promise<Float32Array>,
      readTensors(this.#moving, variables(plan)),
    ]);
    const size = features.size / (features.shape[0] ?? 1);
    for (const [i, { start, length }] of parts.entries()) {
      const worker = this.#workers[i] as WorkerHandle;
      const memory = ensureLength(this.#features[i], length * size);
      this.#features[i] = memory;
      memory.set(values.subarray(start * size, (start + length) * size));
      worker.send('forward', {
        features: memory.subarray(0, length * size),
        shape: [length, ...features.shape.slice(1)],
        moving: this.#moving,
        seed: mixSeed(seed, i + 1),
        ...(!this.#withFixed.has(worker) && { fixed: await fixedValues(model, plan) }),
      });
      this.#withFixed.add(worker);
    }
  }

  /** The loss of all devices' outputs; disposes them. */
  #computeLoss(logits: tf.Tensor2D, responses: readonly Responses['forward'][], labels: tf.Tensor) {
    const { loss, plan } = this.#options;
    const columns = this.#numClasses;
    const whole = tf.tidy(() => {
      const theirs = responses.map(({ logits }) =>
        tensorOf(logits, [logits.length / columns, columns]),
      );
      return tf.concat([logits, ...theirs], 0) as tf.Tensor2D; // [batch, numClasses]
    });
    try {
      return plan.lossOfLogits(loss, whole, labels);
    } finally {
      tf.dispose([logits, whole]);
    }
  }

  async #backward(
    dLogits: tf.Tensor2D,
    { first, parts, local }: { first: Part; parts: readonly Part[]; local: LocalPass },
  ): Promise<ParameterGradient[]> {
    const workers = this.#workers.slice(0, parts.length);
    if (workers.length > 0) {
      const values = (await dLogits.data()) as Float32Array;
      const row = this.#numClasses;
      workers.forEach((worker, i) => {
        const { start, length } = parts[i] as Part;
        worker.send('backward', { dLogits: values.slice(start * row, (start + length) * row) });
      });
    }
    const began = performance.now();
    const gradients = local.pass.backward(sliceRows(dLogits, first) as tf.Tensor2D);
    try {
      const responses = await Promise.all(
        workers.map((worker) => worker.receive<'backward'>(this.#timeoutSince(began))),
      );
      if (responses.length === 0) return [...gradients];
      this.#averageStatistics(responses, [first, ...parts]);
      return this.#sumGradients(gradients, responses);
    } finally {
      if (workers.length > 0) tf.dispose(gradients.map(({ gradient }) => gradient));
    }
  }

  /** Sums in the order of the devices, not of their responses, so that a run is reproducible. */
  #sumGradients(
    own: readonly ParameterGradient[],
    responses: readonly Responses['backward'][],
  ): ParameterGradient[] {
    const { parameters } = this.#options.plan;
    const sums = new Map(own.map((entry) => [entry.parameter.variable.id, entry.gradient]));
    const summed = tf.tidy(() => {
      for (const { gradients } of responses) {
        forEachTensor(gradients, parameters, (part, { variable, shape }) => {
          const before = sums.get(variable.id);
          if (before) sums.set(variable.id, tf.add(before, tensorOf(part, shape)));
        });
      }
      return own.map(({ parameter }) => sums.get(parameter.variable.id) as tf.Tensor);
    });
    return own.map(({ parameter }, i) => ({ parameter, gradient: summed[i] as tf.Tensor }));
  }

  /** Each device has updated the statistics by its part: their mean, weighted by samples. */
  #averageStatistics(responses: readonly Responses['backward'][], parts: readonly Part[]): void {
    const { statistics } = this.#options.plan;
    const count = parts.reduce((sum, { length }) => sum + length, 0);
    const fraction = (i: number) => (parts[i] as Part).length / count;
    tf.tidy(() => {
      const means = statistics.map(({ variable }) => tf.mul(variable, fraction(0)) as tf.Tensor);
      responses.forEach((response, i) => {
        forEachTensor(response.statistics, statistics, (part, { shape }, j) => {
          means[j] = tf.add(means[j] as tf.Tensor, tf.mul(tensorOf(part, shape), fraction(i + 1)));
        });
      });
      statistics.forEach(({ variable }, j) => {
        variable.assign(means[j] as tf.Tensor);
      });
    });
  }

  #timeoutSince(began: number): number {
    return this.#options.timeout ?? Math.max(STEP_TIMEOUT, SLOWDOWN * (performance.now() - began));
  }
}

const variables = ({ parameters, statistics }: Plan) =>
  [...parameters, ...statistics].map(({ variable }) => variable);

const fixedValues = async (model: LayersModel, plan: Plan): Promise<Float32Array> => {
  const fixed = fixedWeights(model, plan);
  return readTensors(sharedArray(totalSize(fixed)), fixed);
};

const sliceRows = (x: tf.Tensor, { start, length }: Part): tf.Tensor =>
  tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [length, ...x.shape.slice(1)]);

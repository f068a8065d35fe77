/**
 * Data-parallel training, the book's section 13.5: each device has a replica of the net and
 * computes outputs and gradients of its part of a batch.
 * The loss is computed once, here, of the outputs of the whole batch, so that it can be any
 * function, and what comes back are parts of the very
 * gradient that one device would have; here they are summed.
 */
import type { ForwardPass, Loss, ParameterGradient, Plan, StepResult } from '@deepend/compiler';
import { mixSeed } from '@deepend/core';
import { type CoreShare, type Device, shareCores, workerEnvironment } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { LINKS, placeOf, requestOf } from './devices';
import type { StartLink } from './link';
import type { Answers } from './messages';
import { describeNet, differenceOf, fixedWeights, sketchOf } from './net-text';
import { atLeast, eachPart, readInto, sharedFloats, tensorOf, totalSize } from './numbers';
import { Peer } from './peer';
import { type Part, splitBatch } from './split';

/** One minibatch: features and labels, samples first. */
interface Batch {
  readonly features: tf.Tensor;
  readonly labels: tf.Tensor;
}

const WHERE = '[trainer] train';
const MINUTE = 60_000;
const BEGIN_PATIENCE = 5 * MINUTE; // the first start of CUDA compiles kernels
const STEP_PATIENCE = 2 * MINUTE;
const SLOWER = 20; // than the first device another one may be

export interface GroupOptions {
  readonly net: LayersModel;
  readonly plan: Plan;
  readonly loss: Loss<tf.Scalar | null>;
  /** The first one computes in this thread. */
  readonly devices: readonly Device[];
  /**
   * Milliseconds that a device may be silent. @default minutes, more where the first device is slow
   * itself
   */
  readonly patience?: number;
  /**
   * How every worker is started; tests take others. @default a thread or a process, as the engine
   * needs
   */
  readonly start?: StartLink;
}

interface Own {
  readonly features: tf.Tensor;
  readonly open: ForwardPass;
}

export class DeviceGroup {
  private peers: Peer[] = [];
  private cores: CoreShare | undefined;
  private features: Float32Array[] = [];
  private readonly moving: Float32Array;
  private readonly sent = new Set<Peer>(); // have the weights that stay

  constructor(private readonly options: GroupOptions) {
    const { parameters, statistics } = options.plan;
    this.moving = sharedFloats(totalSize([...parameters, ...statistics]));
  }

  /**
   * Starts the workers. @throws Error when one does not, or its net came out another than this one
   */
  async begin(): Promise<void> {
    const { net, plan, devices, start, patience = BEGIN_PATIENCE } = this.options;
    this.cores = await shareCores(devices);
    const env = workerEnvironment(this.cores.threads);
    const text = describeNet(net);
    this.peers = devices.slice(1).map((device, i) => {
      const name = `${WHERE}: ${placeOf(device, i + 1, devices.length)}`;
      const peer = new Peer({ name, env, start: start ?? LINKS[device.backend] });
      peer.post('begin', { device: requestOf(device), net: text });
      return peer;
    });
    const expected = sketchOf(net, plan);
    await Promise.all(
      this.peers.map(async (peer, i) => {
        const { sketch } = await peer.answer('begin', patience);
        const difference = differenceOf(expected, sketch);
        if (!difference) return;
        const place = placeOf(devices[i + 1] as Device, i + 1, devices.length);
        throw new Error(
          `${WHERE}: ${place}: its copy of the net '${net.name}' came out another: ${difference}; train it on one device`,
        );
      }),
    );
  }

  /** The loss, right answers and gradients of a batch, as `plan.step` gives them. */
  async step({ features, labels }: Batch, seed: number): Promise<StepResult<tf.Scalar | null>> {
    const { plan, devices } = this.options;
    const [first, ...others] = splitBatch(features.shape[0] ?? 0, devices.length) as [
      Part,
      ...Part[],
    ];
    const parts = others.filter(({ length }) => length > 0);
    const peers = this.peers.slice(0, parts.length);
    await this.postForward(features, { parts, seed });
    const began = performance.now();
    const own = rows(features, first);
    let open: ForwardPass | undefined;
    try {
      open = plan.forward(own, { seed: mixSeed(seed, 0) });
      const answers = await Promise.all(
        peers.map((peer) => peer.answer('forward', this.patienceSince(began))),
      );
      const { loss, correct, dLogits } = this.judge(open.logits, answers, labels);
      try {
        const gradients = await this.backward(dLogits, {
          first,
          parts,
          own: { features: own, open },
        });
        return { loss, correct, gradients };
      } catch (error) {
        tf.dispose(correct ? [loss, correct] : [loss]);
        throw error;
      } finally {
        dLogits.dispose();
      }
    } catch (error) {
      if (open && !open.logits.isDisposed) open.logits.dispose();
      open?.dispose();
      throw error;
    } finally {
      own.dispose();
    }
  }

  /** Ends the workers. */
  async end(): Promise<void> {
    this.cores?.restore();
    this.cores = undefined;
    await Promise.all(this.peers.map((peer) => peer.end()));
  }

  private async postForward(
    features: tf.Tensor,
    { parts, seed }: { parts: readonly Part[]; seed: number },
  ): Promise<void> {
    const { net, plan } = this.options;
    if (parts.length === 0) return;
    const [values] = await Promise.all([
      features.data() as Promise<Float32Array>,
      readInto(this.moving, variables(plan)),
    ]);
    const size = features.size / (features.shape[0] ?? 1);
    for (const [i, { start, length }] of parts.entries()) {
      const peer = this.peers[i] as Peer;
      const memory = atLeast(this.features[i], length * size);
      this.features[i] = memory;
      memory.set(values.subarray(start * size, (start + length) * size));
      peer.post('forward', {
        features: memory.subarray(0, length * size),
        shape: [length, ...features.shape.slice(1)],
        moving: this.moving,
        seed: mixSeed(seed, i + 1),
        ...(!this.sent.has(peer) && { fixed: await fixedNumbers(net, plan) }),
      });
      this.sent.add(peer);
    }
  }

  /** The loss of the outputs of all devices, which are disposed. */
  private judge(logits: tf.Tensor2D, answers: readonly Answers['forward'][], labels: tf.Tensor) {
    const { loss, plan } = this.options;
    const whole = tf.tidy(() => {
      const theirs = answers.map((answer) =>
        tensorOf(answer.logits, [answer.logits.length / plan.numClasses, plan.numClasses]),
      );
      return tf.concat([logits, ...theirs], 0) as tf.Tensor2D; // [batch, numClasses]
    });
    try {
      return loss(whole, labels);
    } finally {
      tf.dispose([logits, whole]);
    }
  }

  private async backward(
    dLogits: tf.Tensor2D,
    { first, parts, own }: { first: Part; parts: readonly Part[]; own: Own },
  ): Promise<ParameterGradient[]> {
    const { plan } = this.options;
    const peers = this.peers.slice(0, parts.length);
    if (peers.length > 0) {
      const values = (await dLogits.data()) as Float32Array;
      const row = plan.numClasses;
      peers.forEach((peer, i) => {
        const { start, length } = parts[i] as Part;
        peer.post('backward', { dLogits: values.slice(start * row, (start + length) * row) });
      });
    }
    const began = performance.now();
    const gradients = own.open.backward(rows(dLogits, first) as tf.Tensor2D);
    try {
      const answers = await Promise.all(
        peers.map((peer) => peer.answer('backward', this.patienceSince(began))),
      );
      if (answers.length === 0) return [...gradients];
      this.averageStatistics(answers, [first, ...parts]);
      return this.sum(gradients, answers);
    } finally {
      if (peers.length > 0) tf.dispose(gradients.map(({ gradient }) => gradient));
    }
  }

  /** In the order of the devices, whichever answers first: the same run has the same bits. */
  private sum(
    own: readonly ParameterGradient[],
    answers: readonly Answers['backward'][],
  ): ParameterGradient[] {
    const { parameters } = this.options.plan;
    const sums = new Map(own.map((entry) => [entry.parameter.variable.id, entry.gradient]));
    const summed = tf.tidy(() => {
      for (const { gradients } of answers) {
        eachPart(gradients, parameters, (part, { variable, shape }) => {
          const before = sums.get(variable.id);
          if (before) sums.set(variable.id, tf.add(before, tensorOf(part, shape)));
        });
      }
      return own.map(({ parameter }) => sums.get(parameter.variable.id) as tf.Tensor);
    });
    return own.map(({ parameter }, i) => ({ parameter, gradient: summed[i] as tf.Tensor }));
  }

  /** Each device has moved the statistics by its own part: their mean, by samples. */
  private averageStatistics(answers: readonly Answers['backward'][], parts: readonly Part[]): void {
    const { statistics } = this.options.plan;
    const count = parts.reduce((sum, { length }) => sum + length, 0);
    const share = (i: number) => (parts[i] as Part).length / count;
    tf.tidy(() => {
      const means = statistics.map(({ variable }) => tf.mul(variable, share(0)) as tf.Tensor);
      answers.forEach((answer, i) => {
        eachPart(answer.statistics, statistics, (part, { shape }, j) => {
          means[j] = tf.add(means[j] as tf.Tensor, tf.mul(tensorOf(part, shape), share(i + 1)));
        });
      });
      statistics.forEach(({ variable }, j) => {
        variable.assign(means[j] as tf.Tensor);
      });
    });
  }

  private patienceSince(began: number): number {
    return this.options.patience ?? Math.max(STEP_PATIENCE, SLOWER * (performance.now() - began));
  }
}

const variables = ({ parameters, statistics }: Plan) =>
  [...parameters, ...statistics].map(({ variable }) => variable);

const fixedNumbers = async (net: LayersModel, plan: Plan): Promise<Float32Array> => {
  const fixed = fixedWeights(net, plan);
  return readInto(sharedFloats(totalSize(fixed)), fixed);
};

const rows = (x: tf.Tensor, { start, length }: Part): tf.Tensor =>
  tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [length, ...x.shape.slice(1)]);

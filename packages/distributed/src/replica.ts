/** A net's replica on a device of its own, in a worker. */
import { compile, type ForwardPass, type Plan } from '@deepend/compiler';
import { type DeviceName, device } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import type { Answers, Tasks } from './messages';
import { fixedWeights, rebuildNet, sketchOf } from './net-text';
import { atLeast, eachPart, readInto, sharedFloats, tensorOf, totalSize } from './numbers';

export class Replica {
  private readonly plan: Plan;
  private readonly fixed: readonly tf.Variable[];
  private readonly gradients: Float32Array;
  private readonly statistics: Float32Array;
  private logits: Float32Array | undefined;
  private step: { open: ForwardPass; features: tf.Tensor; shape: [number, number] } | undefined;

  private constructor(private readonly net: LayersModel) {
    this.plan = compile(net);
    this.fixed = fixedWeights(net, this.plan);
    this.gradients = sharedFloats(totalSize(this.plan.parameters));
    this.statistics = sharedFloats(totalSize(this.plan.statistics));
  }

  static async begin({ device: name, net }: Tasks['begin']): Promise<Replica> {
    await device(name as DeviceName);
    return new Replica(await rebuildNet(net));
  }

  answer(): Answers['begin'] {
    return { sketch: sketchOf(this.net, this.plan) };
  }

  async forward({
    features: values,
    shape,
    moving,
    fixed,
    seed,
  }: Tasks['forward']): Promise<Answers['forward']> {
    this.close(); // a step that was given up
    this.take(moving, fixed);
    const features = tensorOf(values, shape);
    try {
      const open = this.plan.forward(features, { seed });
      const { logits } = open;
      this.step = { open, features, shape: logits.shape };
      this.logits = atLeast(this.logits, logits.size);
      await readInto(this.logits, [logits]);
      const answer = this.logits.subarray(0, logits.size);
      logits.dispose();
      return { logits: answer };
    } catch (error) {
      features.dispose();
      throw error;
    }
  }

  async backward({ dLogits }: Tasks['backward']): Promise<Answers['backward']> {
    if (!this.step) throw new Error('backward was asked for before forward');
    const { open, features, shape } = this.step;
    this.step = undefined;
    const { parameters, statistics } = this.plan;
    const found = open.backward(tensorOf(dLogits, shape) as tf.Tensor2D);
    features.dispose();
    const byVariable = new Map(
      found.map(({ parameter, gradient }) => [parameter.variable.id, gradient]),
    );
    const all = parameters.map(
      ({ variable }) => byVariable.get(variable.id) ?? tf.zeros(variable.shape),
    );
    await readInto(this.gradients, all);
    tf.dispose(all);
    await readInto(
      this.statistics,
      statistics.map(({ variable }) => variable),
    );
    return { gradients: this.gradients, statistics: this.statistics };
  }

  /** Takes the weights of the net that is trained. */
  private take(moving: Float32Array, fixed: Float32Array | undefined): void {
    const { parameters, statistics } = this.plan;
    const assign = (part: Float32Array, variable: tf.Variable) =>
      variable.assign(tensorOf(part, variable.shape));
    tf.tidy(() => {
      const variables = [...parameters, ...statistics].map(({ variable }) => variable);
      eachPart(moving, variables, assign);
      if (fixed) eachPart(fixed, this.fixed, assign);
    });
  }

  private close(): void {
    this.step?.open.dispose();
    this.step?.features.dispose();
    this.step = undefined;
  }
}

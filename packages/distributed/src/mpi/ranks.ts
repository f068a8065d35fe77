/**
 * Data-parallel training over processes. Every rank has the whole model and computes the gradients
 * of its share of each batch; sums over all ranks give what one process would compute, and every
 * rank makes the same update. Li et al. 2020, https://arxiv.org/abs/2006.15704.
 */
import {
  type GradientStream,
  type NormSync,
  type Parameter,
  type ParameterGradient,
  type TrainingPlan,
  withNormSync,
} from '@deepend/compiler';
import { backendTraits, type Share } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { readTensors, totalSize } from '../arrays';
import { GradientSums } from './gradient-sums';
import type { Compression } from './sum-program';
import { getWorld, type World } from './world';

/** What one rank has computed of a batch; nothing where its share is empty. */
export interface OwnStep {
  readonly loss: tf.Scalar;
  readonly correct: tf.Scalar | null;
  readonly gradients: readonly ParameterGradient[];
}

/** Why a run stops before its end. */
export interface StopRequest {
  readonly reason: string;
  /** Whether the run is to be resumed later. */
  readonly resumable: boolean;
}

/** Numbers of samples, and what the loss and the accuracy divide by. */
export interface StepCounts {
  /** Whether the loss is a sum over the batch, not a mean. */
  readonly isSum: boolean;
  readonly count: number;
  /** @default `count` */
  readonly mass: number;
  /** @default `count` */
  readonly answers: number;
}

/** What all ranks together have computed. The caller disposes the tensors. */
export interface SharedStep extends StepCounts {
  readonly loss: tf.Scalar;
  readonly correct: tf.Scalar | null;
  readonly gradients: readonly ParameterGradient[];
}

/** A batch whose gradients are being computed: the numbers of all ranks together. */
interface Step {
  readonly own: Required<StepCounts>;
  readonly all: Required<StepCounts>;
  readonly sums: GradientSums;
}

export interface RanksOptions {
  /** How gradients travel: as they are, or as halves, whose sums are computed in float32. */
  readonly compression: Compression;
}

/** All processes of a run that a launcher of MPI started. */
export class Ranks {
  readonly #world: World;
  readonly #plan: TrainingPlan;
  readonly #options: RanksOptions;
  /** A number of each variable, from 1: the same on every rank. */
  readonly #numbers: ReadonlyMap<number, number>;
  #sums: GradientSums | undefined;
  #step: Step | undefined;

  constructor(plan: TrainingPlan, options: RanksOptions) {
    this.#plan = plan;
    this.#options = options;
    this.#world = getWorld();
    const all = [...plan.parameters, ...plan.statistics];
    this.#numbers = new Map(all.map(({ variable }, i) => [variable.id, i + 1]));
  }

  /** Whether this process writes and prints for all. */
  get isFirst(): boolean {
    return this.#world.rank === 0;
  }

  /** Ends all ranks: an error on one would leave the others waiting. */
  abort(why: string): void {
    this.#world.abort(why);
  }

  /** The part of each batch that this process computes. */
  get share(): Share {
    return { index: this.#world.rank, of: this.#world.size };
  }

  /**
   * Begins a batch on all ranks, before it is computed.
   * @param counts of this rank's share
   */
  async begin({ isSum, count, mass = count, answers = count }: StepCounts): Promise<void> {
    const head = Float64Array.of(0, 0, count, mass, answers);
    await this.#world.allReduce(head, 'sum');
    this.#requireAllGoOn(head);
    const [, , allCount = 0, allMass = 0, allAnswers = 0] = head;
    this.#step = {
      own: { isSum, count, mass, answers },
      all: { isSum, count: allCount, mass: allMass, answers: allAnswers },
      sums: await this.#gradientSums(),
    };
  }

  /** The sums of this plan's gradients: the last step's where its parameters are the same. */
  async #gradientSums(): Promise<GradientSums> {
    const { gradientOrder, parameters, statistics } = this.#plan;
    const order = [...statistics, ...(gradientOrder ?? [...parameters].reverse())];
    const known = this.#sums?.order;
    const isKnown = known?.length === order.length && known.every((entry, i) => entry === order[i]);
    if (this.#sums && isKnown) return this.#sums;
    const background = await this.#world.backgroundSums(this.#options.compression);
    this.#sums = new GradientSums(background, order);
    return this.#sums;
  }

  /**
   * Takes gradients of the batch that has begun, each when it is complete, so that ranks exchange
   * them while others are computed; undefined where the backend cannot tell.
   */
  get stream(): GradientStream | undefined {
    if (backendTraits(tf.getBackend()).isAsynchronous) return undefined;
    const { sums } = this.#begun();
    const [first] = this.#plan.statistics;
    return {
      scale: this.#weights().gradient,
      onGradient: ({ parameter, gradient }) => {
        if (first && !sums.has(first)) this.#addStatistics();
        sums.add(parameter, { tensor: gradient, weight: 1 });
      },
    };
  }

  #begun(): Step {
    if (this.#step) return this.#step;
    throw new Error('[distributed] expected begin() before the gradients of a batch');
  }

  /** What this rank's gradients and statistics are multiplied by. */
  #weights(): { gradient: number; statistic: number } {
    const { own, all } = this.#begun();
    return {
      gradient: own.isSum ? 1 : own.mass / all.mass,
      statistic: own.count / all.count,
    };
  }

  /** Batch normalization has updated them in the forward pass. */
  #addStatistics(): void {
    const { sums, own } = this.#begun();
    for (const statistic of this.#plan.statistics) {
      // A clone, since the variable stays.
      const tensor = own.count > 0 ? tf.keep(tf.clone(statistic.variable)) : undefined;
      sums.add(statistic, { tensor, weight: this.#weights().statistic });
    }
  }

  /**
   * Joins what each rank has computed of the batch that has begun: mean loss, number correct,
   * gradients of the mean loss, and the statistics of batch normalization, averaged by samples as
   * PyTorch's are by rank.
   * @param own disposed; undefined for an empty share
   */
  async join(own: OwnStep | undefined): Promise<SharedStep> {
    const step = this.#begun();
    const { parameters, statistics } = this.#plan;
    const gradients = new Map(own?.gradients.map((entry) => [entry.parameter.variable.id, entry]));
    await this.#addRest(gradients);
    const sums = await step.sums.finish(this.#world);
    const tail = Float64Array.from([
      ...(await resultsOf(own, step.own)),
      ...parameters.map(({ variable }) => Number(gradients.has(variable.id))),
    ]);
    tf.dispose(own?.correct ? [own.loss, own.correct] : (own?.loss ?? []));
    await this.#world.allReduce(tail, 'sum');
    const [loss = 0, correct = 0, hasCorrect, ...isWanted] = tail;
    const sumOf = ({ variable }: Parameter) => sums.get(variable.id) as tf.Tensor;
    for (const statistic of statistics) setStatistic(statistic.variable, sumOf(statistic));
    tf.dispose([...statistics, ...parameters.filter((_, i) => !isWanted[i])].map(sumOf));
    const { isSum, mass } = step.all;
    this.#step = undefined;
    return {
      ...step.all,
      loss: tf.scalar(isSum ? loss : loss / mass),
      correct: hasCorrect ? tf.scalar(correct) : null,
      gradients: parameters
        .filter((_, i) => isWanted[i])
        .map((parameter) => ({ parameter, gradient: sumOf(parameter) })),
    };
  }

  /** Adds what the stream has not given. */
  async #addRest(gradients: ReadonlyMap<number, ParameterGradient>): Promise<void> {
    const { sums } = this.#begun();
    const isAsynchronous = backendTraits(tf.getBackend()).isAsynchronous;
    const { statistics } = this.#plan;
    if (isAsynchronous) for (const { variable } of statistics) await variable.data();
    if (statistics[0] && !sums.has(statistics[0])) this.#addStatistics();
    const weight = this.#weights().gradient;
    for (const parameter of sums.order.slice(statistics.length)) {
      if (sums.has(parameter)) continue;
      const tensor = gradients.get(parameter.variable.id)?.gradient;
      // Where a device computes by itself, the later gradients are computed meanwhile.
      const values = isAsynchronous ? ((await tensor?.data()) as Float32Array) : undefined;
      sums.add(parameter, { tensor, weight, values });
    }
  }

  /**
   * Runs a part of a step, in which batch normalization is over the samples of all ranks.
   * @param mass what the loss of this rank's samples counts; 0 for samples that do not count, so
   *   that a rank without samples comes to the same sums as the others
   */
  withSyncedNorm<T>(mass: number, work: () => T): T {
    const sync: NormSync = {
      size: this.#world.size,
      mass,
      sum: (values) => this.#world.sumNow(values),
      layerOf: (variableId) => this.#numbers.get(variableId) ?? 0,
    };
    return withNormSync(sync, work);
  }

  /** The largest of the ranks' integers. */
  async largest(own: number): Promise<number> {
    const values = Int32Array.of(own);
    await this.#world.allReduce(values, 'max');
    return values[0] as number;
  }

  /**
   * Says that this rank has no more batches in this epoch, where the others would join a step.
   * @throws Error on every rank where some rank has one
   */
  async endEpoch(): Promise<void> {
    const { rank, size } = this.#world;
    const head = Float64Array.of(1, rank, 0, 0, 0); // where the others begin a batch
    await this.#world.allReduce(head, 'sum');
    if (head[0] !== size) this.#requireAllGoOn(head);
  }

  #requireAllGoOn([ended = 0, endedRank]: Float64Array): void {
    if (ended === 0) return;
    const which = ended === 1 ? `rank ${endedRank}` : `${ended} of ${this.#world.size} ranks`;
    throw new Error(
      `[distributed] expected a batch on every rank, got none on ${which}: its loader ended ` +
        'earlier than the others; every rank must load the same data',
    );
  }

  /**
   * Whether any rank wants to stop, and why: the same on every rank.
   * @param own this rank's reason
   */
  async agree(own: StopRequest | undefined): Promise<StopRequest | undefined> {
    const flags = Int32Array.of(Number(own !== undefined));
    await this.#world.allReduce(flags, 'max');
    if (flags[0] === 0) return undefined;
    const said = await this.gatherStrings(own ? JSON.stringify(own) : '');
    return JSON.parse(said.find((text) => text !== '') as string) as StopRequest;
  }

  /**
   * The rows of all ranks in the order of the ranks. The caller disposes it.
   * @param own `[n, ...]`; undefined where a rank has none
   */
  async gatherRows(own: tf.Tensor | undefined): Promise<tf.Tensor> {
    type Described = { shape: number[]; dtype: 'float32' | 'int32' };
    const described = own ? JSON.stringify({ shape: own.shape, dtype: own.dtype }) : '';
    const all = (await this.gatherStrings(described)).map((text) =>
      text === '' ? undefined : (JSON.parse(text) as Described),
    );
    const { shape, dtype } = all.find((tensor) => tensor !== undefined) as Described;
    const row = tf.util.sizeFromShape(shape.slice(1));
    const rows = all.map((tensor) => tensor?.shape[0] ?? 0);
    const empty = dtype === 'int32' ? new Int32Array(0) : new Float32Array(0);
    const values = own ? ((await own.data()) as Float32Array).slice() : empty;
    const counts = Int32Array.from(rows, (count) => count * row);
    const total = rows.reduce((sum, count) => sum + count, 0);
    const joined = await this.#world.allGather(values, counts);
    return tf.tensor(joined, [total, ...shape.slice(1)], dtype);
  }

  /** Sums of numbers over all ranks, such as the totals of an evaluation. */
  async sum(numbers: readonly number[]): Promise<number[]> {
    const sums = Float64Array.from(numbers);
    await this.#world.allReduce(sums, 'sum');
    return [...sums];
  }

  /** Gives the tensors of all ranks the values of rank 0, in place. */
  async broadcast(variables: readonly tf.Variable[]): Promise<void> {
    for (const variable of variables) {
      const values = ((await variable.data()) as Float32Array).slice();
      await this.#world.broadcast(values, 0);
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, variable.dtype)));
    }
  }

  /** Bytes of rank 0 on all ranks; undefined where it gives none. */
  async broadcastBytes(bytes: Uint8Array | undefined): Promise<Uint8Array | undefined> {
    const length = Float64Array.of(bytes?.length ?? -1);
    await this.#world.broadcast(length, 0);
    const [count = -1] = length;
    if (count < 0) return undefined;
    const copy = new Uint8Array(count);
    if (bytes) copy.set(bytes);
    await this.#world.broadcast(copy, 0);
    return copy;
  }

  /** A string from each rank, in the order of the ranks. */
  async gatherStrings(own: string): Promise<string[]> {
    const bytes = new Uint8Array(Buffer.from(own));
    const { size } = this.#world;
    const one = new Int32Array(size).fill(1);
    const lengths = await this.#world.allGather(Int32Array.of(bytes.length), one);
    const all = Buffer.from(await this.#world.allGather(bytes, lengths));
    let at = 0;
    return Array.from(lengths, (length) => {
      at += length;
      return all.toString('utf8', at - length, at);
    });
  }

  /** @throws Error where the weights of two ranks differ in any bit */
  async requireSameWeights(where: string, epoch: number): Promise<void> {
    const { parameters, statistics } = this.#plan;
    const variables = [...parameters, ...statistics].map(({ variable }) => variable);
    const values = await readTensors(new Float32Array(totalSize(variables)), variables);
    const sums = await this.gatherStrings(String(checksum(values)));
    const other = sums.findIndex((sum) => sum !== sums[0]);
    if (other < 0) return;
    throw new Error(
      `${where}: expected the same weights on every rank after epoch ${epoch}, got others on ` +
        `rank ${other} than on rank 0; the machines must compute with the same build of the same ` +
        "backend ('deepend devices' shows it)",
    );
  }
}

/** A mean over the ranks; of integers, such as a number of batches, which are equal on all. */
function setStatistic(variable: tf.Variable, mean: tf.Tensor): void {
  tf.tidy(() => {
    variable.assign(variable.dtype === 'int32' ? tf.cast(tf.round(mean), 'int32') : mean);
  });
}

/** The sum of the losses, the number correct, and whether there is one. */
async function resultsOf(own: OwnStep | undefined, { isSum, mass }: Required<StepCounts>) {
  if (!own) return [0, 0, 0];
  const loss = (await own.loss.data())[0] as number;
  const correct = own.correct && ((await own.correct.data())[0] as number);
  return [isSum ? loss : loss * mass, correct ?? 0, Number(correct !== null)];
}

/** FNV-1a over the bits of all values. */
function checksum(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let sum = 0x811c9dc5;
  for (let i = 0; i < bits.length; i++) sum = Math.imul(sum ^ (bits[i] as number), 0x01000193);
  return sum >>> 0;
}

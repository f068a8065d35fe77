/**
 * Data-parallel training over processes. Every rank has the whole model and computes the gradients
 * of its share of each batch; sums over all ranks give what one process would compute, and every
 * rank makes the same update. Li et al. 2020, https://arxiv.org/abs/2006.15704.
 */
import type { Parameter, ParameterGradient, TrainingPlan } from '@deepend/compiler';
import type { Share } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { forEachTensor, readTensors, sharedArray, tensorOf, totalSize } from '../arrays';
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

/** Numbers that a step's sums begin with; whether each parameter has a gradient follows. */
const HEAD = ['ended', 'endedRank', 'loss', 'correct', 'hasCorrect', 'count', 'mass', 'answers'];

/** Bytes of gradients that are summed at once, while the next ones are read. */
const BUCKET_VALUES = 1 << 20;

/** All processes of a run that a launcher of MPI started. */
export class Ranks {
  readonly #world: World;
  readonly #plan: TrainingPlan;
  /** Sums of gradients and statistics, one after another. */
  readonly #sums: Float32Array;

  constructor(plan: TrainingPlan, world: World = getWorld()) {
    this.#plan = plan;
    this.#world = world;
    this.#sums = sharedArray(totalSize([...plan.parameters, ...plan.statistics]));
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
   * Joins what each rank has computed of a batch: mean loss, number correct, gradients of the mean
   * loss, and the statistics of batch normalization, averaged by samples as PyTorch's are by rank.
   * @param own disposed; undefined for an empty share
   */
  async join(own: OwnStep | undefined, counts: StepCounts): Promise<SharedStep> {
    const { parameters, statistics } = this.#plan;
    const gradients = new Map(own?.gradients.map((entry) => [entry.parameter, entry.gradient]));
    const head = Float64Array.from([
      ...(await headOf(own, counts)),
      ...parameters.map((parameter) => Number(gradients.has(parameter))),
    ]);
    await this.#world.allReduce(head, 'sum');
    this.#requireAllGoOn(head);
    const [, , loss = 0, correct = 0, hasCorrect, count = 0, mass = 0, answers = 0] = head;
    const isWanted = (_: unknown, i: number) => (head[HEAD.length + i] as number) > 0;
    const wanted = parameters.filter(isWanted);
    const { isSum } = counts;
    const weights = { gradient: isSum ? 1 : counts.mass / mass, statistic: counts.count / count };
    const sums = await this.#sum([
      ...wanted.map((parameter) => ({
        shape: parameter.shape,
        tensor: gradients.get(parameter),
        weight: weights.gradient,
      })),
      ...statistics.map(({ shape, variable }) => ({
        shape,
        tensor: own && variable,
        weight: weights.statistic,
      })),
    ]);
    disposeStep(own);
    this.#setStatistics(sums.subarray(totalSize(wanted)));
    return {
      isSum,
      loss: tf.scalar(isSum ? loss : loss / mass),
      correct: hasCorrect ? tf.scalar(correct) : null,
      gradients: gradientsOf(wanted, sums),
      count,
      mass,
      answers,
    };
  }

  /**
   * Says that this rank has no more batches in this epoch, where the others would join a step.
   * @throws Error on every rank where some rank has one
   */
  async endEpoch(): Promise<void> {
    const { rank, size } = this.#world;
    const head = new Float64Array(HEAD.length + this.#plan.parameters.length);
    head.set([1, rank]);
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

  /** Sums of tensors times their weights over all ranks, one after another. */
  async #sum(
    parts: readonly {
      shape: readonly number[];
      tensor: tf.Tensor | undefined;
      weight: number;
    }[],
  ): Promise<Float32Array> {
    const sums = this.#sums.subarray(0, totalSize(parts));
    const reduced: Promise<void>[] = [];
    let start = 0;
    let end = 0;
    const reduce = () => {
      if (end > start) reduced.push(this.#world.allReduce(sums.subarray(start, end), 'sum'));
      start = end;
    };
    for (const { shape, tensor, weight } of parts) {
      const size = tf.util.sizeFromShape([...shape]);
      const into = sums.subarray(end, end + size);
      if (tensor) scale(into, (await tensor.data()) as Float32Array, weight);
      else into.fill(0);
      end += size;
      if (end - start >= BUCKET_VALUES) reduce();
    }
    reduce();
    await Promise.all(reduced);
    return sums;
  }

  #setStatistics(values: Float32Array): void {
    const { statistics } = this.#plan;
    tf.tidy(() => {
      forEachTensor(values, statistics, (part, { variable, shape }) => {
        variable.assign(tensorOf(part, shape));
      });
    });
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
    const values = await readTensors(this.#sums, variables);
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

async function headOf(own: OwnStep | undefined, { isSum, count, mass, answers }: StepCounts) {
  if (!own) return [0, 0, 0, 0, 0, count, mass, answers];
  const loss = (await own.loss.data())[0] as number;
  const correct = own.correct && ((await own.correct.data())[0] as number);
  const total = isSum ? loss : loss * mass;
  return [0, 0, total, correct ?? 0, Number(correct !== null), count, mass, answers];
}

function scale(into: Float32Array, values: Float32Array, weight: number): void {
  if (weight === 1) into.set(values);
  else for (let i = 0; i < values.length; i++) into[i] = (values[i] as number) * weight;
}

function gradientsOf(parameters: readonly Parameter[], sums: Float32Array): ParameterGradient[] {
  const gradients: ParameterGradient[] = [];
  forEachTensor(sums, parameters, (part, parameter) => {
    gradients.push({ parameter, gradient: tensorOf(part, parameter.shape) });
  });
  return gradients;
}

function disposeStep(own: OwnStep | undefined): void {
  if (!own) return;
  own.loss.dispose();
  own.correct?.dispose();
  for (const { gradient } of own.gradients) gradient.dispose();
}

/** FNV-1a over the bits of all values. */
function checksum(values: Float32Array): number {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  let sum = 0x811c9dc5;
  for (let i = 0; i < bits.length; i++) sum = Math.imul(sum ^ (bits[i] as number), 0x01000193);
  return sum >>> 0;
}

/** The recordings of one module: by what is computed, the inputs' shapes and the backend. */
import * as tf from '@tensorflow/tfjs-core';
import { nextSeed, type SeedState, seedState, withSeed } from '../random-seeds';
import { Recorder } from './recorder';
import type { OnOutput, Recording } from './recording';
import { differenceOf, type TraceEntry } from './trace';

/** More shapes than this are not kept: the ones used longest ago are recorded again. */
const LARGEST_NUMBER = 16;

/** Something that is computed by a replay, once it was recorded. */
export interface Computation<Meta> {
  /** What decides which kernels are run, besides the inputs' shapes and the backend. */
  readonly key: string;
  readonly inputs: readonly tf.Tensor[];
  /** The seed of its random numbers. @default the seeds of the scope around */
  readonly seed?: number | undefined;
  /** Of a replay, for outputs that are computed, and given once. @default they come at the end */
  onOutput?(place: number, tensor: tf.Tensor, meta: Meta): tf.Tensor;
  /** Computes it in JavaScript, and says what stands around its tensors. */
  eagerly(): { readonly tensors: readonly tf.Tensor[]; readonly meta: Meta };
}

export interface Computed<Meta> {
  readonly tensors: readonly tf.Tensor[];
  readonly meta: Meta;
  readonly isReplay: boolean;
}

interface Entry {
  readonly recording: Recording;
  readonly meta: unknown;
  /** What the first recording saw, until a second one has seen the same. */
  trace: readonly TraceEntry[] | undefined;
}

export class Recordings {
  readonly #where: string;
  readonly #buffers: () => readonly tf.Variable[];
  readonly #entries = new Map<string, Entry>();

  /**
   * @param where the beginning of each error
   * @param buffers the variables that a step may change
   */
  constructor(where: string, buffers: () => readonly tf.Variable[]) {
    this.#where = where;
    this.#buffers = buffers;
  }

  /**
   * Computes something in JavaScript twice, and replays it from then on. The second time must be
   * like the first.
   * @throws Error for what a replay would not repeat
   */
  run<Meta>(computation: Computation<Meta>): Computed<Meta> {
    const key = keyOf(computation);
    const entry = this.#entries.get(key);
    this.#entries.delete(key); // it comes back as the newest
    if (entry && !entry.trace && !entry.recording.isStale) {
      this.#entries.set(key, entry);
      const meta = entry.meta as Meta;
      return { ...replay(entry.recording, computation, meta), meta, isReplay: true };
    }
    entry?.recording.dispose();
    const { result, recording, trace } = this.#record(computation);
    const isFirst = !entry || entry.recording.isStale;
    if (!isFirst && entry.trace) {
      const difference = differenceOf(entry.trace, trace);
      if (difference) {
        recording.dispose();
        tf.dispose([...result.tensors]);
        throw new Error(
          `${this.#where}: forward or loss computes otherwise in each step, and a replay would ` +
            `not: ${difference}; give what changes as an input, or leave the module eager`,
        );
      }
    }
    this.#entries.set(key, { recording, meta: result.meta, trace: isFirst ? trace : undefined });
    this.#forgetOldest();
    return { ...result, isReplay: false };
  }

  /** Number of kernels of each recording that is replayed. */
  get sizes(): number[] {
    return [...this.#entries.values()].flatMap(({ recording, trace }) =>
      trace ? [] : recording.numKernels,
    );
  }

  /** Frees the constants of all recordings. */
  dispose(): void {
    for (const { recording } of this.#entries.values()) recording.dispose();
    this.#entries.clear();
  }

  #record<Meta>({ inputs, seed, eagerly }: Computation<Meta>) {
    const seeds: SeedState = seed === undefined ? seedState() : { seed, given: 0 };
    const options = { where: this.#where, inputs, buffers: this.#buffers(), seeds };
    const recorder = new Recorder(options);
    try {
      const result = recorder.run(eagerly);
      return { result, recording: recorder.finish(result.tensors), trace: recorder.trace };
    } catch (error) {
      recorder.abort();
      throw error;
    }
  }

  #forgetOldest(): void {
    if (this.#entries.size <= LARGEST_NUMBER) return;
    const [[key, { recording }]] = [...this.#entries] as [[string, Entry]];
    recording.dispose();
    this.#entries.delete(key);
  }
}

/** A tensor that is given twice, as features and labels, is another recording, too. */
function keyOf({ key, inputs }: Computation<unknown>): string {
  const described = inputs.map(({ id, dtype, shape }, i) => {
    const first = inputs.findIndex((other) => other.id === id);
    return `${dtype}[${shape.join()}]${first < i ? `=${first}` : ''}`;
  });
  return [tf.getBackend(), key, ...described].join(' ');
}

function replay<Meta>(recording: Recording, computation: Computation<Meta>, meta: Meta) {
  const { inputs, seed } = computation;
  const draw = () => Array.from({ length: recording.numDraws }, nextSeed);
  const seeds = withSeed(seed, draw);
  const onOutput: OnOutput | undefined =
    computation.onOutput &&
    ((place, tensor) => computation.onOutput?.(place, tensor, meta) ?? tensor);
  return { tensors: recording.replay(inputs, seeds, onOutput) };
}

/** A list of kernels, which is run on new inputs without TensorFlow.js's tape. */
import * as tf from '@tensorflow/tfjs-core';
import { ensureUnique } from '../fused-kernels';
import {
  CHANGED_IN_PLACE,
  hasEffect,
  inputsOf,
  isVariable,
  type KernelStep,
  outputsOf,
  type Ref,
  type Step,
  type Value,
} from './steps';

interface RecordingParts {
  readonly values: readonly Value[];
  readonly steps: readonly Step[];
  readonly outputs: readonly Ref[];
  readonly numDraws: number;
}

/** A step with its backend's kernel, and the values that nobody reads after it. */
interface Planned {
  readonly step: Step;
  readonly kernel: tf.KernelConfig | undefined;
  readonly freed: readonly Ref[];
  /** Places of outputs that no later step reads, of which nothing else is an output. */
  readonly finished: readonly number[];
}

/** May replace an output by another tensor when no later step reads it. */
export type OnOutput = (place: number, tensor: tf.Tensor) => tf.Tensor;

export class Recording {
  /** The seeds that a replay draws. */
  readonly numDraws: number;
  readonly #values: readonly Value[];
  readonly #planned: readonly Planned[];
  readonly #outputs: readonly Ref[];
  /** What a replay reads that the code holds. */
  readonly #held: readonly tf.Tensor[];

  /** Leaves out what nobody reads, and frees constants that are not needed. */
  constructor({ values, steps, outputs, numDraws }: RecordingParts) {
    this.numDraws = numDraws;
    this.#values = values;
    this.#outputs = outputs;
    const { kept, freed } = analyze(steps, outputs);
    const finished = finishedAfter(kept, outputs, values);
    const backend = tf.getBackend();
    this.#planned = kept.map((step, i) => ({
      step,
      kernel: step.kind === 'kernel' ? tf.getKernel(step.name, backend) : undefined,
      freed: (freed[i] ?? []).filter((ref) => values[ref]?.kind === 'computed'),
      finished: finished[i] ?? [],
    }));
    const needed = new Set([...kept.flatMap(inputsOf), ...outputs]);
    values.forEach((value, ref) => {
      if (value.kind === 'constant' && !needed.has(ref)) value.tensor.dispose();
    });
    this.#held = values.flatMap((value, ref) =>
      value.kind === 'held' && needed.has(ref) ? value.tensor : [],
    );
  }

  /** Number of kernels of a replay. */
  get numKernels(): number {
    return this.#planned.filter(({ kernel }) => kernel).length;
  }

  /** Whether a tensor that the code held, and that a replay reads, is gone. */
  get isStale(): boolean {
    return this.#held.some(({ isDisposed }) => isDisposed);
  }

  /**
   * Runs the kernels. The inputs stay the caller's; the outputs, none of which shares a tensor with
   * another, are the caller's too.
   * @param onOutput called while later kernels are still to run
   */
  replay(inputs: readonly tf.Tensor[], seeds: readonly number[], onOutput?: OnOutput): tf.Tensor[] {
    return tf.tidy(() => {
      const tensors = this.#values.map((value) => {
        if (value.kind === 'computed') return undefined;
        return value.kind === 'input' ? inputs[value.index] : value.tensor;
      });
      const backend = tf.backend();
      for (const { step, kernel, freed, finished } of this.#planned) {
        if (kernel) runKernel(step as KernelStep, { kernel, backend, tensors, seeds });
        else runOther(step, tensors, seeds);
        for (const ref of freed) {
          tensors[ref]?.dispose();
          tensors[ref] = undefined;
        }
        if (!onOutput) continue;
        for (const place of finished) {
          const ref = this.#outputs[place] as Ref;
          tensors[ref] = onOutput(place, tensors[ref] as tf.Tensor);
        }
      }
      const given = new Set<Ref>();
      return this.#outputs.map((ref) => {
        const tensor = tensors[ref] as tf.Tensor;
        const isOwn = this.#values[ref]?.kind === 'computed' && !given.has(ref);
        given.add(ref);
        return isOwn ? tensor : tf.clone(tensor);
      });
    });
  }

  /** Frees the constants. */
  dispose(): void {
    for (const value of this.#values)
      if (value.kind === 'constant' && !value.tensor.isDisposed) value.tensor.dispose();
  }
}

/** The steps that are needed, and what each is the last to read, or makes for nobody. */
function analyze(
  steps: readonly Step[],
  outputs: readonly Ref[],
): { kept: Step[]; freed: Ref[][] } {
  const needed = new Set<Ref>(outputs);
  const kept: Step[] = [];
  const freed: Ref[][] = [];
  for (const step of [...steps].reverse()) {
    const made = outputsOf(step);
    if (!hasEffect(step) && !made.some((ref) => needed.has(ref))) continue;
    const last = made.filter((ref) => !needed.has(ref)); // nobody reads them
    for (const ref of inputsOf(step)) {
      if (needed.has(ref)) continue;
      needed.add(ref);
      last.push(ref);
    }
    kept.push(step);
    freed.push(last);
  }
  return { kept: kept.reverse(), freed: freed.reverse() };
}

/** The places of outputs that are complete after each step: computed, and given once. */
function finishedAfter(
  steps: readonly Step[],
  outputs: readonly Ref[],
  values: readonly Value[],
): number[][] {
  const places = new Map<Ref, number>();
  outputs.forEach((ref, place) => {
    const isOnce = outputs.indexOf(ref) === outputs.lastIndexOf(ref);
    if (isOnce && values[ref]?.kind === 'computed') places.set(ref, place);
  });
  const finished: number[][] = steps.map(() => []);
  for (let i = steps.length - 1; i >= 0; i--) {
    const step = steps[i] as Step;
    for (const ref of [...outputsOf(step), ...inputsOf(step)]) {
      const place = places.get(ref);
      if (place === undefined) continue;
      places.delete(ref);
      finished[i]?.push(place);
    }
  }
  return finished;
}

interface Running {
  readonly kernel: tf.KernelConfig;
  readonly backend: tf.KernelBackend;
  readonly tensors: (tf.Tensor | undefined)[];
  readonly seeds: readonly number[];
}

/** What `tf.engine()` makes of a kernel's output. */
interface TensorMaker {
  makeTensorFromTensorInfo(info: tf.TensorInfo): tf.Tensor;
}

function runKernel(step: KernelStep, { kernel, backend, tensors, seeds }: Running): void {
  const inputs: Record<string, tf.Tensor | undefined> | (tf.Tensor | undefined)[] = step.takesList
    ? []
    : {};
  for (const [key, ref] of step.inputs)
    (inputs as Record<string, unknown>)[key] = ref === undefined ? undefined : tensors[ref];
  for (const key of CHANGED_IN_PLACE[step.name] ?? []) {
    const changed = (inputs as tf.NamedTensorMap)[key];
    if (changed && isVariable(changed)) ensureUnique(changed);
  }
  const attrs = step.draw === undefined ? step.attrs : { ...step.attrs, seed: seeds[step.draw] };
  const call = { inputs: inputs as tf.NamedTensorInfoMap, attrs: attrs as tf.NamedAttrMap };
  const result = kernel.kernelFunc({ ...call, backend });
  const infos = Array.isArray(result) ? result : [result];
  const maker = tf.engine() as unknown as TensorMaker;
  step.outputs.forEach((ref, i) => {
    const info = infos[i] as tf.TensorInfo;
    const tensor = 'rank' in info ? (info as tf.Tensor) : maker.makeTensorFromTensorInfo(info);
    // A kernel that gives its input back would have it freed twice.
    const isInput = step.inputs.some(([, input]) => input !== undefined && tensors[input] === info);
    tensors[ref] = isInput ? tf.clone(tensor) : tensor;
  });
}

function runOther(step: Step, tensors: (tf.Tensor | undefined)[], seeds: readonly number[]): void {
  if (step.kind === 'assign') step.variable.assign(tensors[step.value] as tf.Tensor);
  if (step.kind === 'check') step.check(step.values.map((ref) => tensors[ref] as tf.Tensor));
  if (step.kind === 'draw') tensors[step.output] = step.make(seeds[step.draw] as number);
}

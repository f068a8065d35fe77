/** Peak memory of steps that are computed in JavaScript, where only a measurement shows it. */
import { OutOfMemoryError } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { withPatches } from './layer-walk';
import { adviseBatch } from './memory';
import { withNormSync } from './synced-norm';
import { listTensors, sliceTensors, type Tensors } from './tensors';

/** The parts of `tf.engine()` that know which data are held. */
interface Engine {
  trackTensor(tensor: tf.Tensor, backend: unknown): void;
  removeDataId(dataId: object, backend: unknown): void;
  readonly state: {
    readonly tensorInfo: {
      get(dataId: object): { readonly bytes: number; readonly backend: unknown } | undefined;
      has(dataId: object): boolean;
    };
  };
}

/** The most bytes that were held at once while `work` ran, of those that it allocated. */
function measurePeak<T>(work: () => T): { result: T; peak: number } {
  const engine = tf.engine() as unknown as Engine;
  const { tensorInfo } = engine.state;
  const [track, remove] = [engine.trackTensor.bind(engine), engine.removeDataId.bind(engine)];
  const own = new Set<object>();
  let held = 0;
  let peak = 0;
  const trackTensor: Engine['trackTensor'] = (tensor, backend) => {
    const isNew = !tensorInfo.has(tensor.dataId);
    track(tensor, backend);
    if (!isNew) return; // it shares the memory of another tensor
    own.add(tensor.dataId);
    held += tensorInfo.get(tensor.dataId)?.bytes ?? 0;
    peak = Math.max(peak, held);
  };
  const removeDataId: Engine['removeDataId'] = (dataId, backend) => {
    const info = tensorInfo.get(dataId);
    if (info?.backend === backend && own.delete(dataId)) held -= info?.bytes ?? 0;
    remove(dataId, backend);
  };
  const patches = Object.entries({ trackTensor, removeDataId }).map(([field, value]) => ({
    object: engine,
    field,
    value,
  }));
  return { result: withPatches(patches, work), peak };
}

const bytesOf = (...batch: Tensors[]): number =>
  batch.flatMap(listTensors).reduce((sum, { size }) => sum + 4 * size, 0);

const sizeOf = (features: Tensors): number => listTensors(features)[0]?.shape[0] ?? 1;

/** Sizes of the trial steps that show how memory grows with the batch. */
const TRIALS = [2, 4];
/** Batch sizes that are measured. */
const LARGEST_NUMBER = 4;

interface StepOfBatch<T> {
  readonly features: Tensors;
  readonly labels: Tensors;
  compute(features: Tensors, labels: Tensors): T;
  /** Runs trial steps so that they change nothing, and frees what they give. */
  keepingState(trial: () => T): void;
}

/** Measures the steps of a plan, and advises a batch size where one does not fit. */
export class StepMemory {
  readonly #peaks = new Map<number, number>(); // bytes by batch size

  /**
   * Runs a step. The first ones of a batch size are measured.
   * @throws OutOfMemoryError with the batch size that would fit
   */
  step<T>(step: StepOfBatch<T>): T {
    const { features, labels, compute } = step;
    try {
      return this.#measured(features, labels, () => compute(features, labels));
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || !Number.isFinite(error.limit)) throw error;
      const held = tf.memory().numBytes - bytesOf(features, labels);
      this.#try(step);
      if (this.#peaks.size > 0)
        adviseBatch(error, { batch: sizeOf(features), held, peakOf: (n) => this.#estimate(n) });
      throw error;
    }
  }

  /**
   * The most bytes that a training step over a batch holds, the batch included and the weights not:
   * measured, and for other batch sizes in proportion.
   * @param where the beginning of the error
   * @throws Error before the first step
   */
  peakBytes(where: string, batch: number): number {
    if (this.#peaks.size === 0) {
      throw new Error(
        `${where}: expected a training step before peakBytes: what code allocates is measured, ` +
          'not estimated; call forwardBackward on a batch first',
      );
    }
    return this.#peaks.get(batch) ?? this.#estimate(batch);
  }

  #measured<T>(features: Tensors, labels: Tensors, run: () => T): T {
    const batch = sizeOf(features);
    if (this.#peaks.has(batch) || this.#peaks.size >= LARGEST_NUMBER) return run();
    const { result, peak } = measurePeak(run);
    this.#peaks.set(batch, peak + bytesOf(features, labels));
    return result;
  }

  /** Measures steps over few samples. One that fails gives no measurement. */
  #try<T>({ features, labels, compute, keepingState }: StepOfBatch<T>): void {
    for (const size of TRIALS.filter((trial) => trial < sizeOf(features))) {
      const x = sliceTensors(features, 0, size);
      const y = sliceTensors(labels, 0, size);
      try {
        // The other processes take no part.
        const trial = () => withNormSync(undefined, () => compute(x, y));
        this.#measured(x, y, () => keepingState(trial));
      } catch {
        // A loss or a module that takes no part of a batch: there is no advice then.
      } finally {
        tf.dispose([x, y] as tf.TensorContainer);
      }
    }
  }

  /** On the line through the smallest and the largest batch that were measured. */
  #estimate(batch: number): number {
    const known = [...this.#peaks].sort(([a], [b]) => a - b);
    const [[small, few] = [1, 0]] = known;
    const [large, many] = known.at(-1) ?? [small, few];
    if (large === small) return (few * batch) / small;
    const perSample = (many - few) / (large - small);
    return Math.max(0, few + perSample * (batch - small));
  }
}

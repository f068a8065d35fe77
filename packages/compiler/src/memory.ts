/** Peak memory of a pass, from the lifetimes of its tensors, without computing anything. */
import { OutOfMemoryError, type WorkspaceQuery } from '@deepend/core';
import type { Value } from './graph';
import type { Liveness } from './liveness';
import type { Operation } from './program';

const FLOAT_BYTES = 4;
const size = (shape: readonly (number | null)[]): number =>
  shape.reduce<number>((product, n) => product * (n ?? 1), 1);

/** Memory that one or several tensors share. */
interface Buffer {
  readonly bytes: number;
  users: number;
}

/** Counts the bytes that are held, as the backend does, and their maximum. */
class Ledger {
  held = 0;
  peak = 0;

  make(bytes: number): Buffer {
    this.held += bytes;
    this.peak = Math.max(this.peak, this.held);
    return { bytes, users: 1 };
  }

  share(buffer: Buffer): Buffer {
    buffer.users++;
    return buffer;
  }

  drop(buffer: Buffer | undefined): void {
    if (buffer && --buffer.users === 0) this.held -= buffer.bytes;
  }

  /** Memory that an operation allocates and frees. */
  touch(bytes: number): void {
    this.drop(this.make(bytes));
  }
}

/** Operations whose output shares the memory of their input. */
const sharesInput = ({ kind }: Operation, training: boolean) =>
  kind.name === 'reshape' || (['dropout', 'dropSamples'].includes(kind.name) && !training);

const flagsOf = ({ attrs }: Operation) => (attrs ?? {}) as { relu?: boolean; frozen?: boolean };
const isFrozenNorm = (operation: Operation) =>
  operation.kind.name === 'batchNorm' && flagsOf(operation).frozen === true;

/** Operations whose gradient first masks dy by the fused ReLU. */
const masksGradient = (operation: Operation) =>
  flagsOf(operation).relu === true &&
  (['conv2d', 'dense', 'add'].includes(operation.kind.name) || isFrozenNorm(operation));
/** Whether the gradient of the i-th input shares the memory of dy. */
const passesGradient = (operation: Operation, i: number) =>
  ['add', 'reshape'].includes(operation.kind.name) || (isFrozenNorm(operation) && i === 1);

type WorkspaceBytes = (query: WorkspaceQuery) => number;

interface SimulationOptions {
  /** Number of images. */
  readonly batch: number;
  /** Of the backend's kernels. */
  readonly workspaceBytes: WorkspaceBytes;
}

/** An `Execution` with bytes in place of tensors: it allocates and frees in the same order. */
class Simulation {
  readonly ledger = new Ledger();
  readonly #values = new Map<number, Buffer>();
  readonly #gradients = new Map<number, Buffer>();
  readonly #liveness: Liveness;
  readonly #options: SimulationOptions;

  constructor(liveness: Liveness, options: SimulationOptions) {
    this.#liveness = liveness;
    this.#options = options;
    this.#values.set(liveness.input.id, this.#allocate(liveness.input));
  }

  forward(training: boolean): void {
    const { operations, freedAfterForward } = this.#liveness;
    operations.forEach((operation, i) => {
      const { inputs, output } = operation;
      const shared = sharesInput(operation, training)
        ? this.#values.get((inputs[0] as Value).id)
        : undefined;
      this.#values.set(output.id, shared ? this.ledger.share(shared) : this.#allocate(output));
      this.#touchWorkspace(operation, 'output');
      this.#free(freedAfterForward[i]);
    });
  }

  backward(): void {
    const { operations, freedAfterBackward, learns, logits } = this.#liveness;
    this.#gradients.set(logits.id, this.#allocate(logits));
    this.#free([logits.id]); // after the loss is computed
    const wanted = new Set(operations.flatMap(({ output }, i) => (learns[i] ? [output.id] : [])));
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i] as Operation;
      const dy = this.#gradients.get(operation.output.id);
      if (learns[i] && dy) this.#differentiate(operation, { dy, wanted });
      this.ledger.drop(dy);
      this.#free(freedAfterBackward[i]);
    }
  }

  #differentiate(
    operation: Operation,
    { dy, wanted }: { dy: Buffer; wanted: ReadonlySet<number> },
  ): void {
    const { ledger } = this;
    const dz = masksGradient(operation) ? this.#allocate(operation.output) : ledger.share(dy);
    const found = operation.inputs.flatMap((value, i) => {
      if (!wanted.has(value.id)) return [];
      return [
        {
          id: value.id,
          dx: passesGradient(operation, i) ? ledger.share(dz) : this.#allocate(value),
        },
      ];
    });
    if (found.length > 0) this.#touchWorkspace(operation, 'inputGradient');
    const learned = operation.params.filter(({ trainable }) => trainable);
    for (const { shape } of learned) ledger.make(size(shape) * FLOAT_BYTES);
    if (learned.length > 0) this.#touchWorkspace(operation, 'parameterGradient');
    ledger.drop(dz);
    for (const { id, dx } of found) this.#accumulate(id, dx);
  }

  /** A value that is read twice has the sum of two gradients, which briefly exists next to both. */
  #accumulate(id: number, dx: Buffer): void {
    const before = this.#gradients.get(id);
    this.#gradients.set(id, before ? this.ledger.make(dx.bytes) : dx);
    if (!before) return;
    this.ledger.drop(before);
    this.ledger.drop(dx);
  }

  #touchWorkspace(operation: Operation, part: WorkspaceQuery['part']): void {
    const { batch, workspaceBytes } = this.#options;
    const { kind, attrs, inputs, output, params } = operation;
    const sized = ({ shape }: Pick<Value, 'shape'>) => shape.map((length) => length ?? batch);
    const bytes = workspaceBytes({
      operation: kind.name,
      part,
      input: sized(inputs[0] as Value),
      output: sized(output),
      params: params.map(({ shape }) => shape),
      attrs: attrs ?? {},
    });
    this.ledger.touch(bytes);
  }

  #allocate({ shape }: Value): Buffer {
    return this.ledger.make(this.#options.batch * size(shape) * FLOAT_BYTES);
  }

  #free(ids: readonly number[] = []): void {
    for (const id of ids) this.ledger.drop(this.#values.get(id));
  }
}

export interface PeakOptions {
  /** Whether a backward pass follows the forward pass. */
  readonly backward: boolean;
  readonly workspaceBytes: WorkspaceBytes;
}

/**
 * The most bytes that one pass over a batch holds: the batch, activations, gradients of activations
 * and weights, and the kernels' workspace, but not the weights.
 * @param batch number of images
 */
export function peakBytes(
  liveness: Liveness,
  batch: number,
  { backward, workspaceBytes }: PeakOptions,
): number {
  const simulation = new Simulation(liveness, { batch, workspaceBytes });
  simulation.forward(backward);
  if (backward) simulation.backward();
  return simulation.ledger.peak;
}

/** The usable fraction of a backend's memory; the rest is lost to fragmentation. */
const USABLE = 0.85;

/** What `adviseBatch` searches in. */
interface BatchSearch {
  /** The size that did not fit. */
  readonly batch: number;
  /** Bytes that stay allocated: the weights and the caller's other tensors. */
  readonly held: number;
  /** The most bytes that a pass over a batch of a size holds. */
  peakOf(batch: number): number;
}

/**
 * Adds to an `OutOfMemoryError` which batch size would fit, in its message and as `fits`. Other
 * errors stay as they are.
 * @param error thrown while a batch was computed, after the pass was freed
 */
export function adviseBatch(error: unknown, { batch: failed, held, peakOf }: BatchSearch): void {
  if (!(error instanceof OutOfMemoryError) || !Number.isFinite(error.limit)) return;
  const room = USABLE * error.limit - held;
  let batch = 0;
  let tooMany = failed;
  while (tooMany - batch > 1) {
    const middle = (batch + tooMany) >> 1;
    if (peakOf(middle) <= room) batch = middle;
    else tooMany = middle;
  }
  error.fits = batch;
  error.message += batch
    ? `. A batch of ${failed} does not fit; one of ${batch} would`
    : `. Not even one image fits; take smaller images or a smaller model`;
}

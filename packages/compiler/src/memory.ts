/**
 * What a plan's step holds at its fullest, worked out from the schedule's lifetimes without
 * computing anything.
 */
import type { Value } from './graph';
import type { Liveness } from './liveness';
import type { Operation } from './program';
import { type Part, workspaceBytes } from './workspace';

const FLOAT_BYTES = 4;
const size = (shape: readonly (number | null)[]): number =>
  shape.reduce<number>((product, n) => product * (n ?? 1), 1);

/** Numbers that one or several tensors share. */
interface Buffer {
  readonly bytes: number;
  users: number;
}

/** Counts what is held, as the engine does, and remembers the most. */
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

  /** Memory that is taken and given back within an operation. */
  moment(bytes: number): void {
    this.drop(this.make(bytes));
  }
}

/** Operations whose output is their input under another shape or name. */
const sharesInput = ({ kind }: Operation, training: boolean) =>
  kind.name === 'reshape' || (['dropout', 'dropSamples'].includes(kind.name) && !training);

const flagsOf = ({ attrs }: Operation) => (attrs ?? {}) as { relu?: boolean; frozen?: boolean };
const isFrozenNorm = (operation: Operation) =>
  operation.kind.name === 'batchNorm' && flagsOf(operation).frozen === true;

/** Operations that first take out of dy what the fused ReLU did not let through. */
const masksGradient = (operation: Operation) =>
  flagsOf(operation).relu === true &&
  (['conv2d', 'dense', 'add'].includes(operation.kind.name) || isFrozenNorm(operation));
/** Whether the gradient of the i-th input is the output's own. */
const passesGradient = (operation: Operation, i: number) =>
  ['add', 'reshape'].includes(operation.kind.name) || (isFrozenNorm(operation) && i === 1);

/**
 * One pass over a batch with bytes in place of tensors: it makes and frees in the order of `Run`.
 */
class Rehearsal {
  readonly ledger = new Ledger();
  private readonly values = new Map<number, Buffer>();
  private readonly gradients = new Map<number, Buffer>();

  constructor(
    private readonly schedule: Liveness,
    private readonly batch: number,
  ) {
    this.values.set(schedule.input.id, this.of(schedule.input));
  }

  forward(training: boolean): void {
    const { operations, freedAfterForward } = this.schedule;
    operations.forEach((operation, i) => {
      const { inputs, output } = operation;
      const shared = sharesInput(operation, training)
        ? this.values.get((inputs[0] as Value).id)
        : undefined;
      this.values.set(output.id, shared ? this.ledger.share(shared) : this.of(output));
      this.moment(operation, 'output');
      this.free(freedAfterForward[i]);
    });
  }

  backward(): void {
    const { operations, freedAfterBackward, learns, logits } = this.schedule;
    this.gradients.set(logits.id, this.of(logits));
    this.free([logits.id]); // once the loss is known
    const wanted = new Set(operations.flatMap(({ output }, i) => (learns[i] ? [output.id] : [])));
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i] as Operation;
      const dy = this.gradients.get(operation.output.id);
      if (learns[i] && dy) this.differentiate(operation, { dy, wanted });
      this.ledger.drop(dy);
      this.free(freedAfterBackward[i]);
    }
  }

  private differentiate(
    operation: Operation,
    { dy, wanted }: { dy: Buffer; wanted: ReadonlySet<number> },
  ): void {
    const { ledger } = this;
    const dz = masksGradient(operation) ? this.of(operation.output) : ledger.share(dy);
    const found = operation.inputs.flatMap((value, i) => {
      if (!wanted.has(value.id)) return [];
      return [
        { id: value.id, dx: passesGradient(operation, i) ? ledger.share(dz) : this.of(value) },
      ];
    });
    if (found.length > 0) this.moment(operation, 'inputGradient');
    const learned = operation.params.filter(({ trainable }) => trainable);
    for (const { shape } of learned) ledger.make(size(shape) * FLOAT_BYTES);
    if (learned.length > 0) this.moment(operation, 'parameterGradient');
    ledger.drop(dz);
    for (const { id, dx } of found) this.accumulate(id, dx);
  }

  /**
   * A value that was read twice has the sum of two gradients, which stands beside both for a
   * moment.
   */
  private accumulate(id: number, dx: Buffer): void {
    const before = this.gradients.get(id);
    this.gradients.set(id, before ? this.ledger.make(dx.bytes) : dx);
    if (!before) return;
    this.ledger.drop(before);
    this.ledger.drop(dx);
  }

  private moment(operation: Operation, part: Part): void {
    this.ledger.moment(workspaceBytes(operation, { batch: this.batch, part }));
  }

  private of({ shape }: Value): Buffer {
    return this.ledger.make(this.batch * size(shape) * FLOAT_BYTES);
  }

  private free(ids: readonly number[] = []): void {
    for (const id of ids) this.ledger.drop(this.values.get(id));
  }
}

/**
 * Bytes that one pass over a batch holds at its fullest: the batch, activations, their gradients
 * and the weights' gradients, and what
 * kernels need for a moment, but not the weights.
 * @param batch images
 */
export function peakBytes(
  schedule: Liveness,
  batch: number,
  { backward }: { backward: boolean },
): number {
  const rehearsal = new Rehearsal(schedule, batch);
  rehearsal.forward(backward);
  if (backward) rehearsal.backward();
  return rehearsal.ledger.peak;
}

/** An engine's error that says how much it has, as simd's does. */
interface OutOfMemory extends Error {
  readonly asked: number;
  readonly inUse: number;
  readonly limit: number;
  /** The largest batch that would fit; 0 where not one image does. */
  fits?: number;
}

const isOutOfMemory = (error: unknown): error is OutOfMemory =>
  error instanceof Error &&
  error.name === 'OutOfMemoryError' &&
  Number.isFinite((error as OutOfMemory).limit);

/** The rest is room that is lost between blocks. */
const USABLE = 0.85;

/**
 * Tells whoever sees an engine's out-of-memory error which batch would fit, in its message and as
 * `fits`. Any other error stays as it is.
 * @param error thrown while a batch was computed, after all of the pass was freed
 * @param options.held bytes that stay: the weights and what else there is
 */
export function adviseBatch(
  error: unknown,
  schedule: Liveness,
  options: { batch: number; backward: boolean; held: number },
): void {
  if (!isOutOfMemory(error)) return;
  const room = USABLE * error.limit - options.held;
  const fits = (batch: number) => peakBytes(schedule, batch, options) <= room;
  let [batch, tooMany] = [0, options.batch];
  while (tooMany - batch > 1) {
    const middle = (batch + tooMany) >> 1;
    if (fits(middle)) batch = middle;
    else tooMany = middle;
  }
  error.fits = batch;
  error.message += batch
    ? `. A batch of ${options.batch} does not fit; one of ${batch} would`
    : `. Not even one image fits; take smaller images or a smaller net`;
}

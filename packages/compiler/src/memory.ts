/** What a plan's step holds at its fullest, worked out from the schedule's lifetimes without computing anything. */
import type { Value } from './graph';
import type { Schedule } from './schedule';

const FLOAT_BYTES = 4;
const size = (shape: readonly (number | null)[]): number => shape.reduce<number>((product, n) => product * (n ?? 1), 1);

/**
 * Bytes that one pass over a batch holds at its fullest: the batch, activations, their gradients and the weights' gradients, but not the
 * weights and what an engine's kernels need for a moment.
 * @param batch images
 */
export function peakBytes(schedule: Schedule, batch: number, { backward }: { backward: boolean }): number {
  const { operations, learns, freedAfterForward, freedAfterBackward, input } = schedule;
  const bytes = (value: Value) => batch * size(value.shape) * FLOAT_BYTES;
  const values = new Map(operations.map(({ output }) => [output.id, bytes(output)]));
  let held = bytes(input);
  let peak = held;
  const grow = (more: number) => {
    held += more;
    peak = Math.max(peak, held);
  };
  const free = (ids: readonly number[] = []) => {
    for (const id of ids) held -= values.get(id) ?? 0;
  };
  operations.forEach(({ output }, i) => {
    grow(bytes(output));
    free(freedAfterForward[i]);
  });
  if (!backward) return peak;
  const gradients = new Map<number, number>([[schedule.logits.id, bytes(schedule.logits)]]);
  grow(bytes(schedule.logits));
  for (let i = operations.length - 1; i >= 0; i--) {
    const { inputs, params, output } = operations[i] as (typeof operations)[number];
    if (learns[i]) {
      for (const value of inputs) {
        if (gradients.has(value.id) || value.id === input.id) continue;
        gradients.set(value.id, bytes(value));
        grow(bytes(value));
      }
      for (const { trainable, shape } of params) if (trainable) grow(size(shape) * FLOAT_BYTES);
    }
    held -= gradients.get(output.id) ?? 0;
    free(freedAfterBackward[i]);
  }
  return peak;
}

/** An engine's error that says how much it has, as simd's does. */
interface OutOfMemory extends Error {
  readonly asked: number;
  readonly inUse: number;
  readonly limit: number;
}

const isOutOfMemory = (error: unknown): error is OutOfMemory =>
  error instanceof Error && error.name === 'OutOfMemoryError' && Number.isFinite((error as OutOfMemory).limit);

/** Room that is lost between blocks, or that kernels take for a moment. */
const USABLE = 0.85;

/**
 * Tells whoever sees an engine's out-of-memory error which batch would fit. Any other error stays as it is.
 * @param error thrown while a batch was computed, after all of the pass was freed
 * @param options.held bytes that stay: the weights
 */
export function adviseBatch(
  error: unknown,
  schedule: Schedule,
  options: { batch: number; backward: boolean; held: number },
): void {
  if (!isOutOfMemory(error)) return;
  const room = USABLE * error.limit - options.held;
  const fits = (batch: number) => peakBytes(schedule, batch, options) <= room;
  let batch = options.batch - 1;
  while (batch > 0 && !fits(batch)) batch--;
  error.message += batch
    ? `. A batch of ${options.batch} does not fit; one of ${batch} would`
    : `. Not even one image fits; take smaller images or a smaller net`;
}

/** Liveness analysis: after which operation each value is read for the last time and freed. */
import type { Program } from './lower';
import type { Parameter } from './program';

/** A program with the values that are freed after each operation. */
export interface Liveness extends Program {
  /** Values that nothing reads after the i-th operation's forward (or backward) pass. */
  readonly freedAfterForward: readonly (readonly number[])[];
  readonly freedAfterBackward: readonly (readonly number[])[];
  /** Whether the i-th operation, or one that it depends on, has trainable parameters. */
  readonly learns: readonly boolean[];
  /** Parameters whose gradient is complete after the i-th operation's backward pass. */
  readonly learned: readonly (readonly Parameter[])[];
}

/** @param options.backward whether a backward pass follows, which reads some values again */
export function analyzeLiveness(program: Program, { backward }: { backward: boolean }): Liveness {
  const { operations, input, logits } = program;
  const learning = new Set<number>(); // values whose gradient is wanted
  const learns = operations.map((op) => {
    const wanted =
      op.params.some((param) => param.trainable) ||
      op.inputs.some((value) => learning.has(value.id));
    if (wanted) learning.add(op.output.id);
    return wanted;
  });
  const seen = new Set<number>();
  const learned = operations.map(({ params }) =>
    params.filter(({ trainable, variable }) => {
      const isFirst = trainable && !seen.has(variable.id); // its last use in the backward pass
      if (isFirst) seen.add(variable.id);
      return isFirst;
    }),
  );
  // The last time that a value is read: forward passes are 0 … n−1, backward passes n … 2n−1.
  const last = new Map<number, number>(operations.map((op, i) => [op.output.id, i]));
  const read = (id: number, moment: number) => last.set(id, Math.max(last.get(id) ?? 0, moment));
  operations.forEach((op, i) => {
    for (const value of op.inputs) read(value.id, i);
    if (!backward || !learns[i]) return;
    const reads = op.kind.reads(op.attrs);
    const moment = 2 * operations.length - 1 - i;
    if (reads.output) read(op.output.id, moment);
    if (reads.inputs) for (const value of op.inputs) read(value.id, moment);
  });
  last.delete(input.id); // the caller disposes it
  const freedAt = new Map<number, number[]>();
  for (const [id, moment] of last) {
    if (id === logits.id) continue;
    const freed = freedAt.get(moment);
    if (freed) freed.push(id);
    else freedAt.set(moment, [id]);
  }
  return {
    ...program,
    learns,
    learned,
    freedAfterForward: operations.map((_, i) => freedAt.get(i) ?? []),
    freedAfterBackward: operations.map((_, i) => freedAt.get(2 * operations.length - 1 - i) ?? []),
  };
}

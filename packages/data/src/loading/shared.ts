/** Memory that worker threads have in common with the calling thread. */

type Values = Uint8Array | Float32Array;

/** A set's images are copied once, for all its loaders. */
const copies = new WeakMap<Values, Values>();

/** The same values in shared memory. Later writes into `values` do not show there. */
export function shared(values: Values): Values {
  if (values.buffer instanceof SharedArrayBuffer) return values;
  let copy = copies.get(values);
  if (!copy) {
    const memory = new SharedArrayBuffer(values.byteLength);
    copy = values instanceof Uint8Array ? new Uint8Array(memory) : new Float32Array(memory);
    copy.set(values);
    copies.set(values, copy);
  }
  return copy;
}

/**
 * Memory for so many batches.
 * @throws RangeError where there is not as much
 */
export function slotsFor(count: number, bytes: number): SharedArrayBuffer[] {
  try {
    return Array.from({ length: count }, () => new SharedArrayBuffer(bytes));
  } catch (cause) {
    const mib = Math.ceil(bytes / 2 ** 20);
    throw new RangeError(
      `[data] DataLoader: expected memory for ${count} batches of ${mib} MiB, got ${cause}; lower "prefetch", "workers" or the batch size`,
      { cause },
    );
  }
}

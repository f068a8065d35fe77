/** Images in memory that worker threads read too. */

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

/**
 * A reader of protocol buffers, written from their page and not from the writer, and of the parts
 * of an ONNX file that tests ask for.
 */

/** Of a varint the 64 bits, of fixed32 its bytes, of a string or message its bytes. */
export type Field = readonly [number: number, value: bigint | Uint8Array];

/** @throws Error where the bytes end within a field */
export function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 63n) throw new Error(`no varint ends at byte ${at}`);
      value += BigInt(byte % 128) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (count: number) => {
    if (at + count > bytes.length)
      throw new Error(`${count} bytes are asked for at ${at} of ${bytes.length}`);
    at += count;
    return bytes.subarray(at - count, at);
  };
  while (at < bytes.length) {
    const key = Number(varint());
    const wire = key % 8;
    if (![0, 2, 5].includes(wire)) throw new Error(`wire type ${wire} at ${at}`);
    fields.push([
      Math.floor(key / 8),
      wire === 0 ? varint() : take(wire === 5 ? 4 : Number(varint())),
    ]);
  }
  return fields;
}

const all = (fields: readonly Field[], number: number) =>
  fields.filter(([one]) => one === number).map(([, value]) => value as Uint8Array);
const first = (fields: readonly Field[], number: number) => all(fields, number)[0];
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const integers = (fields: readonly Field[], number: number) =>
  (all(fields, number) as unknown as bigint[]).map((value) => Number(BigInt.asIntN(64, value)));

/** An ONNX file. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
export function readOnnx(bytes: Uint8Array) {
  const model = fieldsOf(bytes);
  const graph = fieldsOf(first(model, 7) as Uint8Array);
  const tensors = all(graph, 5).map((part) => {
    const fields = fieldsOf(part);
    const raw = first(fields, 9) as Uint8Array;
    const values = integers(fields, 2)[0] === 1 ? new Float32Array(new Uint8Array(raw).buffer) : [];
    return { name: text(first(fields, 8)), shape: integers(fields, 1), values };
  });
  return {
    irVersion: integers(model, 1)[0],
    producer: [text(first(model, 2)), text(first(model, 3))],
    opsets: all(model, 8).map((part) => [
      text(first(fieldsOf(part), 1)),
      integers(fieldsOf(part), 2)[0],
    ]),
    metadata: Object.fromEntries(
      all(model, 14).map((part) => [
        text(first(fieldsOf(part), 1)),
        text(first(fieldsOf(part), 2)),
      ]),
    ),
    name: text(first(graph, 2)),
    nodes: all(graph, 1).map((part) => ({
      op: text(first(fieldsOf(part), 4)),
      name: text(first(fieldsOf(part), 3)),
    })),
    tensors,
    inputs: all(graph, 11).map(valueInfo),
    outputs: all(graph, 12).map(valueInfo),
  };
}

/** A value's name and sizes; an open one is its name. */
function valueInfo(part: Uint8Array): [name: string, ...sizes: (number | string)[]] {
  const value = fieldsOf(part);
  const tensor = fieldsOf(first(fieldsOf(first(value, 2) as Uint8Array), 1) as Uint8Array);
  const sizes = all(fieldsOf(first(tensor, 2) as Uint8Array), 1).map((size) => {
    const fields = fieldsOf(size);
    return integers(fields, 1)[0] ?? text(first(fields, 2));
  });
  return [text(first(value, 1)), ...sizes];
}

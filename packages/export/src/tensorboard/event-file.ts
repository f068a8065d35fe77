/**
 * Event files as TensorBoard reads them: records in TensorFlow's framing, each a protobuf `Event`
 * with a step's scalars. Formats: tensorflow/core/lib/io/record_writer.h,
 * tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
 */

export interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  /** By tag: `train/loss`. Kept as float32. */
  readonly scalars: Readonly<Record<string, number>>;
}

const SESSION_START = 1; // of event.proto's SessionLog.SessionStatus

/** The first record of an event file. */
export const versionRecord = (wallTime: number): Buffer =>
  record(Buffer.concat([double(1, wallTime), bytes(3, Buffer.from('brain.Event:2'))]));

/**
 * Marks that a run was resumed at this step; readers discard later steps of earlier files in the
 * folder.
 */
export const sessionRecord = ({ wallTime, step }: Omit<ScalarEvent, 'scalars'>): Buffer =>
  record(
    Buffer.concat([
      double(1, wallTime),
      varintField(2, step),
      bytes(7, varintField(1, SESSION_START)),
    ]),
  );

/** One event with scalars, ready to be appended to a file. */
export function scalarRecord({ wallTime, step, scalars }: ScalarEvent): Buffer {
  const values = Object.entries(scalars).map(([tag, value]) =>
    bytes(1, Buffer.concat([bytes(1, Buffer.from(tag)), float(2, value)])),
  );
  return record(
    Buffer.concat([double(1, wallTime), varintField(2, step), bytes(5, Buffer.concat(values))]),
  );
}

/** Length (8 bytes), its checksum, the data, their checksum; all little-endian. */
export function record(data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const foot = Buffer.alloc(4);
  foot.writeUInt32LE(maskedCrc(data));
  return Buffer.concat([head, data, foot]);
}

const CRC32C = 0x82f63b78; // Castagnoli's polynomial, bits reversed
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C : crc >>> 1;
  return crc;
});

/** CRC-32C, RFC 3720 appendix B.4. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

/**
 * TensorFlow's masked CRC: rotated, with a constant added, since the CRC of data that contains CRCs
 * is weak.
 */
function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

// Protobuf's wire format, https://protobuf.dev/programming-guides/encoding: a key (field number,
// wire type), then the value.
const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;
const key = (field: number, wire: keyof typeof WIRE) => varint((field << 3) | WIRE[wire]);

function varint(value: number): Buffer {
  const groups: number[] = [];
  let rest = value;
  // Not >>: a step may pass 32 bits.
  for (; rest >= 128; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 128);
  return Buffer.from([...groups, rest]);
}

const varintField = (field: number, value: number) =>
  Buffer.concat([key(field, 'varint'), varint(value)]);
const bytes = (field: number, value: Buffer) =>
  Buffer.concat([key(field, 'bytes'), varint(value.length), value]);

function double(field: number, value: number): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeDoubleLE(value);
  return Buffer.concat([key(field, 'fixed64'), fixed]);
}

function float(field: number, value: number): Buffer {
  const fixed = Buffer.alloc(4);
  fixed.writeFloatLE(value);
  return Buffer.concat([key(field, 'fixed32'), fixed]);
}

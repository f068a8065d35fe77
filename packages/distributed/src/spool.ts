/**
 * Numbers on their way between processes. A socket takes a net's weights in small pieces; through a
 * file, which stays in memory, they go in two
 * copies. The file has no name: it is gone when both processes are, however they end.
 */
import { randomUUID } from 'node:crypto';
import { openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { atLeast } from './numbers';

const MEMORY = '/dev/shm'; // Linux keeps its files in memory; containers may have little of it
const ROOM = 2 ** 30;
const WORD = 4;

function folder(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= ROOM ? MEMORY : os.tmpdir();
  } catch {
    return os.tmpdir(); // another system
  }
}

/** A file without a name. @returns its descriptor */
export function openSpool(): number {
  const file = path.join(folder(), `deepend-${randomUUID()}`);
  const descriptor = openSync(file, 'wx+', 0o600);
  rmSync(file);
  return descriptor;
}

/** What stands in a message for numbers in the file. */
interface Place {
  readonly spooled: true;
  readonly at: number;
  readonly length: number;
}

const isPlace = (value: unknown): value is Place => (value as Place | null)?.spooled === true;

/**
 * A message with its arrays in the file, from the beginning: one message is on its way at a time.
 */
export function spool(descriptor: number, message: object): object {
  let at = 0;
  const fields = Object.entries(message).map(([key, value]): [string, unknown] => {
    if (!(value instanceof Float32Array)) return [key, value];
    const place: Place = { spooled: true, at, length: value.length };
    for (let done = 0; done < value.byteLength; )
      done += writeSync(descriptor, value, done, value.byteLength - done, at + done);
    at += value.byteLength;
    return [key, place];
  });
  return Object.fromEntries(fields);
}

/** Reads such messages. Their numbers are valid until the next one is read. */
export class SpoolReader {
  private memory: Float32Array | undefined;

  constructor(private readonly descriptor: number) {}

  read<T extends object>(message: T): T {
    const places = Object.values(message).filter(isPlace);
    const words = places.reduce((sum, { length }) => sum + length, 0);
    const memory = atLeast(this.memory, words);
    this.memory = memory;
    const bytes = new Uint8Array(memory.buffer);
    const size = words * WORD;
    for (let done = 0; done < size; ) {
      const count = readSync(this.descriptor, bytes, done, size - done, done);
      if (count === 0)
        throw new Error(`expected ${size} bytes of numbers from the other process, got ${done}`);
      done += count;
    }
    const fields = Object.entries(message).map(([key, value]) => {
      const start = isPlace(value) ? value.at / WORD : 0;
      return [key, isPlace(value) ? memory.subarray(start, start + value.length) : value];
    });
    return Object.fromEntries(fields) as T;
  }
}

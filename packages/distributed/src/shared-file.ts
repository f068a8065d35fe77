/**
 * Arrays between processes, through a file in memory: two copies, where a socket would take a
 * model's
 * weights in many small pieces. The file has no name, so the system deletes it when both processes
 * have ended, however they end.
 */

import { randomUUID } from 'node:crypto';
import { openSync, readSync, rmSync, statfsSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isFloat32Array } from '@deepend/core';
import { ensureLength } from './arrays';

const MEMORY = '/dev/shm'; // Linux keeps its files in memory; containers may have little of it
const MIN_FREE = 2 ** 30; // bytes
const FLOAT_BYTES = 4;

function folder(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    return bavail * bsize >= MIN_FREE ? MEMORY : os.tmpdir();
  } catch {
    return os.tmpdir(); // another system
  }
}

/** Opens a file and deletes its name. @returns its descriptor */
export function openSharedFile(): number {
  const file = path.join(folder(), `deepend-${randomUUID()}`);
  const descriptor = openSync(file, 'wx+', 0o600);
  rmSync(file);
  return descriptor;
}

/** Replaces an array in a message. */
interface Place {
  readonly inFile: true;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

const isPlace = (value: unknown): value is Place => (value as Place | null)?.inFile === true;

/**
 * Writes a message's arrays from the start of the file: only one message is under way at a time.
 * @returns the message with places instead of arrays
 */
export function writeArrays(descriptor: number, message: object): object {
  let offset = 0;
  const fields = Object.entries(message).map(([key, value]): [string, unknown] => {
    if (!isFloat32Array(value)) return [key, value];
    const place: Place = { inFile: true, offset, length: value.length };
    for (let done = 0; done < value.byteLength; )
      done += writeSync(descriptor, value, done, value.byteLength - done, offset + done);
    offset += value.byteLength;
    return [key, place];
  });
  return Object.fromEntries(fields);
}

/** Reads such messages. Their arrays are valid until the next message is read. */
export class ArrayReader {
  readonly #descriptor: number;
  #memory: Float32Array | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  read<T extends object>(message: T): T {
    const places = Object.values(message).filter(isPlace);
    const words = places.reduce((sum, { length }) => sum + length, 0);
    const memory = ensureLength(this.#memory, words);
    this.#memory = memory;
    const bytes = new Uint8Array(memory.buffer);
    const size = words * FLOAT_BYTES;
    for (let done = 0; done < size; ) {
      const count = readSync(this.#descriptor, bytes, done, size - done, done);
      if (count === 0)
        throw new Error(`expected ${size} bytes from the other process, got ${done}`);
      done += count;
    }
    const fields = Object.entries(message).map(([key, value]) => {
      const start = isPlace(value) ? value.offset / FLOAT_BYTES : 0;
      return [key, isPlace(value) ? memory.subarray(start, start + value.length) : value];
    });
    return Object.fromEntries(fields) as T;
  }
}
